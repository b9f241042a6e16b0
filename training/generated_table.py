"""One row per condition, kept as soon as it is there: OUT/generated.parquet.

While rows come in, each is a line of OUT/generated.jsonl, which a killed run leaves behind and the next one
reads; when all are there they become generated.parquet, the same bytes however often the run was killed.
timings.json has the seconds, which no two runs share.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.storage import write_json, write_table

TABLE_SCHEMA: dict[str, Any] = {
    "name": pl.String,
    "uri": pl.String,
    "status": pl.String,  # Status
    "code": pl.String,  # the tokenizer's, where decoding failed
    "stop_reason": pl.String,  # ended, length, time; null without a condition
    "seed": pl.Int64,  # of this row's random numbers
    "temperature": pl.Float64,
    "text": pl.String,  # said of the mesh; null where nothing was
    "asked_faces": pl.Int64,  # said of the mesh; null where nothing was
    "asked_components": pl.Int64,
    "n_tokens": pl.Int64,  # without the end
    "n_vertices": pl.Int64,
    "n_faces": pl.Int64,
    "file": pl.String,  # GLB below the folder; null where nothing decoded
    "tokens": pl.List(pl.Int32),
    "fingerprint": pl.String,  # of weights, condition and settings
}


class GeneratedTable:
    """The rows of a folder by their fingerprints: those of earlier runs, and those that are appended.

    `rows` has those whose GLB is still there; what it holds of each is little more than its tokens.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._journal = out, out / "generated.jsonl"
        self._seconds: dict[str, float] = {}
        timings = out / "timings.json"
        if timings.is_file():
            self._seconds = json.loads(timings.read_text())
        self.rows = {
            row["fingerprint"]: _packed(row)
            for row in chain(self._of_table(), self._of_journal())
            if row["file"] is None or (out / row["file"]).is_file()
        }

    def append(self, row: dict[str, Any], seconds: dict[str, float]) -> None:
        """Keep a row, and the seconds of its GLB, in a line on disk. The GLB must be there."""
        row = {name: row.get(name) for name in TABLE_SCHEMA}
        line = json.dumps({**row, "seconds": seconds}, separators=(",", ":"))
        with self._journal.open("ab") as journal:
            # What a killed run wrote of a line ends where the next one begins.
            journal.write((b"\n" if journal.tell() else b"") + line.encode())
        self.rows[row["fingerprint"]] = _packed(row)
        self._seconds |= seconds

    def finish(self, fingerprints: Sequence[str]) -> pl.DataFrame:
        """Write these rows, in this order, as generated.parquet; the lines they came in are removed."""
        frame = pl.DataFrame([self.rows[key] for key in fingerprints], schema=TABLE_SCHEMA)
        write_table(self._out / "generated.parquet", frame)
        write_json(self._out / "timings.json", dict(sorted(self._seconds.items())))
        self._journal.unlink(missing_ok=True)
        return frame

    def _of_table(self) -> Iterator[dict[str, Any]]:
        path = self._out / "generated.parquet"
        if not path.is_file():
            return
        frame = pl.read_parquet(path)
        if dict(frame.schema) == TABLE_SCHEMA:
            yield from frame.iter_rows(named=True)

    def _of_journal(self) -> Iterator[dict[str, Any]]:
        if not self._journal.is_file():
            return
        with self._journal.open("rb") as journal:
            for line in journal:
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # the run was killed while it wrote this line
                if not isinstance(row, dict) or set(row) != {*TABLE_SCHEMA, "seconds"}:
                    continue  # of another version
                self._seconds |= row.pop("seconds")
                yield row


def _packed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its tokens as an array: a list of thousands of integers takes ten times the memory."""
    tokens = row["tokens"]
    return {**row, "tokens": None if tokens is None else np.array(tokens, dtype=np.int32)}


def file_names(identities: Sequence[tuple[str, str]]) -> list[str]:
    """GLB names that any file system takes, unique whatever the (name, uri) are."""
    names = []
    plain = [re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "mesh" for name, _ in identities]
    folded = [name.casefold() for name in plain]
    for (name, uri), safe, key in zip(identities, plain, folded, strict=True):
        is_unique = safe == name and folded.count(key) == 1
        mark = "" if is_unique else "-" + hashlib.sha256(f"{name}\0{uri}".encode()).hexdigest()[:8]
        names.append(f"{safe}{mark}.glb")
    return names
