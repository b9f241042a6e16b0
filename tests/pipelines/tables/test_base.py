"""The quick answer to whether a table's values are as they should be, against pandera's own."""

import math
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

import pipelines.tables
from pipelines.tables.base import Table, polars_schema, quickly_holds, validate


class Everything(Table):
    """A column for each kind of check that the tables use."""

    name: pl.String = pa.Field(unique=True)
    kind: pl.String = pa.Field(isin=["a", "b"], nullable=True)
    digest: pl.String = pa.Field(str_length={"min_value": 1, "max_value": 2})
    count: pl.Int64 = pa.Field(ge=0)
    ratio: pl.Float64 = pa.Field(gt=0)
    share: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)


class OfUnknownCheck(Table):
    """A check that the quick answer knows nothing of."""

    name: pl.String = pa.Field(str_startswith="mesh")


GOOD = {"name": "x", "kind": "a", "digest": "ab", "count": 0, "ratio": 0.5, "share": 1.0}
VALUES: dict[str, list[Any]] = {
    "name": ["x", "y", None],
    "kind": ["a", "c", None],
    "digest": ["", "ä", "abc", None],
    "count": [-1, 0, None],
    "ratio": [0.0, 0.1, math.nan, math.inf, None],
    "share": [0.0, 1.0, -0.1, 1.1, math.nan, None],
}
TABLES = [
    table
    for table in vars(pipelines.tables).values()
    if isinstance(table, type) and issubclass(table, Table) and table is not Table
]


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=polars_schema(Everything), orient="row")


def pandera_accepts(frame: pl.DataFrame) -> bool:
    try:
        Everything.validate(frame, lazy=True)
    except SchemaErrors:
        return False
    return True


@given(
    st.lists(st.fixed_dictionaries({name: st.sampled_from(of) for name, of in VALUES.items()}), max_size=3)
)
def test_the_quick_answer_is_pandera_s(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    assert quickly_holds(Everything, frame) == pandera_accepts(frame)


@pytest.mark.parametrize(
    ("column", "value"),
    [(name, value) for name, values in VALUES.items() for value in values],
)
def test_each_value_alone(column: str, value: Any) -> None:
    frame = frame_of([GOOD, {**GOOD, "name": "y", column: value}])
    assert quickly_holds(Everything, frame) == pandera_accepts(frame)


def test_every_failure_is_named() -> None:
    wrong = frame_of([{**GOOD, "kind": "c"}, {**GOOD, "count": -1}])
    with pytest.raises(SchemaErrors) as raised:
        validate(Everything, wrong)
    assert {row["column"] for row in raised.value.failure_cases.to_dicts()} == {"name", "kind", "count"}


@pytest.mark.parametrize("wrong", ["order", "type", "missing", "more"])
def test_columns_must_be_exactly_those(wrong: str) -> None:
    frame = frame_of([GOOD])
    changed = {
        "order": frame.select(reversed(frame.columns)),
        "type": frame.cast({"count": pl.Int32}),
        "missing": frame.drop("share"),
        "more": frame.with_columns(extra=1),
    }[wrong]
    with pytest.raises(SchemaErrors):
        validate(Everything, changed)


def test_pandera_decides_what_is_not_known() -> None:
    assert quickly_holds(OfUnknownCheck, pl.DataFrame({"name": ["mesh"]})) is False
    assert validate(OfUnknownCheck, pl.DataFrame({"name": ["mesh"]})).height == 1
    with pytest.raises(SchemaErrors):
        validate(OfUnknownCheck, pl.DataFrame({"name": ["other"]}))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_table_has_a_quick_answer(table: type[Table]) -> None:
    empty = pl.DataFrame(schema=polars_schema(table))
    assert quickly_holds(table, empty)
