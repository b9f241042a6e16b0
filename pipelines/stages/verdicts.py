"""What licence policy and rules say of each mesh that has tokens."""

import polars as pl

from pipelines.licences import normalize_licence
from pipelines.reasons import Stage
from pipelines.rule_columns import MissingTableError, tables_of, with_rule_columns
from pipelines.rules import Preset, first_failure
from pipelines.stages.partitions import UpstreamError
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import Tokens, polars_schema

_FROM_RAW_MESHES = ["name", "category", "licence", "author"]
_FROM_TOKENS = [name for name, dtype in polars_schema(Tokens).items() if not dtype.is_nested()]


def tables_judged(preset: Preset) -> list[str]:
    """Tables that a verdict depends on. One that no rule asks for may change without it."""
    asked = [table for table in tables_of(preset.columns) if table != Stage.RAW_MESHES]
    return [Stage.RAW_MESHES, Stage.TOKENS, *asked]


def judge(data: DataFolder, key: ShardKey, preset: Preset, licences: tuple[str, ...] | None) -> pl.DataFrame:
    """Rows of one partition's tokens table, in its order, with what the sources say of them and two verdicts.

    `rule` is the number of the first rule against a mesh, null where there is none; `may_be_used` whether
    its licence is one of those asked for. Raises UpstreamError where a table, or a row of it, is absent.
    """
    rows = pl.read_parquet(data.table(Stage.TOKENS, key), columns=_FROM_TOKENS)
    about = data.table(Stage.RAW_MESHES, key)
    said = pl.read_parquet(about, columns=["mesh_id", *_FROM_RAW_MESHES])
    rows = join_all(rows, said, about, key)
    try:
        judged = with_rule_columns(rows, data, key, preset.columns)
    except MissingTableError as error:
        raise UpstreamError(str(error)) from None
    return judged.with_columns(first_failure(preset), may_be_used=_may_be_used(judged["licence"], licences))


def join_all(rows: pl.DataFrame, more: pl.DataFrame, path: object, key: ShardKey) -> pl.DataFrame:
    """Add columns by mesh_id. Raises UpstreamError where the table at `path` lacks a mesh."""
    n_lost = rows.join(more, on="mesh_id", how="anti").height
    if n_lost:
        raise UpstreamError(f"{key}: {path} lacks {n_lost} meshes that have tokens; run the earlier stages")
    return rows.join(more, on="mesh_id", how="left", validate="1:1", maintain_order="left")


def _may_be_used(stated: pl.Series, licences: tuple[str, ...] | None) -> pl.Series:
    if licences is None:
        return pl.repeat(True, len(stated), eager=True)
    allowed = [text for text in stated.unique() if normalize_licence(text) in licences]
    return stated.is_in(allowed).fill_null(False)
