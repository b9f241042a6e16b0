"""The data assets on three tiny meshes: one partition, a range, all of them without naming any."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_defs.curate.assets import curated, dataset, ledger, shards
from assets_defs.curate.duplicates import descriptors, duplicates
from assets_defs.ingest.assets import mesh_table, raw_meshes
from assets_defs.partitions import RANGE_END, RANGE_START, SOURCE_SHARDS, register_shards
from assets_defs.reporting import PICTURE_BYTES_LIMIT
from assets_defs.resources import DataSetResource
from assets_defs.tokenize.assets import quality, tokens
from pipelines.storage import FINGERPRINT_KEY, ShardKey, table_fingerprint, write_table

PARTITIONED = [raw_meshes, mesh_table, quality, tokens, descriptors, curated]
STAGES = [*PARTITIONED, duplicates]
ALL = [*STAGES, shards, ledger, dataset]


def materialize(
    assets: Sequence[dg.AssetsDefinition],
    data_set: DataSetResource,
    instance: dg.DagsterInstance,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ALL,
        selection=[asset.key for asset in assets],
        resources={"data_set": data_set},
        instance=instance,
        raise_on_error=False,
        **options,
    )


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def metadata_of(result: dg.ExecuteInProcessResult, asset: dg.AssetsDefinition) -> dict[str, Any]:
    [name] = asset.key.path
    events = result.asset_materializations_for_node(name)
    return {name: value.value for name, value in events[-1].metadata.items()}


def test_without_a_partition_everything_is_made(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    result = materialize(ALL, data_set, instance)
    assert result.success
    listed = {str(key) for key in data_set.shard_keys()}
    assert len(listed) > 1
    for asset in PARTITIONED:
        assert instance.get_materialized_partitions(asset.key) == listed
    index = pl.read_parquet(data_set.data.shards / "index.parquet")
    assert index.height == 3
    assert data_set.data.manifest.exists()

    counts = metadata_of(result, ledger)
    assert (counts["dagster/row_count"], counts["kept"], counts["rejected"]) == (3, 3, 0)
    assert "data:image/png" in counts["funnel"]
    found = metadata_of(result, duplicates)
    assert (found["dagster/row_count"], found["clusters"], found["copies"]) == (3, 0, 0)
    assert "data:image/png" in found["leakage"]
    pictures = metadata_of(result, dataset)
    for name in ("faces per mesh", "tokens per mesh", "kept meshes"):
        assert 1000 < len(pictures[name]) < PICTURE_BYTES_LIMIT * 4 / 3 + 100
    [run] = instance.get_runs()
    assert run.tags["meshloom/data_set"] == pictures["version"][:16]


def test_each_partition_reports_itself(data_set: DataSetResource, instance: dg.DagsterInstance) -> None:
    first = materialize(STAGES, data_set, instance)
    events = first.asset_materializations_for_node("tokens")
    assert sum(event.metadata["kept"].value for event in events) == 3
    assert all(Path(event.metadata["table"].value).exists() for event in events)
    assert all(event.metadata["meshes per second"].value > 0 for event in events)

    second = materialize(STAGES, data_set, instance)
    events = second.asset_materializations_for_node("tokens")
    assert all(event.metadata["already current"].value for event in events)


def test_one_partition(data_set: DataSetResource, instance: dg.DagsterInstance) -> None:
    key = register_shards(instance, data_set)[0]
    assert materialize(STAGES, data_set, instance, partition_key=key).success
    assert data_set.data.partitions("curated") == [ShardKey.parse(key)]
    assert instance.get_materialized_partitions(curated.key) == {key}


def test_a_range_in_one_run(data_set: DataSetResource, instance: dg.DagsterInstance) -> None:
    keys = register_shards(instance, data_set)
    assert materialize(STAGES, data_set, instance, tags={RANGE_START: keys[0], RANGE_END: keys[1]}).success
    assert instance.get_materialized_partitions(curated.key) == set(keys[:2])


def test_a_shard_that_is_gone_is_no_partition_any_more(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    keys = register_shards(instance, data_set)
    instance.add_dynamic_partitions(SOURCE_SHARDS, ["local:elsewhere-00"])
    assert materialize([raw_meshes], data_set, instance).success
    assert set(instance.get_dynamic_partitions(SOURCE_SHARDS)) == set(keys)


def test_a_broken_table_fails_its_check_and_stops_what_follows(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    assert materialize(STAGES, data_set, instance).success
    path = data_set.data.table("mesh_table", data_set.shard_keys()[0])
    spoil(path, pl.col("n_faces") * 0)

    result = materialize(STAGES, data_set, instance)
    assert not result.success
    assert materialized(result) == {"raw_meshes", "mesh_table"}
    [failed] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert (failed.asset_key.to_user_string(), failed.check_name) == ("mesh_table", "schema")
    found = failed.metadata["first failures"].records[0].data
    assert (found["file"], found["column"]) == (str(path), "n_faces")


def test_a_file_missing_from_the_ledger_fails_its_check(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    assert materialize([*STAGES, ledger], data_set, instance).success
    path = data_set.data.table("ledger", data_set.shard_keys()[0])
    fingerprint = table_fingerprint(path)
    assert fingerprint
    write_table(path, pl.read_parquet(path).clear(), fingerprint)
    result = materialize([ledger], data_set, instance)
    [failed] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed.check_name == "complete"
    assert failed.metadata["files"].value == 3


@pytest.mark.parametrize("asset", STAGES)
def test_tables_keep_their_documentation(asset: dg.AssetsDefinition) -> None:
    schema = asset.metadata_by_key[asset.key]["dagster/column_schema"]
    assert any(column.description for column in schema.columns)


def spoil(path: Path, expression: pl.Expr) -> None:
    """Change a column and keep the fingerprint: the stage takes the file for current."""
    fingerprint = table_fingerprint(path)
    assert fingerprint
    write_table(path, pl.read_parquet(path).with_columns(expression), fingerprint)
    assert pl.read_parquet_metadata(path)[FINGERPRINT_KEY] == fingerprint
