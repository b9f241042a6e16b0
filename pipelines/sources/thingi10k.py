"""Thingi10K: `thingi10k:PATH`, the unpacked raw archive.

    raw_meshes/<file id>.<ext>       a shard is a bucket of ids
    metadata/*.csv                   any table with the columns ID (or file_id), and License, Author, Category

A file's licence is that of its thing, as the tables state it.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.sources import SourceError
from pipelines.sources.files import READABLE_FORMATS, extension
from pipelines.sources.layouts import Model, bucket

_IDS = ("file_id", "fileid", "id")


class Thingi10K:
    """Layout of Thingi10K."""

    name = "thingi10k"
    expected = "raw_meshes/<file id>.stl"

    def models(self, root: Path) -> Iterator[Model]:
        """The files below raw_meshes."""
        known = _read_tables([*root.glob("*.csv"), *root.glob("metadata/*.csv")])
        for path in root.glob("raw_meshes/*"):
            if extension(path.name) not in READABLE_FORMATS:
                continue
            row = known.get(path.stem, {})
            yield Model(
                path,
                path.stem,
                bucket(path.stem),
                row.get("name") or path.stem,
                row.get("category"),
                row.get("license"),
                row.get("author"),
            )


def _read_tables(paths: list[Path]) -> dict[str, dict[str, str]]:
    """What the tables say of each file id, by lower-case column."""
    known: dict[str, dict[str, str]] = {}
    for path in sorted(paths):
        try:
            frame = pl.read_csv(path, infer_schema=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{path} is damaged ({str(error).splitlines()[0]}); unpack it again") from None
        frame = frame.rename({name: name.strip().lower() for name in frame.columns})
        identity = next((name for name in _IDS if name in frame.columns), None)
        if identity is None:
            continue
        for row in frame.iter_rows(named=True):
            known.setdefault(str(row[identity]), {}).update({k: v for k, v in row.items() if v})
    return known
