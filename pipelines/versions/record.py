"""The record of a version: its manifest, and a table of its input files. -> versions/<version>.json, .parquet

record = find_record("data")             # the version that lies in a folder
record = find_record("data/versions/0123….json")
record = find_record("0123", Path("data"))
record.content["settings"], record.files
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.ledger import LEDGER
from pipelines.reasons import Stage
from pipelines.stages.partitions import is_current
from pipelines.storage import DataFolder, file_sha256, fingerprint, rows_sha256, write_json, write_table
from pipelines.tables import VersionFiles, polars_schema, validate
from pipelines.versions.places import Places

SCHEMA_VERSION = 2
"""Of the tables and of the manifest; a reader that knows another must refuse."""
FILES_VERSION = 1
SHORT_LENGTH = 16
"""Characters of a version that are shown where the whole would be in the way."""
_VERSION = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{6,64}")
_FILES_PATH = re.compile(r"versions/[0-9a-f]{64}\.parquet")


class ManifestError(RuntimeError):
    """A manifest or version record that is absent, damaged, or of an incompatible version."""


@dataclass(frozen=True)
class VersionRecord:
    """One version of a data set."""

    content: dict[str, Any]
    """The manifest."""
    files: pl.DataFrame
    """VersionFiles, in order of their place."""
    table: Path
    """Where `files` lie."""

    @property
    def version(self) -> str:
        """Hash of the list of the data set's files."""
        return str(self.content["version"])

    @property
    def short(self) -> str:
        """The version as people read it."""
        return self.version[:SHORT_LENGTH]


def write_files(data: DataFolder, places: Places, version: str) -> Path:
    """Write the table of a version's input files, unless it lies there already; returns its path."""
    path = data.versions / f"{version}.parquet"
    name = fingerprint("version", FILES_VERSION, {"version": version, "places": places.prefixes}, [])
    if not is_current(name, [path]):
        write_table(path, validate(VersionFiles, _files(data, places)), name)
    return path


def _files(data: DataFolder, places: Places) -> pl.DataFrame:
    ledger = data.scan(LEDGER).select("uri", "mesh_id", "sha256", "status", "stage", "reason")
    raw = data.scan(Stage.RAW_MESHES).select("uri", "licence", "author")
    split = data.scan(Stage.CURATED).select("uri", "split")
    joined = ledger.join(raw, on="uri", how="left").join(split, on="uri", how="left")
    frame = joined.select(list(polars_schema(VersionFiles))).collect()
    return frame.with_columns(places.expression()).sort("uri")


def content_sha256(content: dict[str, Any], files: Path) -> str:
    """Hash of what a version holds wherever its files lie: inputs, outcomes, settings and stages.

    Two folders of one content have different versions where the sources lie at other paths, since the tables
    name files by their whole path.
    """
    settings = {name: value for name, value in content["settings"].items() if name != "preset"}
    rules = {name: value for name, value in content["rules"].items() if name not in {"name", "description"}}
    decided = [settings, rules, content["tokenizer"], content["code"]["stages"]]
    return rows_sha256(pl.read_parquet(files), json.dumps(decided, sort_keys=True).encode())


def keep_record(data: DataFolder, content: dict[str, Any]) -> None:
    """Write the manifest of a version where it stays when the data set is rebuilt."""
    path = data.versions / f"{content['version']}.json"
    if read_content(path) != content:
        write_json(path, content)


def read_content(path: Path) -> dict[str, Any] | None:
    """A manifest as it lies on disk; None where it is absent or unreadable."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_manifest(data: DataFolder) -> dict[str, Any]:
    """Content of the manifest.

    Raises ManifestError where it is absent, unreadable, or of another schema version.
    """
    return _checked(data.manifest, "run `meshloom curate` first")


def read_record(path: Path) -> VersionRecord:
    """A version record by its JSON file, with the table that lies beside it or in `versions`.

    Raises ManifestError where one is absent, damaged, or does not belong to the other.
    """
    content = _checked(path, "give a folder of a data set, or versions/<version>.json")
    version, named = content.get("version"), content.get("inputs")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ManifestError(f"{path} names no version; it is no manifest of a data set")
    if not isinstance(named, dict) or not _FILES_PATH.fullmatch(str(named.get("path"))):
        raise ManifestError(f"{path} was written before versions were kept; curate its data set again")
    # by the version, not by the path in the file: a stranger's record must not name a file of this machine
    found = [path.parent / f"{version}.parquet", path.parent / "versions" / f"{version}.parquet"]
    table = next((candidate for candidate in found if candidate.is_file()), None)
    if table is None:
        raise ManifestError(f"{path} has no {version}.parquet beside it; copy both files of a version")
    if file_sha256(table) != named.get("sha256"):
        raise ManifestError(f"{table} is not the table that {path} was written with; copy both again")
    return VersionRecord(content, validate(VersionFiles, pl.read_parquet(table)), table)


def find_record(reference: str | Path, data: Path | None = None) -> VersionRecord:
    """A version by its folder, its file, or the beginning of its id in the data set `data`.

    Raises ManifestError where there is none, or several begin like this.
    """
    path = Path(reference)
    if path.is_dir():
        return read_record(DataFolder(path).manifest)
    if path.is_file():
        return read_record(path)
    if data is None or not _PREFIX.fullmatch(str(reference)):
        raise ManifestError(
            f"{reference} is no folder and no file; a version id needs 6 characters or more and `--data DIR`"
        )
    found = [path for path in known_versions(DataFolder(data)) if path.stem.startswith(str(reference))]
    if len(found) != 1:
        there = ", ".join(path.stem[:SHORT_LENGTH] for path in found or known_versions(DataFolder(data)))
        what = "several versions begin" if found else "no version begins"
        raise ManifestError(f"{data}: {what} with {reference}; there are {there or 'none'}")
    return read_record(found[0])


def known_versions(data: DataFolder) -> list[Path]:
    """Records of all versions that ever lay in a folder, in order of their ids."""
    return sorted(path for path in data.versions.glob("*.json") if _VERSION.fullmatch(path.stem))


def differing(before: Any, after: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted names of what two configurations do not share, each with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            inner = f"{name}.{key}" if name else str(key)
            yield from differing(before.get(key), after.get(key), inner)
    elif before != after:
        yield name, before, after


def _checked(path: Path, remedy: str) -> dict[str, Any]:
    content = read_content(path)
    if content is None:
        raise ManifestError(f"{path} is absent or unreadable; {remedy}")
    if content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version")
        raise ManifestError(f"{path} has schema version {found}, not {SCHEMA_VERSION}; curate it again")
    return content
