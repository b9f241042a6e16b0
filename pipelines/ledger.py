"""One row per input file, kept or rejected: the account of a data set. -> tables/ledger

build_ledger(data, [ShardKey("builtin", "chair")])
data.scan("ledger").group_by("status", "stage", "reason").len().collect()
"""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import polars as pl

from pipelines.reasons import Stage
from pipelines.stages import PartitionResult
from pipelines.stages.partitions import is_current, n_rows_on_disk
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Ledger, polars_schema, validate

VERSION = 2
LEDGER = "ledger"
"""Folder of the tables, and `stage` where one is asked for."""
_NAMED_AT_MOST = 5


class LedgerError(RuntimeError):
    """The tables of a partition do not account for each of its files exactly once."""


def build_ledger(data: DataFolder, keys: Sequence[ShardKey] | None = None) -> list[PartitionResult]:
    """Bring the ledger of the partitions given, or of all of raw_meshes, up to date.

    Raises LedgerError where a stage has not run, or where a file has no row or several.
    """
    keys = data.partitions(Stage.RAW_MESHES) if keys is None else keys
    return [_build_partition(data, key) for key in keys]


def _build_partition(data: DataFolder, key: ShardKey) -> PartitionResult:
    started = monotonic()
    listed, kept = data.table(Stage.RAW_MESHES, key), data.table(Stage.CURATED, key)
    rejected = [data.rejected(stage, key) for stage in Stage]
    for path in (listed, kept, *rejected):
        if not path.exists():
            raise LedgerError(f"{key}: {path} is absent; run the stages before the ledger")
    name = fingerprint(LEDGER, VERSION, {}, [listed, kept, *rejected])
    path = data.table(LEDGER, key)
    was_current = is_current(name, [path])
    if not was_current:
        frame = _account(kept, rejected)
        _check_complete(key, frame, _files(listed, data.rejected(Stage.RAW_MESHES, key)))
        write_table(path, validate(Ledger, frame), name)
    seconds = 0.0 if was_current else monotonic() - started
    return PartitionResult(key, n_rows_on_disk(path), {}, seconds, was_current)


def _account(kept: Path, rejected: list[Path]) -> pl.DataFrame:
    """Rows of the ledger, in order of their uri."""
    missing = [pl.lit(None, pl.String).alias(name) for name in ("stage", "reason", "detail")]
    parts = [pl.read_parquet(kept).with_columns(*missing, status=pl.lit("kept"))]
    parts += [
        pl.read_parquet(path).with_columns(status=pl.lit("rejected"), exact=pl.lit(None, pl.Boolean))
        for path in rejected
    ]
    columns = list(polars_schema(Ledger))
    return pl.concat([part.select(columns) for part in parts]).sort("uri", "status", "stage")


def _files(listed: Path, refused: Path) -> pl.Series:
    """Uris of all files that the source lists."""
    return pl.concat([pl.read_parquet(path, columns=["uri"]) for path in (listed, refused)])["uri"]


def _check_complete(key: ShardKey, frame: pl.DataFrame, files: pl.Series) -> None:
    counts = frame["uri"].value_counts()
    faults = {
        "are in no table": files.filter(~files.is_in(frame["uri"].implode())),
        "are in several tables": counts.filter(pl.col("count") > 1)["uri"],
        "are not listed by the source": frame["uri"].filter(~frame["uri"].is_in(files.implode())),
    }
    for fault, uris in faults.items():
        if len(uris):
            named = ", ".join(uris.unique().sort().head(_NAMED_AT_MOST))
            raise LedgerError(
                f"{key}: {len(uris)} of {len(files)} files {fault}, for example {named}; "
                f"delete the partition's tables and run again"
            )
