"""Which meshes are copies of others: described partition by partition, compared over all of them."""

import dagster as dg

from assets_defs.checks import check_schema, schema_spec
from assets_defs.failures import classified, retry_transient
from assets_defs.ingest.assets import mesh_table
from assets_defs.partitions import one_run_for_all, shard_keys_of, source_shards
from assets_defs.reporting import (
    OWNERS,
    code_version,
    definition_metadata,
    file_link,
    picture,
    report_partitions,
)
from assets_defs.resources import DataSetResource
from assets_defs.tokenize.assets import quality, tokens
from pipelines.tables import Descriptors, DuplicatePairs, Duplicates


@dg.asset(
    group_name="curate",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version=code_version("descriptors"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[mesh_table],
    metadata=definition_metadata(Descriptors),
    check_specs=[schema_spec("descriptors")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
def descriptors(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """What stays of each mesh when it is moved, turned, scaled or stored in another way."""
    from pipelines.stages.descriptors import build_descriptors

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_descriptors(data, data_set.settings, keys)
    report_partitions(context, data, "descriptors", results)
    tables = [(data.table("descriptors", key), Descriptors) for key in keys]
    return dg.MaterializeResult(check_results=[check_schema(tables)])


@dg.asset(
    group_name="curate",
    kinds={"parquet", "scipy"},
    owners=OWNERS,
    code_version=code_version("duplicates"),
    deps=[descriptors, quality, tokens],
    metadata=definition_metadata(Duplicates),
    check_specs=[schema_spec("duplicates")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
def duplicates(data_set: DataSetResource) -> dg.MaterializeResult:
    """Clusters of copies over all partitions, and the mesh that stands for each."""
    from pipelines.duplicates.report import duplicate_report, largest_cluster_sheet
    from pipelines.pictures import leakage_plot
    from pipelines.stages.duplicates import build_duplicates

    with data_set.writing() as data:
        results = build_duplicates(data, data_set.settings)
    report = duplicate_report(data, data_set.settings.split)
    tables = [(data.table("duplicates", result.key), Duplicates) for result in results]
    sheet = largest_cluster_sheet(data, report)
    return dg.MaterializeResult(
        check_results=[check_schema([*tables, (data.duplicate_pairs, DuplicatePairs)])],
        metadata={
            "dagster/row_count": report.n_meshes,
            "clusters": report.n_clusters,
            "copies": report.n_copies,
            "copies by match": dg.MetadataValue.json(report.matches),
            "clusters in several splits": report.n_leaks,
            "clusters in several splits if each file decided alone": report.n_leaks_by_file,
            "pairs": file_link(data.duplicate_pairs),
            "leakage": picture(leakage_plot(report.sources), "leakage"),
            **({"largest cluster": picture(sheet, "largest cluster")} if sheet else {}),
        },
    )
