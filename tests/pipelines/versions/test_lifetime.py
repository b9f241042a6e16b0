"""A data set that changes: its versions stay known, are told apart, published and made again."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.curation import curate
from pipelines.manifest import ManifestError, read_manifest
from pipelines.storage import DataFolder, file_sha256
from pipelines.tables import Attribution, VersionFiles, validate
from pipelines.versions.difference import compare
from pipelines.versions.publishing import publish
from pipelines.versions.rebuilding import RebuildError, rebuild
from pipelines.versions.record import find_record, known_versions
from tests.pipelines.test_curation import SETTINGS, hashes, without_records, write_furniture


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A folder of meshes curated, changed, and curated again; `first` and `second` are the versions."""
    folder = tmp_path_factory.mktemp("life")
    meshes, data = folder / "meshes", folder / "data"
    write_furniture(meshes, 4, ("mug",))
    (meshes / "page.obj").write_text("<!DOCTYPE html>")
    first = curate([f"local:{meshes}"], data, SETTINGS).version
    first_files = hashes(data)
    shutil.copytree(meshes, folder / "elsewhere" / "meshes")
    write_furniture(meshes, 1, ("bench",))
    (meshes / "builtin-mug-000.glb").replace(meshes / "builtin-mug-002.glb")
    second = curate([f"local:{meshes}"], data, SETTINGS).version
    return SimpleNamespace(
        folder=folder, meshes=meshes, data=data, first=first, second=second, first_files=first_files
    )


def test_both_versions_are_known_by_folder_file_and_id(life):
    assert len({life.first, life.second}) == 2
    assert {path.stem for path in known_versions(DataFolder(life.data))} == {life.first, life.second}
    assert find_record(life.data).version == life.second
    assert find_record(life.data / "versions" / f"{life.first}.json").version == life.first
    record = find_record(life.first[:8], life.data)
    assert record.version == life.first
    assert find_record(life.data / "manifest.json").content == read_manifest(DataFolder(life.data))
    validate(VersionFiles, record.files)
    assert record.files.select("uri", "status", "stage", "reason").rows() == [
        *((f"local:meshes/builtin-mug-00{i}.glb", "kept", None, None) for i in range(4)),
        ("local:meshes/page.obj", "rejected", "mesh_table", "NOT_A_MESH"),
    ]
    for name, sha256 in record.files.head(4).select("uri", "sha256").rows():
        assert sha256 == file_sha256(life.folder / "elsewhere" / name.removeprefix("local:"))


def test_an_id_that_names_none_or_several_is_said(life):
    with pytest.raises(ManifestError, match=f"no version begins with abcdef; there are .*{life.first[:16]}"):
        find_record("abcdef", life.data)
    with pytest.raises(ManifestError, match="no folder and no file"):
        find_record(life.first[:8])
    with pytest.raises(ManifestError, match="needs 6 characters"):
        find_record("*", life.data)


def test_the_record_says_which_code_made_it(life):
    code = find_record(life.data).content["code"]
    assert set(code["stages"]) == {
        "raw_meshes",
        "mesh_table",
        "quality",
        "tokens",
        "descriptors",
        "duplicates",
        "curated",
        "ledger",
        "shards",
    }
    assert code["packages"]["polars"] == pl.__version__
    assert len(code["sources"]) == 64


def test_what_changed_and_why(life):
    difference = compare(find_record(life.first, life.data), find_record(life.second, life.data))
    assert difference.changes.select("uri", "change", "cause").rows() == [
        ("local:meshes/builtin-bench-000.glb", "added", "NEW_FILE"),
        ("local:meshes/builtin-mug-000.glb", "removed", "FILE_GONE"),
        ("local:meshes/builtin-mug-002.glb", "changed", "BYTES_CHANGED"),
    ]
    assert difference.n_unchanged == 3
    assert difference.settings == []


def test_the_attribution_lies_beside_the_shards(life):
    table = validate(Attribution, pl.read_parquet(life.data / "shards" / "attribution.parquet"))
    kept = DataFolder(life.data).scan("curated").collect()
    assert set(table["mesh_id"]) == set(kept["mesh_id"])
    text = (life.data / "shards" / "ATTRIBUTION.md").read_text()
    assert text.startswith("# Attribution\n\nThe 4 meshes of")
    assert "## No licence that is known" in text
    listed = {entry["path"] for entry in read_manifest(DataFolder(life.data))["files"]}
    assert {"shards/ATTRIBUTION.md", "shards/attribution.parquet"} <= listed


def every_string(folder: Path) -> str:
    """All texts of a folder, those in Parquet files decompressed."""
    found = [str(sorted(folder.rglob("*")))[len(str(folder)) :].replace(str(folder), "")]
    for path in folder.rglob("*"):
        found.append(path.read_bytes().decode(errors="replace"))
        if path.suffix == ".parquet":
            found += [pl.read_parquet(path).write_json(), str(pl.read_parquet_metadata(path))]
    return "\n".join(found)


