"""What an asset tells the UI: column documentation, counts, links to files, and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from pipelines.stages import PartitionResult
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import column_docs, polars_schema
from pipelines.versions.code import stage_versions
from pipelines.visible import visible

if TYPE_CHECKING:
    import logging

    from pandera.polars import DataFrameModel

OWNERS = ["team:meshloom"]
DATA_SET_TAG = "meshloom/data_set"
PICTURE_BYTES_LIMIT = 100_000
PICTURED_PARTITIONS_LIMIT = 64
"""A run's picture is stored with each of its partitions; above this many, only with the data set."""
SHEET_MESHES = 24
LOGGED_REJECTS_LIMIT = 20
"""Lines in a step's log that name a rejected mesh; each is a row of the event log."""


def column_schema(table: "type[DataFrameModel]") -> dg.TableSchema:
    """Names, types and documentation of a table's columns, for the catalogue."""
    docs = column_docs(table)  # type: ignore[arg-type]
    columns = polars_schema(table)  # type: ignore[arg-type]
    return dg.TableSchema(
        [
            dg.TableColumn(name, type=str(dtype), description=docs[name] or None)
            for name, dtype in columns.items()
        ]
    )


def definition_metadata(table: "type[DataFrameModel]") -> dict[str, Any]:
    """What is known of a table asset before it exists."""
    return {"dagster/column_schema": column_schema(table)}


def code_version(stage: str) -> str:
    """VERSION of a stage: Dagster marks what an older one made as stale. Raises KeyError for no stage."""
    return str(stage_versions()[stage])


def report_partitions(
    context: dg.AssetExecutionContext, data: DataFolder, stage: str, results: Sequence[PartitionResult]
) -> None:
    """Give each partition of this run its counts, reasons, speed and file."""
    for result in results:
        rejected = data.rejected(stage, result.key)
        context.add_asset_metadata(
            {
                "dagster/row_count": result.n_kept,
                "kept": result.n_kept,
                "rejected": result.n_rejected,
                "reasons": dg.MetadataValue.json(result.reasons),
                "seconds": round(result.seconds, 3),
                "meshes per second": _per_second(result),
                "CPU seconds per mesh": _cpu_per_mesh(result),
                "bytes read": _bytes_listed(data, result.key),
                "bytes written": _bytes_written(data, stage, result.key),
                "already current": result.was_current,
                "table": dg.MetadataValue.path(str(data.table(stage, result.key))),
                **({"rejected files": dg.MetadataValue.path(str(rejected))} if rejected.exists() else {}),
                "ledger": dg.MetadataValue.path(str(data.table("ledger", result.key))),
                "all reasons": dg.MetadataValue.asset(dg.AssetKey("ledger")),
            },
            partition_key=str(result.key),
        )
    log_rejects(context.log, data, stage, results)
    n_current = sum(result.was_current for result in results)
    context.log.info(
        f"{stage}: {sum(r.n_kept for r in results)} kept, {sum(r.n_rejected for r in results)} rejected in "
        f"{len(results)} partitions, {n_current} of them already current"
    )


def log_rejects(
    log: "logging.Logger", data: DataFolder, stage: str, results: Sequence[PartitionResult]
) -> None:
    """One line for each mesh that this run rejected, up to a limit; the tables hold all."""
    n_shown = n_all = 0
    for result in results:
        path = data.rejected(stage, result.key)
        if result.was_current or not result.n_rejected or not path.exists():
            continue
        n_all += result.n_rejected
        rows = pl.read_parquet(path, columns=["mesh_id", "uri", "reason", "detail"])
        for mesh_id, uri, reason, detail in rows.head(LOGGED_REJECTS_LIMIT - n_shown).iter_rows():
            log.warning(f"{stage}: {mesh_id} {reason}: {visible(detail)} ({visible(uri)})")
            n_shown += 1
    if n_all > n_shown:
        log.warning(f"{stage}: and {n_all - n_shown:,} more rejected; the tables of rejected files hold all")


