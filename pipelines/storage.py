"""The folder of one data set, and how anything gets into it.

Everything is written under a temporary name in the same folder and renamed, so that a killed process
never leaves half a file under a final name. A table carries the fingerprint of what it was made from;
a stage whose fingerprint is already on disk has nothing to do.

    DIR/tables/<stage>/<source>/<shard>.parquet       what a stage kept of one partition
    DIR/tables/rejected/<stage>/<source>/<shard>.parquet   what it rejected, and why
    DIR/tables/ledger/<source>/<shard>.parquet        one row per input file, kept or rejected
    DIR/tables/duplicate_pairs.parquet                pairs of meshes that were compared, of all partitions
    DIR/geometry/<source>/<shard>.parquet             triangles as loaded (mesh_table) and cleaned (tokens)
    DIR/shards/*.tar, DIR/shards/index.parquet        WebDataset shards, and where each sample lies in them
    DIR/shards/ATTRIBUTION.md, DIR/shards/attribution.parquet   whom the meshes are owed to
    DIR/versions/<version>.json, .parquet             every version there was: its manifest, its input files
    DIR/manifest.json                                 the version: every file with its sha256; written last
    DIR/store/                                        bytes that sources fetched, by their sha256
    DIR/cache/                                        may be deleted at any time
"""

import errno
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

FINGERPRINT_KEY = "meshloom.fingerprint"
METADATA_ROWS_PER_GROUP = 65_536
ARRAY_ROWS_PER_GROUP = 512
DISK_ERRNO = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""What the system says where a disk takes no more: no fault of any mesh, and of no host."""


@dataclass(frozen=True, order=True)
class ShardKey:
    """One partition: a shard of one source, for example objaverse 000-001 or shapenet 04379243."""

    source: str
    shard: str

    def __str__(self) -> str:
        return f"{self.source}:{self.shard}"

    @classmethod
    def parse(cls, text: str) -> "ShardKey":
        """Read back what `str` gives."""
        source, _, shard = text.partition(":")
        return cls(source, shard)


@dataclass(frozen=True)
class DataFolder:
    """Paths of one data set; creates nothing by itself."""

    root: Path

    @property
    def tables(self) -> Path:
        """Folder of all tables."""
        return self.root / "tables"

    @property
    def shards(self) -> Path:
        """Folder of the WebDataset shards and their index."""
        return self.root / "shards"

    @property
    def manifest(self) -> Path:
        """The file that is the data set's version."""
        return self.root / "manifest.json"

    @property
    def versions(self) -> Path:
        """Folder of the records of all versions."""
        return self.root / "versions"

    @property
    def store(self) -> Path:
        """Bytes that were fetched, by their sha256, unless the settings name another folder."""
        return self.root / "store"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self.root / "cache"

    def table(self, stage: str, key: ShardKey) -> Path:
        """Rows that `stage` kept of one partition."""
        return self.tables / stage / key.source / f"{key.shard}.parquet"

    def rejected(self, stage: str, key: ShardKey) -> Path:
        """Rows that `stage` rejected of one partition."""
        return self.tables / "rejected" / stage / key.source / f"{key.shard}.parquet"

    def geometry(self, key: ShardKey) -> Path:
        """Triangles as loaded, one row per row of mesh_table."""
        return self.root / "geometry" / key.source / f"{key.shard}.parquet"

    @property
    def duplicate_pairs(self) -> Path:
        """Pairs of meshes that were compared, over all partitions."""
        return self.tables / "duplicate_pairs.parquet"

    def partitions(self, stage: str) -> list[ShardKey]:
        """Partitions of `stage` that are on disk, in order."""
        folder = self.tables / stage
        return sorted(ShardKey(path.parent.name, path.stem) for path in folder.glob("*/*.parquet"))

    def scan(self, stage: str) -> pl.LazyFrame:
        """All partitions of a stage's table as one lazy frame.

        Raises FileNotFoundError where the stage has not run.
        """
        paths = [self.table(stage, key) for key in self.partitions(stage)]
        if not paths:
            raise FileNotFoundError(f"{self.tables / stage} holds no table; run `meshloom curate` first")
        return pl.scan_parquet(paths)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as sorted, indented JSON, atomically."""
    write_bytes(path, (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def write_table(
    path: Path, frame: pl.DataFrame, fingerprint: str = "", rows_per_group: int = METADATA_ROWS_PER_GROUP
) -> None:
    """Write `frame` as Parquet (zstd, statistics on), atomically, with the fingerprint in its metadata."""
    # in memory first: what polars raises where a disk is full does not say so
    content = io.BytesIO()
    frame.write_parquet(
        content,
        compression="zstd",
        statistics=True,
        row_group_size=rows_per_group,
        metadata={FINGERPRINT_KEY: fingerprint},
    )
    write_bytes(path, content.getvalue())


def table_fingerprint(path: Path) -> str | None:
    """Fingerprint of a table on disk; None where it is absent or unreadable."""
    try:
        return pl.read_parquet_metadata(path).get(FINGERPRINT_KEY)
    except (OSError, pl.exceptions.PolarsError):
        return None


def fingerprint(stage: str, version: int, settings: Mapping[str, Any], inputs: list[Path]) -> str:
    """Name of a result: the stage, its version, its settings, and the bytes of its inputs."""
    digest = hashlib.sha256(json.dumps([stage, version, settings], sort_keys=True, default=str).encode())
    for path in inputs:
        digest.update(file_sha256(path).encode())
    return digest.hexdigest()


def rows_sha256(frame: pl.DataFrame, before: bytes = b"") -> str:
    """Hash of some bytes and then of a table's rows in their order, as hex; no column may be a list."""
    digest = hashlib.sha256(before)
    for piece in frame.iter_slices(METADATA_ROWS_PER_GROUP):
        digest.update(piece.write_csv(include_header=False).encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
