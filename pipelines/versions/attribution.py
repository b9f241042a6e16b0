"""Whom the meshes of a data set are owed to. -> shards/ATTRIBUTION.md, shards/attribution.parquet

Lies beside the shards and is part of the version, so that whoever passes on the shards passes it on too.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import polars as pl

from pipelines.licences import ADDRESSES, normalize_licence
from pipelines.reasons import Stage
from pipelines.stages.partitions import Row, is_current
from pipelines.storage import DataFolder, atomic_path, fingerprint, write_table
from pipelines.tables import Attribution, polars_schema, validate
from pipelines.versions.places import Places
from pipelines.visible import LENGTH, visible

VERSION = 1
_MARKUP = re.compile(r"([\\`*_\[\]{}<>&|#~!$])")


def attribution_paths(data: DataFolder) -> list[Path]:
    """The text and the table."""
    return [data.shards / "ATTRIBUTION.md", data.shards / "attribution.parquet"]


def write_attribution(data: DataFolder, places: Places) -> None:
    """Bring both files up to date with the curated table."""
    text, table = attribution_paths(data)
    tables = [data.table(Stage.CURATED, key) for key in data.partitions(Stage.CURATED)]
    name = fingerprint("attribution", VERSION, {"places": places.prefixes}, tables)
    if is_current(name, [table]) and text.exists():
        return
    frame = _frame(tables, places)
    with atomic_path(text) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(f"{line}\n" for line in attribution_lines(frame))
        handle.flush()
    write_table(table, validate(Attribution, frame), name)


def _frame(tables: list[Path], places: Places) -> pl.DataFrame:
    columns = list(polars_schema(Attribution))
    if not tables:
        return pl.DataFrame(schema=polars_schema(Attribution))
    rows = pl.scan_parquet(tables).select("mesh_id", "name", "author", "licence", "source", "uri").collect()
    stated = rows["licence"].unique().drop_nulls().to_list()
    names = pl.DataFrame(
        {"licence_stated": stated, "short": [normalize_licence(text) for text in stated]},
        schema={"licence_stated": pl.String, "short": pl.String},
    )
    return (
        rows.rename({"licence": "licence_stated"})
        .join(names, on="licence_stated", how="left")
        .rename({"short": "licence"})
        .with_columns(places.expression())
        .select(columns)
        .sort("licence", "author", "name", "mesh_id", nulls_last=True)
    )


def attribution_lines(frame: pl.DataFrame) -> Iterator[str]:
    """Lines of the Markdown text; `frame` is an Attribution table in its order."""
    yield "# Attribution"
    yield ""
    yield f"The {frame.height:,} meshes of this data set by licence and author. `attribution.parquet` holds"
    yield "the same as a table, with the licences in the words of their sources."
    for licence, of_licence in groupby(frame.iter_rows(named=True), key=lambda row: row["licence"]):
        yield ""
        yield f"## {_title(licence)}"
        for author, works in groupby(of_licence, key=lambda row: row["author"]):
            yield ""
            yield f"By {'an author that is not stated' if author is None else plain(author)}:"
            yield ""
            yield from map(_work, works)


def _work(row: Row) -> str:
    stated = ""
    if row["licence"] is None and row["licence_stated"] is not None:
        stated = f", stated as “{plain(row['licence_stated'])}”"
    return f"- {plain(row['name'])} ({plain(row['uri'], length=None)}){stated}"


def _title(licence: str | None) -> str:
    if licence is None:
        return "No licence that is known"
    address = ADDRESSES.get(licence)
    return f"{licence} ({address})" if address else licence


def plain(text: str, length: int | None = LENGTH) -> str:
    """Text of a stranger as one line of Markdown that shows it and does nothing else."""
    return _MARKUP.sub(r"\\\1", visible(text, length)) or "without a name"
