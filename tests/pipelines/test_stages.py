"""Stages over a small folder: nothing is lost, done twice, or dependent on the number of workers."""

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.reasons import Stage
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.sources import SourceError, parse_sources
from pipelines.stages.geometry import read_geometry
from pipelines.stages.mesh_table import build_mesh_table
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.stages.tokens import build_tokens
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import Geometry, validate

STAGES = (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS)


def settings(workers: int = 1, **changes: object) -> CurationSettings:
    return CurationSettings(limits=WorkerLimits(workers=workers), **changes)


def build(data: DataFolder, sources: list[str], **changes: object) -> dict[Stage, list]:
    resolved, parsed = settings(**changes), parse_sources(sources)
    return {
        Stage.RAW_MESHES: build_raw_meshes(data, parsed, resolved),
        Stage.MESH_TABLE: build_mesh_table(data, resolved, parsed),
        Stage.TOKENS: build_tokens(data, resolved),
    }


def sphere(n: int, radius: float = 1.0) -> str:
    """OBJ of a closed grid on a sphere: 2 n (n - 1) triangles."""
    lines = [f"v 0 0 {radius}", f"v 0 0 {-radius}"]
    for i in range(1, n):
        for j in range(n):
            a, b = np.pi * i / n, 2 * np.pi * j / n
            lines.append(
                f"v {radius * np.sin(a) * np.cos(b)} {radius * np.sin(a) * np.sin(b)} {radius * np.cos(a)}"
            )
    at = lambda i, j: 3 + (i - 1) * n + j % n  # noqa: E731
    for j in range(n):
        lines += [f"f 1 {at(1, j)} {at(1, j + 1)}", f"f 2 {at(n - 1, j + 1)} {at(n - 1, j)}"]
        for i in range(1, n - 1):
            lines += [f"f {at(i, j)} {at(i + 1, j)} {at(i + 1, j + 1)} {at(i, j + 1)}"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four meshes and one file for each reason that needs no large input."""
    root = tmp_path / "meshes"
    root.mkdir()
    for n in (5, 6, 7, 8):
        (root / f"sphere{n}.obj").write_text(sphere(n))
    (root / "empty.glb").touch()
    (root / "page.glb").write_text("<!DOCTYPE html><html>")
    (root / "scene.fbx").write_text("Kaydara")
    (root / "points.obj").write_text("v 0 0 0\n")
    (root / "nan.obj").write_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (root / "point.obj").write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    (root / "large.obj").write_text(sphere(60))
    (root / "link.obj").symlink_to("/dev/null")
    os.mkfifo(root / "pipe.obj")
    return root


def rejects(data: DataFolder) -> dict[str, tuple[str, str]]:
    """File name -> stage and reason."""
    frame = pl.concat(
        pl.read_parquet(data.rejected(stage, key)) for stage in STAGES for key in data.partitions(stage)
    )
    return {
        row["uri"].rpartition("/")[2]: (row["stage"], row["reason"]) for row in frame.iter_rows(named=True)
    }


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "cache" not in path.parts
    }


def test_every_file_is_kept_or_rejected_with_its_reason(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    results = build(data, [f"local:{folder}"], size_bytes_limit=60_000)
    assert rejects(data) == {
        "empty.glb": ("raw_meshes", "EMPTY_FILE"),
        "scene.fbx": ("raw_meshes", "UNSUPPORTED_FORMAT"),
        "large.obj": ("raw_meshes", "TOO_LARGE"),
        "link.obj": ("raw_meshes", "UNREADABLE_FILE"),
        "pipe.obj": ("raw_meshes", "UNREADABLE_FILE"),
        "page.glb": ("mesh_table", "NOT_A_MESH"),
        "points.obj": ("mesh_table", "NO_TRIANGLES"),
        "nan.obj": ("mesh_table", "NON_FINITE"),
        "point.obj": ("tokens", "ZERO_EXTENT"),
    }
    n_before = 13
    for stage in STAGES:
        assert n_before == sum(result.n_kept + result.n_rejected for result in results[stage])
        n_before = sum(result.n_kept for result in results[stage])
    tokens = data.scan(Stage.TOKENS).sort("n_faces").collect()
    assert tokens["n_faces"].to_list() == [2 * n * (n - 1) for n in (5, 6, 7, 8)]
    assert (tokens["tokens"].list.len() == tokens["n_tokens"]).all()
    assert (tokens["faces"].list.len() == 3 * tokens["n_input_faces"]).all()
    table = data.scan(Stage.MESH_TABLE).filter(pl.col("n_faces") > 1).collect()
    assert table["is_watertight"].all()
    assert table["n_components"].to_list() == [1] * 4


def test_geometry_belongs_to_its_table(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    build(data, [f"local:{folder}"])
    for key in data.partitions(Stage.MESH_TABLE):
        table = pl.read_parquet(data.table(Stage.MESH_TABLE, key))
        validate(Geometry, pl.read_parquet(data.geometry(key)))
        meshes = list(read_geometry(data.geometry(key)))
        assert [mesh_id for mesh_id, _, _ in meshes] == table["mesh_id"].to_list()
        assert [len(faces) for _, _, faces in meshes] == table["n_faces"].to_list()


def test_a_second_run_changes_nothing(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    first = build(data, [f"local:{folder}"])
    before = {path: path.stat().st_mtime_ns for path in data.root.rglob("*") if path.is_file()}
    second = build(data, [f"local:{folder}"])
    assert {path: path.stat().st_mtime_ns for path in data.root.rglob("*") if path.is_file()} == before
    for stage in STAGES:
        assert all(result.was_current for result in second[stage])
        assert [(r.key, r.n_kept, r.reasons) for r in first[stage]] == [
            (r.key, r.n_kept, r.reasons) for r in second[stage]
        ]


def test_bytes_do_not_depend_on_workers_nor_on_the_cache(folder, tmp_path):
    for name, workers in [("one", 1), ("two", 2)]:
        build(DataFolder(tmp_path / name), [f"local:{folder}"], workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    shutil.rmtree(tmp_path / "one" / "cache")
    assert all(
        result.was_current
        for result in build(DataFolder(tmp_path / "one"), [f"local:{folder}"])[Stage.TOKENS]
    )


def test_a_new_file_changes_its_partition_only(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    before = build(data, [f"local:{folder}"])
    (folder / "new.obj").write_text(sphere(9))
    after = build(data, [f"local:{folder}"])
    for stage in STAGES:
        assert sum(not result.was_current for result in after[stage]) == 1
        assert sum(r.n_kept for r in after[stage]) == 1 + sum(r.n_kept for r in before[stage])


def test_a_changed_side_file_is_read_again(tmp_path):
    folder, data = tmp_path / "meshes", DataFolder(tmp_path / "data")
    folder.mkdir()
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype="<f4")
    (folder / "a.gltf").write_text(
        '{"asset":{"version":"2.0"},"nodes":[{"mesh":0}],"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],'
        '"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}],'
        '"bufferViews":[{"buffer":0,"byteLength":36}],"buffers":[{"byteLength":36,"uri":"a.bin"}]}'
    )
    diagonals = []
    for scale in (1, 2):
        (folder / "a.bin").write_bytes((points * scale).tobytes())
        build(data, [f"local:{folder}"])
        diagonals.append(data.scan(Stage.MESH_TABLE).collect()["bounding_box_diagonal"].item())
    assert diagonals[1] == pytest.approx(2 * diagonals[0])


def test_what_vanished_from_the_sources_vanishes_from_the_data(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    build(data, [f"local:{folder}"])
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.obj").write_text(sphere(5))
    build(data, [f"local:{other}"])
    assert len(data.partitions(Stage.TOKENS)) == 1
    assert rejects(data) == {}
    assert len(list((data.root / "geometry").rglob("*.parquet"))) == 1


def test_partitions_can_be_built_one_by_one(folder, tmp_path):
    data, sources = DataFolder(tmp_path / "data"), parse_sources([f"local:{folder}"])
    keys = [ShardKey("local", shard) for shard in sources[0].shards()]
    build_raw_meshes(data, sources, settings(), keys=keys[:1])
    assert data.partitions(Stage.RAW_MESHES) == keys[:1]
    assert [result.key for result in build_mesh_table(data, settings(), sources, keys=keys[:1])] == keys[:1]
    build_raw_meshes(data, sources, settings(), keys=keys[1:2])
    assert data.partitions(Stage.RAW_MESHES) == keys[:2]
    with pytest.raises(SourceError, match="no source holds local:nothing-00"):
        build_raw_meshes(data, sources, settings(), keys=[ShardKey("local", "nothing-00")])


def test_limits_that_reject_are_part_of_the_result(folder, tmp_path):
    data = DataFolder(tmp_path / "data")
    build(data, [f"local:{folder}"], faces_limit=100)
    assert rejects(data)["sphere8.obj"] == ("tokens", "TOO_MANY_FACES_RAW")
    results = build(data, [f"local:{folder}"])
    assert all(result.was_current for result in results[Stage.MESH_TABLE])
    assert "sphere8.obj" not in rejects(data)


def test_a_file_that_changes_meanwhile_is_rejected(folder, tmp_path):
    data, sources = DataFolder(tmp_path / "data"), parse_sources([f"local:{folder}"])
    build_raw_meshes(data, sources, settings())
    (folder / "sphere5.obj").write_text(sphere(9))
    (folder / "sphere6.obj").unlink()
    build_mesh_table(data, settings(), sources)
    build_tokens(data, settings())
    assert rejects(data)["sphere5.obj"] == ("mesh_table", "UNREADABLE_FILE")
    assert rejects(data)["sphere6.obj"] == ("mesh_table", "UNREADABLE_FILE")
    build(data, [f"local:{folder}"])
    assert "sphere5.obj" not in rejects(data)


def test_files_without_a_path_come_from_their_source(tmp_path):
    data, sources = DataFolder(tmp_path / "data"), parse_sources(["builtin:"])
    key = ShardKey("builtin", sources[0].shards()[0])
    build_raw_meshes(data, sources, settings(), keys=[key])
    result = build_mesh_table(data, settings(), sources)[0]
    assert result.n_kept == len(sources[0].list_files(key.shard))


def test_progress_counts_items(folder, tmp_path):
    data, seen = DataFolder(tmp_path / "data"), []
    sources = parse_sources([f"local:{folder}"])
    build_raw_meshes(data, sources, settings())
    build_mesh_table(data, settings(), sources, progress=lambda *call: seen.append(call))
    assert seen == [("mesh_table", i + 1, len(seen)) for i in range(len(seen))]
    assert len(seen) == 9
