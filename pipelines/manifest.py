"""The version of a data set: one file that names all others with their hashes; written last.

version = write_manifest(data, settings, ["builtin:"])["version"]
"""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.credentials import public_uri
from pipelines.ledger import LEDGER
from pipelines.reasons import Stage
from pipelines.rules import load_preset
from pipelines.settings import CurationSettings
from pipelines.stages.partitions import n_rows_on_disk
from pipelines.stages.shards import index_path
from pipelines.storage import DataFolder, file_sha256, write_bytes, write_json

SCHEMA_VERSION = 2
"""Of the tables and of this file; a reader that knows another must refuse."""
_HASHES = "manifest_hashes.json"


class ManifestError(RuntimeError):
    """A manifest that is absent or was written by an incompatible version."""


def write_manifest(
    data: DataFolder, settings: CurationSettings, sources_texts: Sequence[str]
) -> dict[str, Any]:
    """Name every file of the data set with its sha256, size and rows, and count what it holds.

    The content holds no time and no number of workers: the same data set gives the same bytes, and a
    manifest that is already on disk is left alone. `version` is the hash of the list of files.
    """
    files = _files(data)
    listing = json.dumps([[file["path"], file["sha256"]] for file in files])
    content = {
        "schema_version": SCHEMA_VERSION,
        "version": hashlib.sha256(listing.encode()).hexdigest(),
        "meshloom": _version("meshloom"),
        "tokenizer": {"name": settings.tokenizer.label, "version": _version("meshloom-tokenizer")},
        "sources": [public_uri(text) for text in sources_texts],
        "settings": settings.model_dump(mode="json", exclude={"limits": {"workers"}, "fetch": True}),
        "rules": load_preset(settings.preset).model_dump(mode="json"),
        "counts": _counts(data),
        "files": files,
    }
    if _read(data.manifest) != content:
        write_json(data.manifest, content)
    return content


def read_manifest(data: DataFolder) -> dict[str, Any]:
    """Content of the manifest.

    Raises ManifestError where it is absent, unreadable, or of another schema version.
    """
    content = _read(data.manifest)
    if content is None:
        raise ManifestError(f"{data.manifest} is absent or unreadable; run `meshloom curate` first")
    if content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version")
        raise ManifestError(
            f"{data.manifest} has schema version {found}, not {SCHEMA_VERSION}; curate it again"
        )
    return content


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _files(data: DataFolder) -> list[dict[str, Any]]:
    """All files but the manifest and the cache, in order of their path."""
    tables = [*data.tables.rglob("*.parquet"), *(data.root / "geometry").rglob("*.parquet")]
    index = index_path(data)
    samples = dict(pl.read_parquet(index)["shard_file"].value_counts().iter_rows()) if index.exists() else {}
    shards = [*([index] if index.exists() else []), *(data.shards / name for name in samples)]
    paths = sorted((path.relative_to(data.root).as_posix(), path) for path in [*tables, *shards])
    hashes = _hashes(data, paths)
    return [
        {
            "path": name,
            "sha256": hashes[name],
            "rows": samples[path.name] if path.suffix == ".tar" else n_rows_on_disk(path),
            "bytes": path.stat().st_size,
        }
        for name, path in paths
    ]


def _hashes(data: DataFolder, paths: list[tuple[str, Path]]) -> dict[str, str]:
    """sha256 of each file; those of unchanged size and times are remembered from the last run."""
    remembered = _read(data.cache / _HASHES) or {}
    known: dict[str, dict[str, Any]] = {}
    for name, path in paths:
        status = path.stat()
        seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        entry = remembered.get(name, {})
        sha256 = entry["sha256"] if entry.get("seen") == seen else file_sha256(path)
        known[name] = {"seen": seen, "sha256": sha256}
    if known != remembered:
        write_bytes(data.cache / _HASHES, json.dumps(known).encode())
    return {name: entry["sha256"] for name, entry in known.items()}


def _counts(data: DataFolder) -> dict[str, Any]:
    """Rows by status, reason, split and licence."""
    ledger = data.scan(LEDGER).select("status", "reason").collect()
    curated = data.scan(Stage.CURATED).select("split", "licence").collect()
    return {
        "files": ledger.height,
        "status": count_values(ledger["status"]),
        "reasons": count_values(ledger["reason"].drop_nulls()),
        "splits": count_values(curated["split"]),
        "licences": count_values(curated["licence"].fill_null("not stated")),
    }


def count_values(values: pl.Series) -> dict[str, int]:
    """How often each value occurs, in order of the values."""
    return dict(sorted(values.value_counts().iter_rows()))


def _version(distribution: str) -> str:
    try:
        return installed_version(distribution)
    except PackageNotFoundError:
        return "unknown"
