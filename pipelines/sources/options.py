"""What may follow `?` in the text of a source, and the filter that any source takes.

    hf:allenai/objaverse?lvis=chair,mug&where=face_count<=4000 and licence in ('cc0','by')

`where` is a SQL expression over what a source says of a file without opening it: name, category, licence,
author, format, size_bytes and the fields of `Annotations`. A file for which it is false, or null because the
source does not say, is never fetched, and is a row of the ledger (FILTERED_BEFORE_FETCH).
"""

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import polars as pl

from pipelines.reasons import Reason
from pipelines.sources import Annotations, RawFile, Source, SourceError
from pipelines.tables import RawMeshes, polars_schema

_OF_FILE = ("name", "category", "licence", "author", "format")
COLUMNS = {
    name: polars_schema(RawMeshes)[name] for name in (*_OF_FILE, "size_bytes", *Annotations().columns())
}
"""What a `where` may speak of."""


@dataclass
class Options:
    """Options of a source's text; each is taken once, and what is left over is refused."""

    values: dict[str, str]
    taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> str | None:
        """Value of an option, None where it is not given."""
        self.taken.add(name)
        return self.values.get(name)

    def refuse_others(self) -> None:
        """Raise SourceError for an option that nothing took."""
        others = sorted(set(self.values) - self.taken)
        if others:
            known = ", ".join(sorted(self.taken))
            raise SourceError(f"unknown option {others[0]!r}; it takes {known}")


def split_options(argument: str) -> tuple[str, Options]:
    """Part before `?`, and the options after it (`%20` for a space is possible, not needed)."""
    place, _, query = argument.partition("?")
    values: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals or name in values:
            raise SourceError(f"option {name!r} must be given once, as {name}=VALUE")
        values[name] = unquote(value)
    return place, Options(values)


class FilteredSource:
    """A source whose files must meet a condition before they are fetched."""

    def __init__(self, source: Source, where: str):
        self.source = source
        self.name = source.name
        self.where = where
        try:
            self.condition = pl.sql_expr(where)
            self._holds([])
        except pl.exceptions.PolarsError as error:
            names = ", ".join(COLUMNS)
            raise SourceError(
                f"where={where!r} is no condition ({_first_line(error)}); it may use {names}"
            ) from None

    def shards(self) -> list[str]:
        """Those of the source."""
        return self.source.shards()

    def list_files(self, shard: str) -> list[RawFile]:
        """Files of one partition, those that do not meet the condition with a problem."""
        files = self.source.list_files(shard)
        return [
            file if holds or file.problem is not None else self._refuse(file)
            for file, holds in zip(files, self._holds(files), strict=True)
        ]

    def read_bytes(self, file: RawFile) -> bytes:
        """As the source does."""
        return self.source.read_bytes(file)

    def _holds(self, files: list[RawFile]) -> list[bool]:
        frame = pl.DataFrame([_columns(file) for file in files], schema=COLUMNS, orient="row")
        return frame.select(holds=self.condition.fill_null(False).cast(pl.Boolean))["holds"].to_list()

    def _refuse(self, file: RawFile) -> RawFile:
        problem = f"{self.where!r} does not hold for what its source says of it; change it, or leave it out"
        return replace(file, problem=problem, problem_reason=Reason.FILTERED_BEFORE_FETCH)


def _columns(file: RawFile) -> dict[str, Any]:
    own = {name: getattr(file, name) for name in _OF_FILE}
    size_bytes = file.remote.size_bytes if file.remote else None
    return {**own, "size_bytes": size_bytes, **(file.annotations or Annotations()).columns()}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
