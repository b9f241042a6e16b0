"""What every table is built on, and what is asked of a table's schema."""

import pandera.polars as pa
import polars as pl

from pipelines.reasons import Reason

REASONS = [reason.value for reason in Reason]
SPLITS = ["train", "val", "test"]


class Table(pa.DataFrameModel):
    """Exactly these columns, in this order."""

    class Config:
        """pandera's settings."""

        strict = True
        ordered = True


def column_docs(table: type[Table]) -> dict[str, str]:
    """Description of each column of a table."""
    return {name: column.description or "" for name, column in table.to_schema().columns.items()}


def polars_schema(table: type[Table]) -> dict[str, pl.DataType]:
    """Column names and polars types of a table, in order."""
    return {name: column.dtype.type for name, column in table.to_schema().columns.items()}


def validate(table: type[Table], frame: pl.DataFrame) -> pl.DataFrame:
    """Check types and values of `frame` against `table`.

    Raises pandera.errors.SchemaErrors with every failure.
    """
    if frame.is_empty() and dict(frame.schema) == polars_schema(table):
        return frame  # most tables of rejects: no value to check, and pandera takes its time
    return table.validate(frame, lazy=True)
