"""Meshes as sequences of tokens."""

import dagster as dg

from assets_defs.checks import check_stage, schema_spec
from assets_defs.failures import classified, retry_transient
from assets_defs.ingest.assets import mesh_table
from assets_defs.partitions import one_run_for_all, shard_keys_of, source_shards
from assets_defs.reporting import OWNERS, code_version, definition_metadata, histogram_of, report_partitions
from assets_defs.resources import DataSetResource
from pipelines.tables import Quality, Tokens


@dg.asset(
    group_name="tokenize",
    kinds={"rust", "parquet"},
    owners=OWNERS,
    code_version=code_version("tokens"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[mesh_table],
    metadata=definition_metadata(Tokens),
    check_specs=[schema_spec("tokens")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
def tokens(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """Meshes normalised, cleaned, repaired and tokenised, with the statistics of every step."""
    from pipelines.stages.tokens import build_tokens

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_tokens(data, data_set.settings, keys)
    report_partitions(context, data, "tokens", results)
    return dg.MaterializeResult(
        check_results=[check_stage(data, "tokens", Tokens, keys)],
        metadata=histogram_of(data, "tokens", "n_tokens", "tokens per mesh", keys),
    )


@dg.asset(
    group_name="tokenize",
    kinds={"rust", "parquet"},
    owners=OWNERS,
    code_version=code_version("quality"),
    partitions_def=source_shards,
    backfill_policy=one_run_for_all,
    deps=[mesh_table],
    metadata=definition_metadata(Quality),
    check_specs=[schema_spec("quality")],
    pool="cpu",
    retry_policy=retry_transient,
)
@classified
def quality(context: dg.AssetExecutionContext, data_set: DataSetResource) -> dg.MaterializeResult:
    """What rules may ask of meshes that load: surface, faces, quantisation damage, every tokenizer."""
    from pipelines.stages.quality import build_quality

    keys = shard_keys_of(context, data_set)
    with data_set.writing() as data:
        results = build_quality(data, data_set.settings, data_set.parsed_sources(), keys)
    report_partitions(context, data, "quality", results)
    return dg.MaterializeResult(
        check_results=[check_stage(data, "quality", Quality, keys)],
        metadata=histogram_of(data, "quality", "mean_face_quality", "mean face quality", keys),
    )
