"""Data sets in layouts of their own: which files are models, and what is said of them."""

import gzip
import json

import pytest

from pipelines.sources import SourceError, parse_source
from pipelines.sources.files import uri_path
from tests.pipelines.test_sources import SAFE_ID

OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
FUTURE_IDS = ["0a5a346b-cc3b-4280-b358-ccd1c4d8a865", "0b1f2c3d-cc3b-4280-b358-ccd1c4d8a865"]


def write(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(OBJ)


def write_future_3d(root):
    for model in FUTURE_IDS:
        folder = f"3D-FUTURE-model/{model}"
        write(root, f"{folder}/raw_model.obj", f"{folder}/normalized_model.obj", f"{folder}/texture.png")
    info = {"model_id": FUTURE_IDS[0], "super-category": "Chair", "category": "armchair", "style": None}
    (root / "3D-FUTURE-model" / "model_info.json").write_text(json.dumps([info]))


def write_toys4k(root):
    write(
        root,
        "toys4k_obj_files/airplane/airplane_000/mesh.obj",
        "toys4k_obj_files/airplane/airplane_001/mesh.obj",
    )
    write(root, "toys4k_obj_files/mug/mug_000/deep/mesh.obj", "toys4k_obj_files/mug/other/mesh.obj")


def write_abo(root):
    write(
        root,
        "3dmodels/original/A/B075X4N3JA.glb",
        "3dmodels/original/D/B075X4N3JD.glb",
        "3dmodels/LICENSE-CC-BY-4.0.txt",
    )
    (root / "3dmodels" / "LICENSE-CC-BY-4.0.txt").write_text("\nCC BY 4.0\nmore")
    table = "3dmodel_id,path,textures,vertices,faces\nB075X4N3JA,A/B075X4N3JA.glb,3,12,20\n"
    (root / "3dmodels" / "metadata").mkdir()
    (root / "3dmodels" / "metadata" / "3dmodels.csv.gz").write_bytes(gzip.compress(table.encode()))


def write_gso(root):
    write(root, "Red_Shoe/meshes/model.obj", "Mug/meshes/model.obj", "Mug/other.obj")
    (root / "Red_Shoe" / "metadata.pbtxt").write_text('annotations {}\ncategories {\n  first: "Shoe"\n}\n')


def write_thingi10k(root):
    write(root, "raw_meshes/32770.stl", "raw_meshes/34783.obj", "raw_meshes/read.me")
    (root / "metadata").mkdir()
    (root / "metadata" / "input_summary.csv").write_text("ID,Thing ID,License\n32770,9, Attribution\n")
    (root / "metadata" / "contextual_data.csv").write_text("file_id,Author,Category\n32770,somebody,Art\n")


CASES = {
    "3d-future": (
        write_future_3d,
        {f"3D-FUTURE-model/{model}/raw_model.obj" for model in FUTURE_IDS},
        {"category": {"armchair", None}, "licence": {None}},
    ),
    "toys4k": (
        write_toys4k,
        {
            "toys4k_obj_files/airplane/airplane_000/mesh.obj",
            "toys4k_obj_files/airplane/airplane_001/mesh.obj",
            "toys4k_obj_files/mug/mug_000/deep/mesh.obj",
        },
        {
            "category": {"airplane", "mug"},
            "shard": {"airplane", "mug"},
            "name": {"airplane_000", "airplane_001", "mug_000"},
        },
    ),
    "abo": (
        write_abo,
        {"3dmodels/original/A/B075X4N3JA.glb", "3dmodels/original/D/B075X4N3JD.glb"},
        {"shard": {"A", "D"}, "licence": {"CC BY 4.0"}, "mesh_id": {"abo-B075X4N3JA", "abo-B075X4N3JD"}},
    ),
    "gso": (
        write_gso,
        {"Red_Shoe/meshes/model.obj", "Mug/meshes/model.obj"},
        {"category": {"Shoe", None}, "licence": {"CC-BY-4.0"}, "name": {"Red Shoe", "Mug"}},
    ),
    "thingi10k": (
        write_thingi10k,
        {"raw_meshes/32770.stl", "raw_meshes/34783.obj"},
        {
            "category": {"Art", None},
            "licence": {" Attribution", None},
            "author": {"somebody", None},
            "format": {"stl", "obj"},
        },
    ),
}


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    make, paths, columns = CASES[request.param]
    make(tmp_path)
    return request.param, paths, columns


def listed(text):
    source = parse_source(text)
    return [file for shard in source.shards() for file in source.list_files(shard)]


def test_models_and_what_is_said_of_them(case, tmp_path):
    kind, paths, columns = case
    files = listed(f"{kind}:{tmp_path}")
    assert {file.path.relative_to(tmp_path).as_posix() for file in files} == paths
    assert {name: {getattr(file, name) for file in files} for name in columns} == columns
    assert len({file.mesh_id for file in files}) == len(files)
    assert all(SAFE_ID.fullmatch(file.mesh_id) and uri_path(file.uri) == file.path for file in files)
    assert {file.source for file in files} == {kind}


def test_another_folder_is_refused(case, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="give the unpacked data set"):
        parse_source(f"{case[0]}:{tmp_path / 'empty'}")


def test_counts_of_abo_filter(tmp_path):
    write_abo(tmp_path)
    files = listed(
        f"abo:{tmp_path}?where=face_count between 10 and 20 and vertex_count = 12 and texture_count = 3"
    )
    assert {file.mesh_id: file.problem is None for file in files} == {
        "abo-B075X4N3JA": True,
        "abo-B075X4N3JD": False,
    }


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    write_gso(tmp_path / "gso")
    (tmp_path / "secret.obj").write_text(OBJ)
    (tmp_path / "gso" / "Evil" / "meshes").mkdir(parents=True)
    (tmp_path / "gso" / "Evil" / "meshes" / "model.obj").symlink_to(tmp_path / "secret.obj")
    problems = {file.name: file.problem for file in listed(f"gso:{tmp_path / 'gso'}")}
    assert problems.pop("Evil")
    assert set(problems.values()) == {None}


@pytest.mark.parametrize(
    ("kind", "path", "content"),
    [
        ("3d-future", "3D-FUTURE-model/model_info.json", "[1]"),
        ("abo", "3dmodels/metadata/3dmodels.csv.gz", "no,such\ncolumns,here"),
    ],
)
def test_damaged_tables_stop_with_their_name(tmp_path, kind, path, content):
    CASES[kind][0](tmp_path)
    (tmp_path / path).write_text(content)
    with pytest.raises(SourceError, match="is damaged"):
        listed(f"{kind}:{tmp_path}")
