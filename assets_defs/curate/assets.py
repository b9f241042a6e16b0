"""What the data set consists of, why the rest does not, and its version."""

import dagster as dg

from assets_defs.checks import check_complete, check_schema, check_stage, complete_spec, schema_spec
from assets_defs.partitions import one_run_for_all, shard_keys_of, source_shards
from assets_defs.reporting import (
    DATA_SET_TAG,
    OWNERS,
    definition_metadata,
    file_link,
    funnel_of,
    histogram_of,
    report_partitions,
    sheet_of,
)
from assets_defs.resources import DataSetResource
from assets_defs.tokenize.assets import tokens
from pipelines.tables import Curated, Ledger, ShardIndex


@dg.asset(
    group_name="curate",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version="1",
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[tokens],
    metadata=definition_metadata(Curated),
    check_specs=[schema_spec("curated")],
)
def curated(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """Meshes that every rule of the preset keeps, each with its split."""
    from pipelines.stages.curated import build_curated

    data, keys = data_set.data, shard_keys_of(context, data_set)
    results = build_curated(data, data_set.settings, keys)
    report_partitions(context, data, "curated", results)
    return dg.MaterializeResult(
        check_results=[check_stage(data, "curated", Curated, keys)], metadata=sheet_of(data, keys)
    )


@dg.asset(
    group_name="curate",
    kinds={"webdataset", "parquet"},
    owners=OWNERS,
    code_version="1",
    deps=[curated],
    metadata=definition_metadata(ShardIndex),
    check_specs=[schema_spec("shards")],
)
def shards(data_set: DataSetResource) -> dg.MaterializeResult:
    """WebDataset tars of all curated meshes, and an index of where each sample lies."""
    from pipelines.stages.shards import build_shards

    data = data_set.data
    results = build_shards(data, data_set.settings)
    index = data.shards / "index.parquet"
    tars = sorted(data.shards.glob("*.tar"))
    return dg.MaterializeResult(
        check_results=[check_schema([(index, ShardIndex)])],
        metadata={
            "dagster/row_count": sum(result.n_kept for result in results),
            "index": file_link(index),
            "tar files": len(tars),
            "bytes": sum(tar.stat().st_size for tar in tars),
        },
    )


@dg.asset(
    group_name="curate",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version="1",
    deps=[curated],
    metadata=definition_metadata(Ledger),
    check_specs=[schema_spec("ledger"), complete_spec("ledger")],
)
def ledger(data_set: DataSetResource) -> dg.MaterializeResult:
    """One row per input file: kept, or the stage and the reason of its rejection."""
    import polars as pl

    data = data_set.data
    rows = data.scan("ledger").select("status", "reason").collect()
    listed = [data.table("raw_meshes", key) for key in data.partitions("raw_meshes")]
    unread = [data.rejected("raw_meshes", key) for key in data.partitions("raw_meshes")]
    files = [pl.scan_parquet(path).select("uri") for path in (*listed, *unread) if path.exists()]
    n_listed = pl.concat(files).collect().height
    reasons = rows["reason"].drop_nulls().value_counts(sort=True)
    return dg.MaterializeResult(
        check_results=[
            check_schema((data.table("ledger", key), Ledger) for key in data.partitions("ledger")),
            check_complete(rows.height, n_listed),
        ],
        metadata={
            "dagster/row_count": rows.height,
            "kept": rows.filter(status="kept").height,
            "rejected": rows.filter(status="rejected").height,
            "reasons": dg.MetadataValue.json(dict(reasons.iter_rows())),
            "tables": file_link(data.tables / "ledger"),
            **funnel_of(data),
        },
    )


@dg.asset(group_name="curate", kinds={"json"}, owners=OWNERS, code_version="1", deps=[shards, ledger])
def dataset(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """The version of the data set: a manifest that names every file with its hash."""
    from pipelines.manifest import write_manifest
    from pipelines.storage import file_sha256

    data = data_set.data
    write_manifest(data, data_set.settings, data_set.source_texts())
    version = file_sha256(data.manifest)
    context.instance.add_run_tags(context.run.run_id, {DATA_SET_TAG: version[:16]})
    keys = data.partitions("curated")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "manifest": file_link(data.manifest),
            "version": version,
            "partitions": len(keys),
            **histogram_of(data, "curated", "n_faces", "faces per mesh", keys),
            **histogram_of(data, "curated", "n_tokens", "tokens per mesh", keys),
            **sheet_of(data, keys),
        },
    )
