"""New files in a watched folder: which partitions are added, and which runs are asked for."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import trimesh

from assets_defs.definitions import defs
from assets_defs.partitions import RANGE_END, RANGE_START, SOURCE_SHARDS, source_shards
from assets_defs.resources import DataSetResource
from assets_defs.sensors import RANGES_LIMIT, _requests, new_files
from pipelines.sources import parse_source
from pipelines.sources.listing import listing_sha256

Tick = Callable[[], "dg.SensorResult | dg.SkipReason"]


@pytest.fixture
def tick(data_set: DataSetResource, instance: dg.DagsterInstance) -> Tick:
    """Evaluate the sensor as the daemon does: with its cursor, adding the partitions it asks for."""
    cursor: str | None = None

    def evaluate() -> "dg.SensorResult | dg.SkipReason":
        nonlocal cursor
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"data_set": data_set}, definitions=defs
        ) as context:
            result = new_files(context)
        if isinstance(result, dg.SensorResult):
            cursor = result.cursor
            for request in result.dynamic_partitions_requests or []:
                instance.add_dynamic_partitions(SOURCE_SHARDS, list(request.partition_keys))
        return result

    return evaluate


def ranges(result: object) -> list[tuple[str, str]]:
    assert isinstance(result, dg.SensorResult)
    return [(r.tags[RANGE_START], r.tags[RANGE_END]) for r in result.run_requests or []]


def folder_of(data_set: DataSetResource) -> Path:
    return Path(data_set.sources[0].removeprefix("local:"))


def test_the_first_look_takes_everything_in_one_run(
    tick: Tick, data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    result = tick()
    keys = [str(key) for key in data_set.shard_keys()]
    assert instance.get_dynamic_partitions(SOURCE_SHARDS) == keys
    assert ranges(result) == [(keys[0], keys[-1])]
    assert isinstance(tick(), dg.SkipReason)


def test_a_changed_file_asks_for_its_partition_only(
    tick: Tick, data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    tick()
    path = folder_of(data_set) / "ball.obj"
    [source] = data_set.parsed_sources()
    [own] = [s for s in source.shards() if any(f.path == path for f in source.list_files(s))]
    os.utime(path, ns=(1, 1))
    assert ranges(tick()) == [(f"local:{own}", f"local:{own}")]

    for i in range(40):  # until a partition is new
        trimesh.creation.box().export(folder_of(data_set) / f"box{i}.stl")
    known = instance.get_dynamic_partitions(SOURCE_SHARDS)
    result = tick()
    assert isinstance(result, dg.SensorResult)
    [request] = result.dynamic_partitions_requests or []
    assert {*request.partition_keys} == {str(key) for key in data_set.shard_keys()} - {*known}
    assert isinstance(tick(), dg.SkipReason)


def test_a_partition_that_is_gone_asks_for_a_run_over_everything(
    tick: Tick, data_set: DataSetResource
) -> None:
    tick()
    (folder_of(data_set) / "ball.obj").unlink()
    result = tick()
    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or []
    assert request.job_name == "curate"
    assert RANGE_START not in request.tags


def test_the_run_that_is_asked_for_makes_the_partition(
    tick: Tick, data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    result = tick()
    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or []
    job = dg.Definitions(
        assets=defs.assets, jobs=[defs.resolve_job_def("curate_partitions")], resources={"data_set": data_set}
    ).resolve_job_def("curate_partitions")
    done = job.execute_in_process(instance=instance, tags=request.tags, resources={"data_set": data_set})
    assert done.success
    assert data_set.data.partitions("shards") == data_set.shard_keys()
    assert instance.get_materialized_partitions(dg.AssetKey("shards")) == {
        str(key) for key in data_set.shard_keys()
    }


def test_sources_that_are_no_folder_are_not_watched(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    data_set = DataSetResource(sources=["builtin:"], folder=str(tmp_path))
    with dg.build_sensor_context(
        instance=instance, resources={"data_set": data_set}, definitions=defs
    ) as context:
        assert isinstance(new_files(context), dg.SkipReason)


def test_stretches_of_changed_partitions() -> None:
    def asked(changed: str, ordered: str = "abcdefgh") -> list[tuple[str, str]]:
        requests = _requests(list(ordered), set(changed))
        return [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in requests]

    assert asked("") == []
    assert asked("ah") == [("a", "a"), ("h", "h")]
    assert asked("abdgh") == [("a", "b"), ("d", "d"), ("g", "h")]
    many = "".join(chr(200 + i) for i in range(3 * RANGES_LIMIT))
    assert asked(many[2::2], many) == [(many[2], many[-2])]


def test_a_listing_moves_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0")
    source = parse_source(f"local:{tmp_path}")
    [shard] = source.shards()
    before = listing_sha256(source, shard)
    assert listing_sha256(source, shard) == before
    (tmp_path / "a.obj").write_text("v 0 0 0\n")
    after = listing_sha256(source, shard)
    assert after != before
    (tmp_path / "a.obj").unlink()
    assert listing_sha256(source, shard) not in {before, after}


def test_a_listing_moves_with_what_is_said_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "glbs" / "000-000").mkdir(parents=True)
    (tmp_path / "glbs" / "000-000" / f"{'0' * 32}.glb").touch()
    (tmp_path / "metadata").mkdir()
    found = set()
    for n_faces in (3, 4):
        said = json.dumps({"0" * 32: {"faceCount": n_faces}})
        (tmp_path / "metadata" / "000-000.json.gz").write_bytes(gzip.compress(said.encode()))
        found.add(listing_sha256(parse_source(f"objaverse:{tmp_path}"), "000-000"))
    assert len(found) == 2


def test_the_sensor_is_stopped_until_it_is_switched_on() -> None:
    sensor = defs.resolve_sensor_def("new_files")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert source_shards.name == SOURCE_SHARDS