def _cpu_per_mesh(result: PartitionResult) -> float:
    n_meshes = result.n_kept + result.n_rejected
    return round(result.cpu_seconds / n_meshes, 6) if n_meshes else 0.0


def _bytes_listed(data: DataFolder, key: ShardKey) -> int:
    """Size of all files of a partition that its sources list and that can be opened."""
    path = data.table("raw_meshes", key)
    return int(pl.read_parquet(path, columns=["size_bytes"])["size_bytes"].sum()) if path.exists() else 0


def _bytes_written(data: DataFolder, stage: str, key: ShardKey) -> int:
    paths = [data.table(stage, key), data.rejected(stage, key)]
    paths += [data.geometry(key)] if stage == "mesh_table" else []
    if stage == "shards":
        index = data.table(stage, key)
        names = pl.read_parquet(index, columns=["shard_file"])["shard_file"].unique()
        paths += [data.shards / name for name in names]
    return sum(path.stat().st_size for path in paths if path.exists())


def _per_second(result: PartitionResult) -> float:
    if result.was_current or result.seconds <= 0:
        return 0.0
    return round((result.n_kept + result.n_rejected) / result.seconds, 2)


def picture(png: bytes, alt: str) -> dg.MetadataValue:
    """A picture shown inline; one that the event log should not hold is left out, in words."""
    from pipelines.pictures import as_markdown_image

    if len(png) > PICTURE_BYTES_LIMIT:
        return dg.MetadataValue.md(f"{alt}: {len(png) // 1000} kB, too large to show here")
    return dg.MetadataValue.md(as_markdown_image(png, alt))


def histogram_of(
    data: DataFolder, stage: str, column: str, label: str, keys: Sequence[ShardKey]
) -> dict[str, dg.MetadataValue]:
    """Histogram of one column over the given partitions; nothing where there are too many, or no rows."""
    from pipelines.pictures import histogram

    if len(keys) > PICTURED_PARTITIONS_LIMIT:
        return {}
    values = pl.scan_parquet([data.table(stage, key) for key in keys]).select(column).collect()[column]
    if values.is_empty():
        return {}
    return {label: picture(histogram(values, label, log=True), label)}


def sheet_of(data: DataFolder, keys: Sequence[ShardKey]) -> dict[str, dg.MetadataValue]:
    """Contact sheet of kept meshes, as they were tokenised, spread evenly over the given partitions."""
    from pipelines.pictures import contact_sheet

    if not keys:
        return {}
    kept = (
        pl.scan_parquet([data.table("curated", key) for key in keys])
        .select("mesh_id", "name", "source", "shard")
        .collect()
        .sort("mesh_id")
    )
    shown = kept.gather_every(max(1, -(-kept.height // SHEET_MESHES))).head(SHEET_MESHES)
    if shown.is_empty():
        return {}
    used = {ShardKey(source, shard) for source, shard in shown.select("source", "shard").iter_rows()}
    meshes = (
        pl.scan_parquet([data.table("tokens", key) for key in sorted(used)])
        .filter(pl.col("mesh_id").is_in(shown["mesh_id"].to_list()))
        .select("mesh_id", "vertices", "faces")
        .collect()
        .join(shown.select("mesh_id", "name"), on="mesh_id")
        .sort("mesh_id")
    )
    titled = [
        (row["name"], _triples(row["vertices"]), _triples(row["faces"]))
        for row in meshes.iter_rows(named=True)
    ]
    return {"kept meshes": picture(contact_sheet(titled), "kept meshes")}


def _triples(flat: list[float]) -> Any:
    import numpy as np

    return np.asarray(flat).reshape(-1, 3)


def file_link(path: Path) -> dg.MetadataValue:
    """A file on the machine that ran the step."""
    return dg.MetadataValue.path(str(path))


def funnel_of(data: DataFolder) -> dict[str, dg.MetadataValue]:
    """How many files each step leaves."""
    from pipelines.curation import funnel
    from pipelines.pictures import funnel_plot

    return {"funnel": picture(funnel_plot(funnel(data)), "funnel")}
