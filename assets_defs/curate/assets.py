"""What the data set consists of, why the rest does not, and its version."""

from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets_defs.checks import (
    check_complete,
    check_schema,
    check_stage,
    check_volume,
    complete_spec,
    schema_spec,
    volume_spec,
)
from assets_defs.curate.duplicates import duplicates
from assets_defs.failures import classified, retry_transient
from assets_defs.partitions import one_run_for_all, shard_keys_of, source_shards
from assets_defs.reporting import (
    DATA_SET_TAG,
    OWNERS,
    code_version,
    definition_metadata,
    file_link,
    funnel_of,
    histogram_of,
    report_partitions,
    sheet_of,
)
from assets_defs.resources import DataSetResource
from assets_defs.tokenize.assets import quality, tokens
from pipelines.storage import DataFolder
from pipelines.tables import Curated, Ledger, ShardIndex, VersionChanges

WEEKLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=9), warn_window=timedelta(days=8))
"""The rebuild runs every week; a day late is said, two are a failure."""
VERSIONS_LOOKED_BACK = 100


@dg.asset(
    group_name="curate",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version=code_version("curated"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[tokens, quality, duplicates],
    metadata=definition_metadata(Curated),
    check_specs=[schema_spec("curated")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
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
    code_version=code_version("shards"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[curated],
    metadata=definition_metadata(ShardIndex),
    check_specs=[schema_spec("shards")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
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
    code_version=code_version("ledger"),
    deps=[curated],
    metadata=definition_metadata(Ledger),
    check_specs=[schema_spec("ledger"), complete_spec("ledger")],
    pool="cpu",
    retry_policy=retry_transient,
    automation_condition=dg.AutomationCondition.eager(),
)
@classified
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


@dg.asset(
    group_name="curate",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    deps=[shards, ledger],
    check_specs=[volume_spec("dataset")],
    retry_policy=retry_transient,
    automation_condition=dg.AutomationCondition.eager(),
    freshness_policy=WEEKLY,
)
@classified
def dataset(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """The version of the data set: a manifest that names every file with its hash."""
    from pipelines.manifest import write_manifest

    with data_set.writing() as data:
        manifest = write_manifest(data, data_set.settings, data_set.source_texts())
    version, counts = manifest["version"], manifest["counts"]
    context.instance.add_run_tags(context.run.run_id, {DATA_SET_TAG: version[:16]})
    keys = data.partitions("curated")
    before = version_before(context.instance, data, version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        check_results=[
            check_volume(volume_of(counts), before and volume_of(before["counts"]), data_set.volume_drop)
        ],
        metadata={
            "manifest": file_link(data.manifest),
            "record": file_link(data.versions / f"{version}.json"),
            "attribution": file_link(data.shards / "ATTRIBUTION.md"),
            "version": version,
            "partitions": len(keys),
            "files": counts["files"],
            "meshes": counts["status"].get("kept", 0),
            "dagster/row_count": counts["status"].get("kept", 0),
            "bytes": sum(file["bytes"] for file in manifest["files"]),
            "reasons": dg.MetadataValue.json(counts["reasons"]),
            "splits": dg.MetadataValue.json(counts["splits"]),
            "licences": dg.MetadataValue.json(counts["licences"]),
            **histogram_of(data, "curated", "n_faces", "faces per mesh", keys),
            **histogram_of(data, "curated", "n_tokens", "tokens per mesh", keys),
            **sheet_of(data, keys),
        },
    )


@dg.asset(
    group_name="curate",
    kinds={"parquet", "html"},
    owners=OWNERS,
    code_version="1",
    deps=[dataset],
    metadata=definition_metadata(VersionChanges),
    retry_policy=retry_transient,
    automation_condition=dg.AutomationCondition.eager(),
)
@classified
def dataset_changes(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """What the version has that the one before it had not, and why."""
    from pipelines.versions.difference import compare, write_difference
    from pipelines.versions.record import find_record

    after = find_record(data_set.data.root)
    context.instance.add_run_tags(context.run.run_id, {DATA_SET_TAG: after.short})
    known = version_before(context.instance, data_set.data, after.version)
    if known is None:
        return dg.MaterializeResult(metadata={"version": after.version, "compared with": "no version before"})
    difference = compare(find_record(known["version"], data_set.data.root), after)
    out = data_set.data.root / "changes" / f"{difference.before.short}-{difference.after.short}"
    table, page = write_difference(difference, out)
    text = "\n".join(difference.lines())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": difference.changes.height,
            "version": after.version,
            "compared with": known["version"],
            **{change: sum(causes.values()) for change, causes in difference.counts.items()},
            "unchanged": difference.n_unchanged,
            "causes": dg.MetadataValue.json(difference.counts),
            "text": dg.MetadataValue.text(text),
            "table": file_link(table),
            "page": file_link(page),
        }
    )


def version_before(instance: dg.DagsterInstance, data: DataFolder, version: str) -> dict[str, Any] | None:
    """Manifest of the version that was materialised last before `version`; None where there was none."""
    from pipelines.versions.record import read_content

    records = instance.fetch_materializations(dataset.key, limit=VERSIONS_LOOKED_BACK).records
    for record in records:
        materialization = record.asset_materialization
        entry = materialization.metadata.get("version") if materialization is not None else None
        if entry is not None and entry.value != version:
            content = read_content(data.versions / f"{entry.value}.json")
            if content is not None:
                return content
    return None


def volume_of(counts: dict[str, Any]) -> dict[str, int]:
    """How many files are listed and kept, of a manifest's counts."""
    return {"files": counts["files"], "meshes": counts["status"].get("kept", 0)}
