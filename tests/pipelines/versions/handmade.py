"""Version records without a data set."""

import copy
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.storage import file_sha256, write_json, write_table
from pipelines.tables import VersionFiles, polars_schema, validate
from pipelines.versions.record import SCHEMA_VERSION, VersionRecord, read_record

CONTENT: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "content": "",
    "tokenizer": {"name": "silksong/block_offset/128/extended", "version": "0.1.0"},
    "code": {"stages": {"tokens": 2, "curated": 2}, "packages": {"polars": "2.1.0"}, "sources": "00"},
    "places": ["local:meshes"],
    "sources": ["local:/home/somebody/meshes"],
    "settings": {
        "tokenizer": {"name": "silksong", "resolution": 128},
        "preset": "silksong-v11",
        "licences": None,
        "faces_limit": 16000,
        "limits": {"seconds_per_item": 60.0},
    },
    "rules": {"name": "silksong-v11", "description": "", "rules": [{"keep": "n_faces >= 40"}]},
    "counts": {},
    "files": [],
}


def changed(**parts: Any) -> dict[str, Any]:
    """CONTENT with dotted names set: `changed(**{"settings.licences": ["by"]})`."""
    content = copy.deepcopy(CONTENT)
    for name, value in parts.items():
        *folders, last = name.split(".")
        inner = content
        for folder in folders:
            inner = inner[folder]
        inner[last] = value
    return content


def file_row(uri: str, sha256: str = "aa", end: str = "kept", **columns: Any) -> dict[str, Any]:
    """A row of VersionFiles; `end` is kept, or stage/REASON."""
    stage, _, reason = end.partition("/")
    is_kept = end == "kept"
    row = {
        "mesh_id": f"id-{uri}",
        "status": "kept" if is_kept else "rejected",
        "stage": None if is_kept else stage,
        "reason": None if is_kept else reason,
        "split": "train" if is_kept else None,
        "licence": None,
        "author": None,
    }
    return {"uri": uri, "sha256": sha256, **row, **columns}


def write_record(
    folder: Path, rows: list[dict[str, Any]], content: dict[str, Any] | None = None, version: str = "0" * 64
) -> VersionRecord:
    """Write both files of a record and read them back."""
    frame = pl.DataFrame(rows, schema=polars_schema(VersionFiles)).sort("uri")
    table = folder / f"{version}.parquet"
    write_table(table, validate(VersionFiles, frame))
    inputs = {"path": f"versions/{version}.parquet", "sha256": file_sha256(table), "rows": len(rows)}
    write_json(folder / f"{version}.json", {**(content or CONTENT), "version": version, "inputs": inputs})
    return read_record(folder / f"{version}.json")
