"""Which code made a version: what decides its bytes, and a hash of the sources that ran.

`stages` and `packages` decide the bytes: a stage whose output changes raises its VERSION, and the tokenizer's
wheel carries its own. `sources` is the sha256 over the name and sha256 of every Python file of `pipelines`,
as installed: it moves where a comment does too, and where it does not, the code is the same for certain.
"""

import functools
import hashlib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from pipelines import ledger
from pipelines.stages import (
    curated,
    descriptors,
    duplicates,
    mesh_table,
    quality,
    raw_meshes,
    shards,
    tokens,
)
from pipelines.storage import file_sha256

PACKAGES = ("meshloom-tokenizer", "numpy", "polars", "pyarrow", "pymeshlab", "webdataset")
"""Distributions whose version may move a byte of a table or a shard."""
_STAGES = (raw_meshes, mesh_table, quality, tokens, descriptors, duplicates, curated, ledger, shards)


def code_record() -> dict[str, Any]:
    """`stages`, `packages` and `sources`, as the version record holds them."""
    return {
        "stages": stage_versions(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "sources": _sources_sha256(Path(__file__).parents[1]),
    }


def stage_versions() -> dict[str, int]:
    """VERSION of every stage, by its name."""
    return {module.__name__.rpartition(".")[2]: module.VERSION for module in _STAGES}


def package_version(distribution: str) -> str:
    """Version of an installed distribution, `unknown` where it is not one."""
    try:
        return installed_version(distribution)
    except PackageNotFoundError:
        return "unknown"


@functools.cache
def _sources_sha256(package: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
