"""What the UI says of a version: its size, what changed since the one before, and what follows by itself."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_defs.checks import check_volume
from assets_defs.curate.assets import dataset, dataset_changes, ledger, shards
from assets_defs.definitions import defs
from assets_defs.reporting import LOGGED_REJECTS_LIMIT
from assets_defs.resources import DataSetResource
from tests.assets_defs.test_materialize import ALL, PARTITIONED, STAGES

EVERYTHING = [*ALL, dataset_changes]


def make(
    data_set: DataSetResource, instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition] = EVERYTHING
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        EVERYTHING,
        selection=[asset.key for asset in assets],
        resources={"data_set": data_set},
        instance=instance,
    )


def told(result: dg.ExecuteInProcessResult, asset: dg.AssetsDefinition) -> dict[str, Any]:
    [name] = asset.key.path
    event = result.asset_materializations_for_node(name)[-1]
    return {name: value.value for name, value in event.metadata.items()}


def test_a_version_is_compared_with_the_one_before(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    folder = Path(data_set.sources[0].removeprefix("local:"))
    first = make(data_set, instance)
    assert told(first, dataset_changes)["compared with"] == "no version before"
    [volume] = [check for check in first.get_asset_check_evaluations() if check.check_name == "volume"]
    assert volume.passed

    (folder / "ball.obj").unlink()
    for i in range(LOGGED_REJECTS_LIMIT + 2):
        (folder / f"broken\x1b{i}.glb").write_bytes(b"<html>")
    second = make(data_set, instance)
    changes = told(second, dataset_changes)
    assert changes["compared with"] == told(first, dataset)["version"]
    assert (changes["added"], changes["removed"], changes["changed"]) == (0, 1, 0)
    assert changes["causes"]["removed"] == {"FILE_GONE": 1}
    assert pl.read_parquet(changes["table"]).filter(change="removed")["uri"].to_list() == [
        "local:meshes/ball.obj"
    ]
    assert Path(changes["page"]).is_file()
    [volume] = [check for check in second.get_asset_check_evaluations() if check.check_name == "volume"]
    assert not volume.passed
    assert volume.severity is dg.AssetCheckSeverity.WARN
    assert volume.metadata["meshes before"].value == 3
    tag = told(second, dataset)["version"][:16]
    assert instance.get_runs()[0].tags["meshloom/data_set"] == tag

    lines = [
        record.user_message
        for record in instance.all_logs(second.run_id)
        if record.user_message.startswith("mesh_table: local-") or "more rejected" in record.user_message
    ]
    assert len(lines) == LOGGED_REJECTS_LIMIT + 1
    assert "NOT_A_MESH" in lines[0]
    assert "\x1b" not in "".join(lines)
    assert lines[-1].startswith("mesh_table: and 2 more rejected")


def test_partitions_say_what_they_cost(data_set: DataSetResource, instance: dg.DagsterInstance) -> None:
    result = make(data_set, instance, [*STAGES, shards])
    for asset in (*PARTITIONED, shards):
        [name] = asset.key.path
        events = result.asset_materializations_for_node(name)
        assert sum(event.metadata["bytes read"].value for event in events) == sum(
            path.stat().st_size for path in Path(data_set.sources[0].removeprefix("local:")).iterdir()
        )
        for event in events:
            value = {name: entry.value for name, entry in event.metadata.items()}
            assert value["CPU seconds per mesh"] > 0, name
            assert value["bytes written"] >= Path(value["table"]).stat().st_size
            assert value["all reasons"] == ledger.key
    for path in data_set.data.shards.glob("*.tar"):
        assert any(event.metadata["bytes written"].value > path.stat().st_size for event in events)


def test_ledger_data_set_and_changes_follow_by_themselves(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    location = dg.Definitions(assets=EVERYTHING, resources={"data_set": data_set})
    make(data_set, instance)
    before = dg.evaluate_automation_conditions(defs=location, instance=instance)
    assert before.total_requested == 0
    make(data_set, instance, [*STAGES, shards])
    after = dg.evaluate_automation_conditions(defs=location, instance=instance, cursor=before.cursor)
    assert {
        asset.key for asset in (ledger, dataset, dataset_changes) if after.get_num_requested(asset.key)
    } == {ledger.key, dataset.key, dataset_changes.key}


@pytest.mark.parametrize(
    ("now", "before", "passes"),
    [(100, None, True), (90, 100, True), (89, 100, False), (200, 100, True), (0, 0, True), (0, 1, False)],
)
def test_the_volume_check_warns_above_its_drop(now: int, before: int | None, passes: bool) -> None:
    result = check_volume({"meshes": now}, None if before is None else {"meshes": before}, 0.1)
    assert result.passed is passes


def test_pools_retries_and_freshness_are_set() -> None:
    graph = defs.resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.get_all_asset_keys()}
    assert pools["raw_meshes"] == {"network"}
    for name in ("mesh_table", "quality", "tokens", "descriptors", "duplicates", "curated", "ledger"):
        assert pools[name] == {"cpu"}, name
    assert pools["checkpoint"] == pools["evaluation"] == {"gpu"}
    for name in (*(asset.key.to_user_string() for asset in ALL), "dataset_changes"):
        policy = defs.resolve_assets_def(name).op.retry_policy
        assert policy is not None
        assert policy.backoff is dg.Backoff.EXPONENTIAL
    [spec] = [spec for spec in defs.resolve_all_asset_specs() if spec.key == dataset.key]
    assert spec.freshness_policy is not None
