"""What a rule may ask for: the columns of every table with a row per mesh.

frame = with_rule_columns(tokens_of_partition, data, key, ["licence", "sliver_share", "loaded_n_faces"])

Where two tables use a name, the tokens table has it, and the mesh table's is called `loaded_` and the name:
`n_faces` are those tokenised, `loaded_n_faces` those of the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from pipelines.reasons import Stage
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import MeshTable, Quality, RawMeshes, Table, Tokens, polars_schema

LOADED_PREFIX = "loaded_"
QUALITY = "quality"
"""Folder of the quality tables: no stage that a mesh could be rejected by."""
_TABLES: dict[str, type[Table]] = {
    Stage.TOKENS.value: Tokens,
    Stage.RAW_MESHES.value: RawMeshes,
    Stage.MESH_TABLE.value: MeshTable,
    QUALITY: Quality,
}
_IDENTITY = ("mesh_id", "uri", "source", "shard", "sha256")
_SUGGESTIONS = 3
_TEXTS = pl.List(pl.String)
"""The only lists that a rule may ask for, as in `array_contains(tags, 'chair')`."""


class MissingTableError(RuntimeError):
    """A rule asks for a table that has not been made."""


@dataclass(frozen=True)
class RuleColumn:
    """Where a column of the rules comes from."""

    table: str
    name: str
    """In that table."""
    dtype: pl.DataType


def _all_columns() -> dict[str, RuleColumn]:
    columns: dict[str, RuleColumn] = {}
    for table, schema in _TABLES.items():
        for name, dtype in polars_schema(schema).items():
            if (dtype.is_nested() and dtype != _TEXTS) or (table != Stage.TOKENS and name in _IDENTITY):
                continue
            unique = LOADED_PREFIX + name if name in columns else name
            columns[unique] = RuleColumn(table, name, dtype)
    return columns


COLUMNS = _all_columns()
"""Every column of the rules by its name."""


def unknown_columns(names: Iterable[str]) -> str:
    """What to say of names that are no columns; empty where all are."""
    said = []
    for name in names:
        if name not in COLUMNS:
            close = get_close_matches(name, COLUMNS, _SUGGESTIONS) or [c for c in COLUMNS if name in c]
            hint = f" (perhaps {' or '.join(close[:_SUGGESTIONS])})" if close else ""
            said.append(f"{name}{hint}")
    return ", ".join(said)


def tables_of(names: Iterable[str]) -> list[str]:
    """Tables that hold columns of these names, in order, the tokens table apart."""
    used = {COLUMNS[name].table for name in names}
    return [table for table in _TABLES if table in used and table != Stage.TOKENS]


def with_rule_columns(
    frame: pl.DataFrame, data: DataFolder, key: ShardKey, names: Iterable[str]
) -> pl.DataFrame:
    """Rows of the tokens table with the columns of other tables that the rules of a preset ask for.

    Raises MissingTableError where such a table, or a row of it, is absent.
    """
    missing = [name for name in dict.fromkeys(names) if name not in frame.columns]
    for table in tables_of(missing):
        path = data.table(table, key)
        if not path.exists():
            raise MissingTableError(f"{key}: {path} is absent; run `meshloom curate` again")
        columns = {name: COLUMNS[name].name for name in missing if COLUMNS[name].table == table}
        rows = pl.read_parquet(path, columns=["mesh_id", *columns.values()])
        asked = rows.select("mesh_id", *(pl.col(name).alias(unique) for unique, name in columns.items()))
        n_lost = frame.join(asked, on="mesh_id", how="anti").height
        if n_lost:
            raise MissingTableError(f"{key}: {path} lacks {n_lost} meshes; run `meshloom curate` again")
        frame = frame.join(asked, on="mesh_id", how="left", validate="1:1", maintain_order="left")
    return frame
