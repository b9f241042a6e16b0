"""What every table is built on, and what is asked of a table's schema."""

from collections.abc import Callable
from functools import cache
from typing import Any

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
    return dict(_schema(table))


def validate(table: type[Table], frame: pl.DataFrame) -> pl.DataFrame:
    """Check types and values of `frame` against `table`.

    Raises pandera.errors.SchemaErrors with every failure.
    """
    if list(frame.schema.items()) == list(_schema(table).items()) and quickly_holds(table, frame):
        return frame
    return table.validate(frame, lazy=True)


@cache
def _schema(table: type[Table]) -> dict[str, pl.DataType]:
    return {name: column.dtype.type for name, column in table.to_schema().columns.items()}


def _is_as_long(
    column: pl.Expr, min_value: int | None, max_value: int | None, exact_value: int | None
) -> pl.Expr:
    length = column.str.len_chars()
    limits = [
        *([] if min_value is None else [length >= min_value]),
        *([] if max_value is None else [length <= max_value]),
        *([] if exact_value is None else [length == exact_value]),
    ]
    return pl.all_horizontal(limits)


_CONDITIONS: dict[str, Callable[..., pl.Expr]] = {
    "isin": lambda column, allowed_values: column.is_in(list(allowed_values)),
    "greater_than": lambda column, min_value: column > min_value,
    "greater_than_or_equal_to": lambda column, min_value: column >= min_value,
    "less_than_or_equal_to": lambda column, max_value: column <= max_value,
    "str_length": _is_as_long,
}
"""What pandera's checks of these names ask of a value that is not null."""


def quickly_holds(table: type[Table], frame: pl.DataFrame) -> bool:
    """Whether all values are as they should be, asked of polars in one query.

    pandera asks for each column and check on its own, 60 ms a table; it gets the last word, and says what is
    wrong, where the answer is no or a check is one that is not known here.
    """
    conditions = _conditions(table)
    return conditions is not None and bool(frame.select(conditions).item())


@cache
def _conditions(table: type[Table]) -> pl.Expr | None:
    """All that `table` asks of its values as one expression; None where a check has none."""
    asked = [pl.lit(True)]
    schema: Any = table.to_schema()
    if schema.checks or schema.unique:
        return None
    for name, about in schema.columns.items():
        column = pl.col(name)
        if not about.nullable:
            asked.append(column.is_not_null().all())
            if about.dtype.type.is_float():
                asked.append(column.is_not_nan().all())  # pandera takes it for null
        if about.unique:
            asked.append(column.n_unique() == pl.len())
        for check in about.checks:
            condition = _CONDITIONS.get(check.name)
            if condition is None or check.element_wise or not check.ignore_na:
                return None
            asked.append(condition(column, **check.statistics).all())
    return pl.all_horizontal(asked)