@pytest.fixture(scope="module")
def published(life):
    out = life.folder / "published"
    publish(life.first[:12], out, life.data)
    publish(str(life.data), out)
    return out


def test_what_is_published_holds_no_mesh_and_no_path_of_this_machine(life, published):
    assert {path.name for path in published.iterdir()} == {
        *(f"{version}{suffix}" for version in (life.first, life.second) for suffix in (".json", ".parquet")),
        *("ATTRIBUTION.md", "attribution.parquet"),
    }
    for table in published.glob("*.parquet"):
        assert not {"vertices", "faces", "tokens"} & set(pl.read_parquet_schema(table))
    text = every_string(published)
    assert "local:meshes/builtin-mug-001.glb" in text
    for part in life.folder.parts[1:]:
        assert f"/{part}" not in text
    assert find_record(published / f"{life.second}.json").files.equals(find_record(life.data).files)


def test_attribution_of_another_version_is_not_published(life, published, tmp_path):
    publish(life.first[:12], tmp_path, life.data)
    assert not list(tmp_path.glob("*ttribution*"))


def test_a_published_version_comes_out_the_same_where_the_files_lie_elsewhere(life, published):
    record = find_record(published / f"{life.first}.json")
    with pytest.raises(RebuildError, match="give each with --source, in this order: local:meshes"):
        rebuild(record, life.folder / "moved")
    with pytest.raises(RebuildError, match="not from local:mugs"):
        rebuild(record, life.folder / "moved", [f"local:{life.folder}/mugs"])
    report = rebuild(record, life.folder / "moved", [f"local:{life.folder}/elsewhere/meshes"], workers=2)
    assert not report.missing
    assert (report.is_equal, report.is_same_content) == (False, True)
    assert report.difference.changes.is_empty()
    assert "the same content" in "\n".join(report.lines())


def test_a_version_comes_out_equal_where_its_files_are_what_they_were(life, tmp_path):
    """Also when files came since, and when the preset's file says something else by now."""
    newer = life.meshes / "builtin-chair-000.glb"
    shutil.copy(life.meshes / "builtin-mug-001.glb", newer)
    record = find_record(life.data)
    record.content["settings"]["preset"] = str(tmp_path / "silksong-v11.yaml")
    (tmp_path / "silksong-v11.yaml").write_text("{description: other, rules: []}")
    try:
        report = rebuild(record, tmp_path / "data", workers=1)
    finally:
        newer.unlink()
    assert list(report.lines()) == [f"equal: version {life.second}"]
    assert without_records(hashes(tmp_path / "data")) == without_records(hashes(life.data))


def test_gone_and_modified_files_are_said_before_any_mesh_is_read(life, tmp_path):
    record = find_record(life.first, life.data)
    with pytest.raises(RebuildError) as caught:
        rebuild(record, tmp_path)
    assert str(caught.value).splitlines()[:3] == [
        "1 input files are gone and 1 modified:",
        "gone: local:meshes/builtin-mug-000.glb",
        "modified: local:meshes/builtin-mug-002.glb",
    ]
    assert not (tmp_path / "tables" / "mesh_table").exists()
    assert not (tmp_path / "manifest.json").exists()

    report = rebuild(record, tmp_path, partial=True, workers=2)
    assert not report.is_equal
    assert not report.is_same_content
    assert report.difference.changes.select("uri", "change", "cause").rows() == [
        ("local:meshes/builtin-mug-000.glb", "removed", "FILE_GONE"),
        ("local:meshes/builtin-mug-002.glb", "removed", "FILE_GONE"),
    ]
    assert "not equal" in "\n".join(report.lines())


def test_a_damaged_or_foreign_record_is_refused(life, published, tmp_path):
    path = tmp_path / f"{life.first}.json"
    content = json.loads((published / path.name).read_text())

    def refused(match: str, **parts: object) -> None:
        path.write_text(json.dumps({**content, **parts}))
        with pytest.raises(ManifestError, match=match):
            find_record(path)

    refused("copy both files")
    shutil.copy(published / f"{life.first}.parquet", tmp_path)
    refused("names no version", version="../../etc/passwd")
    refused("schema version 99", schema_version=99)
    refused("before versions were kept", inputs=None)
    refused("before versions were kept", inputs={**content["inputs"], "path": "/etc/passwd"})
    refused("is not the table", inputs={**content["inputs"], "sha256": "0" * 64})
    path.write_text("[" * 100_000)
    with pytest.raises(ManifestError, match="unreadable"):
        find_record(path)


def test_rules_of_a_record_cannot_name_a_file_elsewhere(life, published, tmp_path):
    record = find_record(published / f"{life.first}.json")
    record.content["rules"] = {"name": "../../outside", "description": "", "rules": []}
    with pytest.raises(RebuildError, match="no name of a file"):
        rebuild(record, tmp_path / "in" / "data", [f"local:{life.folder}/elsewhere/meshes"])
    assert not list(tmp_path.rglob("*.yaml"))
