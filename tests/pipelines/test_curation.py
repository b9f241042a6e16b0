"""From a folder of files to a data set with a version, in one call; and again."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipelines.curation import CurationError, curate, exclusive, funnel
from pipelines.manifest import ManifestError, read_manifest
from pipelines.rules import PresetError
from pipelines.settings import CurationSettings, SplitSettings, WorkerLimits
from pipelines.sources import SourceError
from pipelines.sources.builtin import BuiltinSource
from pipelines.storage import DataFolder

SETTINGS = CurationSettings(limits=WorkerLimits(workers=2), split=SplitSettings(val=0.2, test=0.2))


def write_furniture(
    folder: Path, n_per_family: int, families: tuple[str, ...] = ("chair", "mug", "vase")
) -> None:
    source = BuiltinSource()
    folder.mkdir(parents=True, exist_ok=True)
    for family in families:
        for file in source.list_files(family)[:n_per_family]:
            (folder / f"{file.mesh_id}.glb").write_bytes(source.read_bytes(file))


def contents(root: Path) -> dict[str, tuple[int, str]]:
    """mtime and sha256 of every file but the cache's."""
    return {
        path.relative_to(root).as_posix(): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != "cache"
    }


def hashes(root: Path) -> dict[str, str]:
    return {name: sha256 for name, (_, sha256) in contents(root).items()}


def without_records(files: dict[str, str]) -> dict[str, str]:
    """Files of the data set itself: no manifest, no record of a version."""
    return {name: sha256 for name, sha256 in files.items() if not name.startswith(("manifest", "versions/"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with good and bad files, and the data set made from it."""
    folder = tmp_path_factory.mktemp("curation")
    write_furniture(folder / "meshes", 4)
    (folder / "meshes" / "empty.glb").write_bytes(b"")
    (folder / "meshes" / "page.obj").write_text("<!DOCTYPE html><html></html>")
    (folder / "meshes" / "scene.blend").write_bytes(b"BLENDER")
    (folder / "meshes" / "one.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 3 4\nf 1 4 2\nf 2 4 3\n"
    )
    report = curate([f"local:{folder / 'meshes'}"], folder / "data", SETTINGS)
    return folder, report


def test_every_file_is_kept_or_has_a_reason(made):
    folder, report = made
    assert (report.n_files, report.n_kept) == (16, 12)
    assert report.reasons == {"EMPTY_FILE": 1, "NOT_A_MESH": 1, "RULE_FACES": 1, "UNSUPPORTED_FORMAT": 1}
    assert sum(report.splits.values()) == 12
    assert [stage.stage for stage in report.stages] == [
        "raw_meshes",
        "mesh_table",
        "quality",
        "tokens",
        "descriptors",
        "duplicates",
        "curated",
        "shards",
    ]
    ledger = DataFolder(folder / "data").scan("ledger").collect()
    assert ledger["uri"].n_unique() == ledger.height == 16
    summary = report.summary()
    assert "12 of 16 files kept" in summary
    assert str(folder / "data" / "manifest.json") in summary


def test_the_manifest_names_every_file(made):
    folder, report = made
    data = DataFolder(folder / "data")
    manifest = read_manifest(data)
    assert manifest["version"] == report.version
    listed = {file["path"]: file for file in manifest["files"]}
    on_disk = hashes(data.root)
    assert {name: file["sha256"] for name, file in listed.items()} == without_records(on_disk)
    for name, file in listed.items():
        assert file["bytes"] == (data.root / name).stat().st_size
        if name.endswith(".parquet"):
            assert file["rows"] == pl.read_parquet(data.root / name).height
    assert sum(file["rows"] for name, file in listed.items() if name.endswith(".tar")) == 12
    assert manifest["counts"]["status"] == {"kept": 12, "rejected": 4}
    assert manifest["counts"]["licences"] == {"not stated": 12}
    assert manifest["rules"]["name"] == "silksong-v11"
    assert manifest["settings"]["split"] == {"val": 0.2, "test": 0.2}


def test_the_funnel_ends_in_what_is_kept(made):
    folder, _ = made
    frame = funnel(DataFolder(folder / "data"))
    assert frame["step"].to_list() == ["files", "raw_meshes", "mesh_table", "tokens", "RULE_FACES"]
    assert frame["kept"].to_list() == [16, 14, 13, 13, 12]
    assert frame["rejected"].to_list() == [0, 2, 1, 0, 1]


def test_a_second_run_changes_no_byte_and_no_time(made):
    folder, report = made
    before = contents(folder / "data")
    settings = SETTINGS.model_copy(update={"limits": WorkerLimits(workers=1)})
    again = curate([f"local:{folder / 'meshes'}"], folder / "data", settings)
    assert contents(folder / "data") == before
    assert again.version == report.version
    assert all(stage.n_current == stage.n_partitions for stage in again.stages)


def test_a_new_file_changes_one_partition_and_leaving_ends_as_before(tmp_path):
    meshes, data = tmp_path / "meshes", tmp_path / "data"
    write_furniture(meshes, 3, ("stool",))
    first = curate([f"local:{meshes}"], data, SETTINGS)
    before = contents(data)
    write_furniture(meshes / "more", 1, ("chair",))
    second = curate([f"local:{meshes}"], data, SETTINGS)
    assert second.n_files == first.n_files + 1
    assert [stage.n_partitions - stage.n_current for stage in second.stages] == [1] * 8
    assert second.version != first.version
    (meshes / "more" / "builtin-chair-000.glb").unlink()
    third = curate([f"local:{meshes}"], data, SETTINGS)
    assert third.version == first.version
    after = hashes(data)
    assert {name: after[name] for name in before} == {name: sha256 for name, (_, sha256) in before.items()}
    assert {*after} - {*before} == {f"versions/{second.version}{suffix}" for suffix in (".json", ".parquet")}


def test_what_cannot_be_used_is_said_before_anything_is_written(tmp_path):
    (tmp_path / "meshes").mkdir()
    out = tmp_path / "data"
    with pytest.raises(SourceError, match="does not exist"):
        curate([f"local:{tmp_path / 'nowhere'}"], out)
    with pytest.raises(PresetError, match="no preset"):
        curate(["builtin:"], out, CurationSettings(preset="nothing"))
    with pytest.raises(CurationError, match="no files that might be meshes"):
        curate([f"local:{tmp_path / 'meshes'}"], out)
    with pytest.raises(CurationError, match="no sources"):
        curate([], out)
    assert not out.exists()


def test_two_processes_cannot_write_one_folder(tmp_path):
    data = DataFolder(tmp_path)
    code = f"from pipelines.curation import curate; curate(['builtin:'], {str(tmp_path)!r})"
    with exclusive(data):
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode != 0
    assert "is being written by process" in child.stderr
    assert not (tmp_path / "tables").exists()
    with exclusive(data):
        pass


def test_a_manifest_of_another_schema_is_refused(tmp_path):
    data = DataFolder(tmp_path)
    with pytest.raises(ManifestError, match="absent or unreadable"):
        read_manifest(data)
    data.manifest.write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(ManifestError, match="schema version 99"):
        read_manifest(data)
