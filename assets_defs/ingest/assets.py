"""What the sources list, and which of it loads."""

import dagster as dg

from assets_defs.checks import check_stage, schema_spec
from assets_defs.failures import classified, retry_transient
from assets_defs.partitions import one_run_for_all, shard_keys_of, source_shards
from assets_defs.reporting import OWNERS, code_version, definition_metadata, histogram_of, report_partitions
from assets_defs.resources import DataSetResource
from pipelines.tables import MeshTable, RawMeshes


@dg.asset(
    group_name="ingest",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version=code_version("raw_meshes"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    metadata=definition_metadata(RawMeshes),
    check_specs=[schema_spec("raw_meshes")],
    pool="network",
    retry_policy=retry_transient,
)
@classified
def raw_meshes(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """Every file that the sources list, with its hash, licence and author."""
    from pipelines.stages.raw_meshes import build_raw_meshes

    keys = shard_keys_of(context, data_set)
    is_all = keys == data_set.shard_keys()  # then partitions that no source lists any more are removed
    with data_set.writing() as data:
        results = build_raw_meshes(
            data, data_set.parsed_sources(), data_set.settings, None if is_all else keys
        )
    report_partitions(context, data, "raw_meshes", results)
    return dg.MaterializeResult(check_results=[check_stage(data, "raw_meshes", RawMeshes, keys)])


@dg.asset(
    group_name="ingest",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version=code_version("mesh_table"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[raw_meshes],
    metadata=definition_metadata(MeshTable),
    check_specs=[schema_spec("mesh_table")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
def mesh_table(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """Meshes that load, with their topology measured."""
    from pipelines.stages.mesh_table import build_mesh_table

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_mesh_table(data, data_set.settings, data_set.parsed_sources(), keys)
    report_partitions(context, data, "mesh_table", results)
    return dg.MaterializeResult(
        check_results=[check_stage(data, "mesh_table", MeshTable, keys)],
        metadata=histogram_of(data, "mesh_table", "n_faces", "faces per mesh", keys),
    )
