"""Sources list every file once, under stable names, and never open what is no file."""

import json
import os
import re
import shutil
import tarfile

import polars as pl
import pytest

from pipelines.sources import Source, SourceError, parse_source, parse_sources
from pipelines.sources.files import UnreadableFileError, file_uri, read_regular, uri_path
from tests.shared_data import shared_path

SAFE_ID = re.compile(r"[A-Za-z0-9_-]+")


def listed(source: Source) -> list:
    files = [file for shard in source.shards() for file in source.list_files(shard)]
    assert isinstance(source, Source)
    assert len({file.mesh_id for file in files}) == len({file.uri for file in files}) == len(files)
    assert all(SAFE_ID.fullmatch(file.mesh_id) for file in files)
    assert all(uri_path(file.uri) == file.path for file in files)
    for shard in source.shards():
        uris = [file.uri for file in source.list_files(shard)]
        assert uris == sorted(uris)
        assert uris
    return files


@pytest.mark.parametrize(
    ("kind", "folder", "n_files"),
    [
        ("local", "local", 535),
        ("local", "messy", 425),
        ("objaverse", "objaverse", 1637),
        ("shapenet", "shapenet", 221),
    ],
)
def test_corpus_is_listed_exactly(kind, folder, n_files):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("set") == folder)
    files = listed(parse_source(f"{kind}:{corpus / folder}"))
    assert len(files) == n_files
    assert {str(file.path.relative_to(corpus)) for file in files} == set(manifest["path"])


def test_objaverse_carries_its_annotations():
    root = shared_path("corpus", "objaverse")
    files = listed(parse_source(f"objaverse:{root}"))
    assert {file.licence for file in files} == {"cc0"}
    assert "Quaternius" in {file.author for file in files}
    assert sum(file.category is not None for file in files) == 353
    nested = parse_source(f"objaverse:{root / 'hf-objaverse-v1'}")
    assert listed(nested) == files


def test_shapenet_carries_its_taxonomy():
    files = listed(parse_source(f"shapenet:{shared_path('corpus', 'shapenet')}"))
    bed = next(file for file in files if file.shard == "02818832")
    assert (bed.category, bed.licence, bed.format) == ("bed", None, "obj")
    assert re.fullmatch(r"02818832_[0-9a-f]{32}", bed.mesh_id)


def test_local_lists_what_may_be_a_mesh(tmp_path):
    for name in [
        "a.GLB",
        "b.fbx",
        "noextension",
        ".DS_Store",
        "c.mtl",
        "d.png",
        "e.json",
        "trailing.",
        "f.tar.glb",
    ]:
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    formats = {file.name: file.format for file in listed(parse_source(f"local:{tmp_path}"))}
    assert formats == {
        "a.GLB": "glb",
        "b.fbx": "fbx",
        "noextension": "",
        ".DS_Store": "",
        "trailing.": "",
        "f.tar.glb": "glb",
    }


def test_hostile_names(tmp_path):
    with tarfile.open(shared_path("corpus", "messy", "odd_names.tar")) as archive:
        archive.extractall(tmp_path, filter="data")
    for name in [b"not utf-8 \xff.glb", b"new\nline.glb", b"per%20cent.glb", "\u2028line.glb".encode()]:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    files = listed(parse_source(f"local:{tmp_path}"))
    assert len(files) == 14
    for file in files:
        assert len(file.uri.splitlines()) == 1
        file.uri.encode()
        file.name.encode()
        assert file.path.read_bytes()
    assert any("椅子" in file.uri for file in files)


def test_ids_and_shards_do_not_depend_on_where_the_folder_lies(tmp_path):
    for parent in ["one", "two"]:
        folder = tmp_path / parent / "meshes" / "sub"
        folder.mkdir(parents=True)
        for i in range(30):
            (folder / f"{i}.obj").touch()
    one, two = (listed(parse_source(f"local:{tmp_path / parent / 'meshes'}")) for parent in ["one", "two"])
    assert [(file.mesh_id, file.shard) for file in one] == [(file.mesh_id, file.shard) for file in two]
    assert len({file.shard for file in one}) > 4


