"""The version of a data set: one file that names all others with their hashes; written last.

version = write_manifest(data, settings, ["builtin:"])["version"]
"""

import hashlib
import json
from collections.abc import Sequence
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
from pipelines.versions.attribution import attribution_paths, write_attribution
from pipelines.versions.code import code_record, package_version
from pipelines.versions.places import Places
from pipelines.versions.record import (
    SCHEMA_VERSION,
    ManifestError,
    content_sha256,
    keep_record,
    read_content,
    read_manifest,
    write_files,
)

__all__ = ["SCHEMA_VERSION", "ManifestError", "count_values", "read_manifest", "write_manifest"]

_HASHES = "manifest_hashes.json"


def write_manifest(
    data: DataFolder, settings: CurationSettings, sources_texts: Sequence[str]
) -> dict[str, Any]:
    """Write the attribution, name every file with its sha256, size and rows, and keep the version's record.

    The content holds no time and no number of workers: the same data set gives the same bytes, and a
    manifest that is already on disk is left alone. `version` is the hash of the list of files; `content` is
    the same for folders whose sources lie elsewhere. Versions that lay here before keep their records.
    """
    places = Places(sources_texts)
    write_attribution(data, places)
    files = _files(data)
    listing = json.dumps([[file["path"], file["sha256"]] for file in files])
    version = hashlib.sha256(listing.encode()).hexdigest()
    inputs = write_files(data, places, version)
    content = {
        "schema_version": SCHEMA_VERSION,
        "version": version,
        "meshloom": package_version("meshloom"),
        "tokenizer": {"name": settings.tokenizer.label, "version": package_version("meshloom-tokenizer")},
        "code": code_record(),
        "sources": [public_uri(text) for text in sources_texts],
        "places": places.names,
        "settings": settings.model_dump(
            mode="json", exclude={"limits": {"workers"}, "fetch": True, "engine": True}
        ),
        "rules": load_preset(settings.preset).model_dump(mode="json"),
        "counts": _counts(data),
        "inputs": {
            "path": inputs.relative_to(data.root).as_posix(),
            "sha256": file_sha256(inputs),
            "rows": n_rows_on_disk(inputs),
        },
        "files": files,
    }
    content["content"] = content_sha256(content, inputs)
    keep_record(data, content)
    if read_content(data.manifest) != content:
        write_json(data.manifest, content)
    return content


def _files(data: DataFolder) -> list[dict[str, Any]]:
    """All files but the manifest, the records of versions and the cache, in order of their path."""
    tables = [*data.tables.rglob("*.parquet"), *(data.root / "geometry").rglob("*.parquet")]
    index = index_path(data)
    samples = dict(pl.read_parquet(index)["shard_file"].value_counts().iter_rows()) if index.exists() else {}
    shards = [*([index] if index.exists() else []), *(data.shards / name for name in samples)]
    everything = [*tables, *shards, *attribution_paths(data)]
    paths = sorted((path.relative_to(data.root).as_posix(), path) for path in everything)
    hashes = _hashes(data, paths)
    return [
        {
            "path": name,
            "sha256": hashes[name],
            "rows": _n_rows(path, samples),
            "bytes": path.stat().st_size,
        }
        for name, path in paths
    ]


def _n_rows(path: Path, samples: dict[str, int]) -> int | None:
    """Rows of a table, samples of a tar; None of a text."""
    if path.suffix == ".tar":
        return samples[path.name]
    return n_rows_on_disk(path) if path.suffix == ".parquet" else None


def _hashes(data: DataFolder, paths: list[tuple[str, Path]]) -> dict[str, str]:
    """sha256 of each file; those of unchanged size and times are remembered from the last run."""
    remembered = read_content(data.cache / _HASHES) or {}
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
