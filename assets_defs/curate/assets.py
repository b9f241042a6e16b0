"""What the data set consists of, why the rest does not, and its version."""

import dagster as dg
import polars as pl

from assets_defs.checks import check_complete, check_schema, check_stage, complete_spec, schema_spec
from assets_defs.curate.duplicates import duplicates
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
from pipelines.storage import DataFolder
from pipelines.tables import Curated, Ledger, ShardIndex


@dg.asset(
    group_name="curate",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version="2",
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[tokens, duplicates],
    metadata=definition_metadata(Curated),
    check_specs=[schema_spec("curated")],
)
def curated(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """Meshes that every rule of the preset keeps, one of each cluster of copies, each with its split."""
    from pipelines.stages.curated import build_curated

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_curated(data, data_set.settings, keys)
    report_partitions(context, data, "curated", results)
    return dg.MaterializeResult(check_results=[check_stage(data, "curated", Curated, keys)])


@dg.asset(
    group_name="curate",
    kinds={"webdataset", "parquet"},
    owners=OWNERS,
    code_version="1",
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[curated],
    metadata=definition_metadata(ShardIndex),
    check_specs=[schema_spec("shards")],
)
def shards(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """WebDataset tars of the curated meshes, and an index of where each sample lies."""
    from pipelines.stages.shards import build_shards

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_shards(data, data_set.settings, keys)
    report_partitions(context, data, "shards", results)
    index = data.shards / "index.parquet"
    tables = [data.table("shards", key) for key in keys]
    return dg.MaterializeResult(
        check_results=[check_schema((path, ShardIndex) for path in (*tables, index))],
        metadata={
            "index": file_link(index),
            "tar files of all partitions": sum(1 for _ in data.shards.glob("*.tar")),
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
    from pipelines.ledger import build_ledger

    with data_set.writing() as data:
        keys = [result.key for result in build_ledger(data, data.partitions("curated"))]
    tables = [data.table("ledger", key) for key in keys]
    rows = pl.scan_parquet(tables).select("status", "reason").collect()
    reasons = rows["reason"].drop_nulls().value_counts(sort=True)
    return dg.MaterializeResult(
        check_results=[
            check_schema((path, Ledger) for path in tables),
            check_complete(rows.height, count_listed_files(data)),
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


def count_listed_files(data: DataFolder) -> int:
    """Files that the sources listed, whether they could be opened or not."""
    keys = data.partitions("raw_meshes")
    paths = [
        path for key in keys for path in (data.table("raw_meshes", key), data.rejected("raw_meshes", key))
    ]
    return pl.concat([pl.scan_parquet(path).select("uri") for path in paths]).collect().height


@dg.asset(group_name="curate", kinds={"json"}, owners=OWNERS, code_version="1", deps=[shards, ledger])
def dataset(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """The version of the data set: a manifest that names every file with its hash."""
    from pipelines.manifest import write_manifest

    with data_set.writing() as data:
        manifest = write_manifest(data, data_set.settings, data_set.source_texts())
    version, counts = manifest["version"], manifest["counts"]
    context.instance.add_run_tags(context.run.run_id, {DATA_SET_TAG: version[:16]})
    keys = data.partitions("curated")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "manifest": file_link(data.manifest),
            "version": version,
            "partitions": len(keys),
            "meshes": counts["status"].get("kept", 0),
            "splits": dg.MetadataValue.json(counts["splits"]),
            "licences": dg.MetadataValue.json(counts["licences"]),
            **histogram_of(data, "curated", "n_faces", "faces per mesh", keys),
            **histogram_of(data, "curated", "n_tokens", "tokens per mesh", keys),
            **sheet_of(data, keys),
        },
    )
