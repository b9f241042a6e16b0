"""Blocking checks: every table is held against its schema before anything follows from it.

They are computed inside the asset, on what this run wrote, which saves a second process:

    @dg.asset(check_specs=[schema_spec("tokens")])
    def tokens() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[check_schema({path: Tokens})])
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import Rejected, validate

if TYPE_CHECKING:
    from pandera.polars import DataFrameModel

SCHEMA = "schema"
COMPLETE = "complete"
VOLUME = "volume"
SHOWN_FAILURES = 20


def schema_spec(asset: str) -> dg.AssetCheckSpec:
    """The check that every table asset has."""
    return dg.AssetCheckSpec(
        SCHEMA,
        asset=asset,
        blocking=True,
        description="Columns, types and values are those of the table's schema.",
    )


def complete_spec(asset: str) -> dg.AssetCheckSpec:
    """The check of the ledger: no input file is lost."""
    return dg.AssetCheckSpec(
        COMPLETE, asset=asset, blocking=True, description="As many rows as files were listed: none is lost."
    )


def volume_spec(asset: str) -> dg.AssetCheckSpec:
    """The check of a data set's size; it warns, since a smaller data set may be what was wanted."""
    return dg.AssetCheckSpec(
        VOLUME, asset=asset, blocking=False, description="Not much smaller than the version before it."
    )


def check_volume(
    now: Mapping[str, int], before: Mapping[str, int] | None, drop: float
) -> dg.AssetCheckResult:
    """Warn where one of the counts is lower than that of the version before by more than the share `drop`."""
    dropped = [name for name in now if before is not None and now[name] < before.get(name, 0) * (1 - drop)]
    told = ", ".join(f"{name} {(before or {}).get(name, 0):,} -> {now[name]:,}" for name in now)
    return dg.AssetCheckResult(
        check_name=VOLUME,
        passed=not dropped,
        severity=dg.AssetCheckSeverity.WARN,
        description=told if before is not None else "no version before this one",
        metadata={
            **{f"{name} now": count for name, count in now.items()},
            **{f"{name} before": count for name, count in (before or {}).items()},
            "largest drop allowed": drop,
        },
    )


def check_schema(tables: Iterable[tuple[Path, "type[DataFrameModel]"]]) -> dg.AssetCheckResult:
    """Validate table files, types and values; the result lists what failed and where."""
    from pandera.errors import SchemaError, SchemaErrors

    failures: list[tuple[str, str, str, str]] = []
    n_rows = n_tables = 0
    for path, table in tables:
        n_tables += 1
        try:
            frame = pl.read_parquet(path)
            n_rows += frame.height
            validate(table, frame)  # type: ignore[arg-type]
        except SchemaErrors as error:
            failures += [(str(path), *case) for case in _cases(error.failure_cases)]
        except (SchemaError, OSError, pl.exceptions.PolarsError) as error:
            failures.append((str(path), "", "readable", str(error).splitlines()[0]))
    return dg.AssetCheckResult(
        check_name=SCHEMA,
        passed=not failures,
        description=f"{n_tables} tables, {n_rows} rows, {len(failures)} failures",
        metadata={"tables": n_tables, "rows": n_rows, "failures": len(failures), **_failure_table(failures)},
    )


def check_stage(
    data: DataFolder, stage: str, table: "type[DataFrameModel]", keys: Sequence[ShardKey]
) -> dg.AssetCheckResult:
    """Validate what a stage kept of each partition, and what it rejected."""
    kept = [(data.table(stage, key), table) for key in keys]
    rejected = [(data.rejected(stage, key), Rejected) for key in keys if data.rejected(stage, key).exists()]
    return check_schema([*kept, *rejected])


def check_complete(n_ledger_rows: int, n_files: int) -> dg.AssetCheckResult:
    """Compare the ledger with the files that the sources listed."""
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        passed=n_ledger_rows == n_files,
        description=f"{n_ledger_rows} rows for {n_files} listed files",
        metadata={"rows": n_ledger_rows, "files": n_files},
    )


def _cases(cases: pl.DataFrame) -> list[tuple[str, str, str]]:
    columns = [cases[name].cast(pl.String).fill_null("") for name in ("column", "check", "failure_case")]
    return list(zip(*(column.to_list() for column in columns), strict=True))


def _failure_table(failures: list[tuple[str, str, str, str]]) -> dict[str, dg.MetadataValue]:
    if not failures:
        return {}
    names = ("file", "column", "check", "found")
    records = [dg.TableRecord(dict(zip(names, case, strict=True))) for case in failures[:SHOWN_FAILURES]]
    return {"first failures": dg.MetadataValue.table(records)}


def check_columns(frame: pl.DataFrame, expected: Mapping[str, Any], asset: str) -> dg.AssetCheckResult:
    """Compare names and types of a table whose values have no schema of their own."""
    wanted, found = dict(expected), dict(frame.schema)
    wrong = [name for name in {*wanted, *found} if wanted.get(name) != found.get(name)]
    return dg.AssetCheckResult(
        check_name=SCHEMA,
        asset_key=asset,
        passed=not wrong,
        description=f"{len(wanted)} columns, {frame.height} rows, {len(wrong)} columns differ",
        metadata={"rows": frame.height, "differ": dg.MetadataValue.json(sorted(wrong))},
    )
