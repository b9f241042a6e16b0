"""sha256 of files, remembered together with size and times, so that unchanged files are not read twice."""

import hashlib
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import tokenizer_rs

from pipelines.reasons import Reason
from pipelines.sources.files import UnreadableFileError, file_uri, hash_regular, read_regular
from pipelines.storage import write_table
from pipelines.worker_process import Failed

SCHEMA: dict[str, Any] = {
    "uri": pl.String,
    "size_bytes": pl.Int64,
    "modified_ns": pl.Int64,
    "changed_ns": pl.Int64,
    "sha256": pl.String,
    "side_paths": pl.List(pl.String),
}


@dataclass(frozen=True)
class Entry:
    """What is known of one file; `sha256` is None where it is too large to be read."""

    uri: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    sha256: str | None
    side_paths: list[str]
    """Side files that a .gltf names, relative to its folder and within it."""

    def is_of(self, status: os.stat_result, is_hashed: bool) -> bool:
        """Whether the file looks the same as when the entry was made."""
        return (self.size_bytes, self.modified_ns, self.changed_ns, self.sha256 is not None) == (
            status.st_size,
            _storable(status.st_mtime_ns),
            _storable(status.st_ctime_ns),
            is_hashed,
        )


class FileHashes:
    """Hashes of the files of one partition."""

    def __init__(self, cache: Path):
        self.cache = cache
        self.remembered = _load(cache)
        self.entries: dict[str, Entry] = {}
        self.failures: dict[str, Failed] = {}

    def update(self, paths: Iterable[Path | None], size_limit: int, n_threads: int) -> None:
        """Hash what changed among `paths`, and their side files, in threads; larger files are not read."""
        with ThreadPoolExecutor(n_threads) as threads:
            list(threads.map(lambda path: self._update(path, size_limit), [path for path in paths if path]))
            sides = {
                path
                for entry, folder in ((self._entry(path), path.parent) for path in paths if path)
                for path in _side_paths(entry, folder)
            }
            list(threads.map(lambda path: self._update(path, size_limit), sorted(sides)))

    def of(self, path: Path) -> tuple[int, str | None] | Failed:
        """Size and sha256 of a file, the latter None where it is too large; or why it cannot be read."""
        uri = file_uri(path)
        if uri in self.failures:
            return self.failures[uri]
        entry = self.entries[uri]
        return entry.size_bytes, entry.sha256

    def of_content(self, content: bytes) -> tuple[int, str]:
        """Size and sha256 of bytes that lie in no file."""
        return len(content), hashlib.sha256(content).hexdigest()

    def side_files(self, path: Path) -> dict[str, str | None]:
        """Side files of a file with their hashes, None where one is absent."""
        entry = self._entry(path)
        if entry is None:
            return {}
        hashes = {file_uri(side): self._entry(side) for side in _side_paths(entry, path.parent)}
        return {uri: None if side is None else side.sha256 for uri, side in sorted(hashes.items())}

    def save(self) -> None:
        """Remember everything for the next run, unless nothing changed."""
        if self.entries != self.remembered:
            rows = [asdict(self.entries[uri]) for uri in sorted(self.entries)]
            write_table(self.cache, pl.DataFrame(rows, schema=SCHEMA, orient="row"))

    def _entry(self, path: Path) -> Entry | None:
        return self.entries.get(file_uri(path))

    def _update(self, path: Path, size_limit: int) -> None:
        uri = file_uri(path)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFileError("not a regular file")
            is_hashed = status.st_size <= size_limit
            entry = self.remembered.get(uri)
            if entry is None or not entry.is_of(status, is_hashed):
                sha256 = hash_regular(path) if is_hashed else None
                is_gltf = is_hashed and uri.lower().endswith(".gltf")
                sides = tokenizer_rs.gltf_side_files(read_regular(path)) if is_gltf else []
                times = _storable(status.st_mtime_ns), _storable(status.st_ctime_ns)
                entry = Entry(uri, status.st_size, *times, sha256, sides)
            self.entries[uri] = entry
        except OSError as error:
            text = error.strerror or str(error)
            self.failures[uri] = Failed(Reason.UNREADABLE_FILE, f"{text}; make it a file that can be read")


def _storable(nanoseconds: int) -> int:
    """A time as 64 bits with sign: file systems know years after 2262, which need more."""
    return (nanoseconds + 2**63) % 2**64 - 2**63


def _side_paths(entry: Entry | None, folder: Path) -> list[Path]:
    return [] if entry is None else [folder / path for path in entry.side_paths]


def _load(cache: Path) -> dict[str, Entry]:
    """Entries of the last run; none where the cache is absent or unreadable."""
    try:
        rows = pl.read_parquet(cache, columns=list(SCHEMA))
        return {row["uri"]: Entry(**row) for row in rows.iter_rows(named=True)}
    except (OSError, pl.exceptions.PolarsError):
        return {}