def test_folders_of_the_same_name_are_told_apart_whatever_their_order(tmp_path):
    texts = []
    for parent in ["one", "two"]:
        (tmp_path / parent / "meshes").mkdir(parents=True)
        (tmp_path / parent / "meshes" / "a.obj").touch()
        texts.append(f"local:{tmp_path / parent / 'meshes'}")
    forth = [file for source in parse_sources(texts) for file in listed(source)]
    back = [file for source in parse_sources(texts[::-1]) for file in listed(source)]
    assert sorted(forth, key=lambda file: file.uri) == sorted(back, key=lambda file: file.uri)
    assert len({file.shard for file in forth}) == len({file.mesh_id for file in forth}) == 2


def test_links(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "a.obj").write_text("x")
    (root / "inside.obj").write_text("x")
    (root / "to_folder").symlink_to(outside)
    (root / "out.obj").symlink_to(outside / "a.obj")
    (root / "in.obj").symlink_to(root / "inside.obj")
    (root / "nowhere.obj").symlink_to(root / "gone.obj")
    (root / "loop.obj").symlink_to(root / "loop.obj")
    problems = {file.name: file.problem for file in listed(parse_source(f"local:{root}"))}
    assert problems["inside.obj"] is None
    assert problems["in.obj"] is None
    assert "out of the source's folder" in problems["out.obj"]
    assert "link to nothing" in problems["nowhere.obj"]
    assert problems["loop.obj"]
    assert len(problems) == 5


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.obj")
    assert len(listed(parse_source(f"local:{tmp_path}"))) == 1
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        read_regular(tmp_path / "pipe.obj")


@pytest.mark.parametrize(
    "name", ["a b#c?d.glb", "50%.glb", "\x01\x7f.glb", "é.glb", os.fsdecode(b"\xff\xfe.glb")]
)
def test_uris_give_the_path_back(tmp_path, name):
    uri = file_uri(tmp_path / name)
    assert uri_path(uri) == tmp_path / name
    uri.encode()


def test_damaged_indexes_are_reported(tmp_path):
    (tmp_path / "glbs" / "000-000").mkdir(parents=True)
    (tmp_path / "glbs" / "000-000" / "a.glb").touch()
    (tmp_path / "glbs" / "000-000" / "b c.glb").touch()
    source = parse_source(f"objaverse:{tmp_path}")
    ids = [file.mesh_id for file in listed(source)]
    assert ids[0] == "a"
    assert ids[1].startswith("objaverse-")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "000-000.json.gz").write_bytes(b"not gzip")
    with pytest.raises(SourceError, match="damaged"):
        source.list_files("000-000")


def test_shapenet_without_taxonomy(tmp_path):
    corpus = shared_path("corpus", "shapenet", "ShapeNetCore.v2", "02818832")
    shutil.copytree(corpus, tmp_path / "02818832")
    assert {file.category for file in listed(parse_source(f"shapenet:{tmp_path}"))} == {"02818832"}
    (tmp_path / "taxonomy.json").write_text(json.dumps({"not": "a list"}))
    with pytest.raises(SourceError, match="damaged"):
        listed(parse_source(f"shapenet:{tmp_path}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("meshes", "unknown kind"),
        ("ftp://host/a.glb", "unknown kind"),
        ("local:", "no path"),
        ("builtin:x", "takes no path"),
        ("local:/no/such/folder", "does not exist"),
        (f"local:{__file__}", "not a folder"),
        ("objaverse:.", "no glbs folder"),
        ("shapenet:.", "no synset folders"),
    ],
)
def test_errors_name_the_text_and_the_remedy(text, said):
    with pytest.raises(SourceError, match=said) as error:
        parse_source(text)
    assert text in str(error.value)


def test_overlapping_sources_are_refused(tmp_path):
    (tmp_path / "sub").mkdir()
    with pytest.raises(SourceError, match="lies within"):
        parse_sources([f"local:{tmp_path}", f"local:{tmp_path / 'sub'}"])
    with pytest.raises(SourceError, match="both are builtin"):
        parse_sources(["builtin:", "builtin:"])
