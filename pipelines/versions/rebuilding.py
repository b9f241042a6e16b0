"""A version made again from its record and the files it names; what is gone or modified is said first.

    report = rebuild(find_record("published/0123….json"), Path("again"), ["local:/where/it/is/now"])
    print("\\n".join(report.lines()))

Files that came since are left out, so that a folder that grew gives the old version too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import ValidationError

from pipelines.curation import curate_parsed, exclusive, remove_leftovers
from pipelines.reasons import Stage
from pipelines.rules import PresetError, load_preset
from pipelines.settings import CurationSettings
from pipelines.sources import RawFile, Source, parse_sources
from pipelines.stages import Progress, no_progress
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.storage import DataFolder, ShardKey, write_bytes
from pipelines.versions.code import code_record
from pipelines.versions.difference import VersionDifference, compare
from pipelines.versions.places import Places
from pipelines.versions.record import VersionRecord, differing, find_record
from pipelines.visible import visible

_NAMED_AT_MOST = 20
_PRESET_NAME = re.compile(r"\w[\w.-]{0,99}")


class RebuildError(RuntimeError):
    """A version that cannot be made again: what is missing, and what to do."""


@dataclass(frozen=True)
class MissingInputs:
    """Input files of a version that are no longer what they were, by their place."""

    gone: tuple[str, ...]
    modified: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.gone or self.modified)

    def lines(self) -> Iterator[str]:
        """One line a file, up to a limit."""
        for what, uris in (("gone", self.gone), ("modified", self.modified)):
            yield from (f"{what}: {visible(uri)}" for uri in uris[:_NAMED_AT_MOST])
            if len(uris) > _NAMED_AT_MOST:
                yield f"{what}: and {len(uris) - _NAMED_AT_MOST:,} more"


@dataclass(frozen=True)
class RebuildReport:
    """What came of it."""

    wanted: VersionRecord
    made: VersionRecord
    missing: MissingInputs

    @property
    def is_equal(self) -> bool:
        """Every byte is that of the version."""
        return self.made.version == self.wanted.version

    @property
    def is_same_content(self) -> bool:
        """The same files came to the same end by the same settings; true also where sources have moved."""
        return bool(self.made.content["content"] == self.wanted.content.get("content"))

    @property
    def difference(self) -> VersionDifference:
        """What is not as it was."""
        return compare(self.wanted, self.made)

    def lines(self) -> Iterator[str]:
        """The report as text for a terminal."""
        yield from self.missing.lines()
        if self.is_equal:
            yield f"equal: version {self.made.version}"
        elif self.is_same_content:
            yield f"the same content as {self.wanted.version}"
            yield f"version {self.made.version}: its sources lie at other paths, and tables name paths"
        else:
            yield f"not equal: version {self.made.version}, not {self.wanted.version}"
            yield from self.difference.lines()


def rebuild(
    record: VersionRecord,
    out: Path,
    sources: Sequence[str] | None = None,
    partial: bool = False,
    workers: int = 0,
    progress: Progress = no_progress,
) -> RebuildReport:
    """Make `out` the version of `record`; from `sources` where they are given, in the record's order.

    Raises RebuildError, before any mesh is read, where files are gone or modified; with `partial` the rest is
    made without them. Raises what `curate` raises.
    """
    texts = _source_texts(record, sources)
    settings = _settings(record, out, workers)
    places = Places(texts)
    wanted = {uri: sha256 for uri, sha256 in record.files.select("uri", "sha256").iter_rows()}
    recorded = _recorded(parse_sources(texts), record, places, set(wanted))
    data = DataFolder(out)
    with exclusive(data):
        remove_leftovers(data)
        build_raw_meshes(data, recorded, settings, None, progress)
        missing = _missing(data, places, wanted)
    if missing and not partial:
        listed = "\n".join(missing.lines())
        raise RebuildError(
            f"{len(missing.gone):,} input files are gone and {len(missing.modified):,} modified:\n{listed}\n"
            f"bring them back, or build the rest with --partial"
        )
    left = set(wanted) - set(missing.modified)
    report = curate_parsed(
        list(_recorded(parse_sources(texts), record, places, left)), texts, out, settings, progress
    )
    assert report.root == out
    return RebuildReport(record, find_record(out), missing)


def code_changes(record: VersionRecord) -> list[str]:
    """What is not the code that made the version; other code may give other bytes."""
    found = differing(record.content.get("code"), code_record(), "code")
    return [f"{name}: {visible(str(old))} then, {visible(str(new))} now" for name, old, new in found]


class _RecordedFiles:
    """A source that lists only the partitions and files of a version."""

    def __init__(self, source: Source, shards: set[str], places: Places, wanted: set[str]):
        self.name = source.name
        self.source = source
        self.recorded_shards = shards
        self.places = places
        self.wanted = wanted

    def shards(self) -> list[str]:
        """Partitions that the version has."""
        return [shard for shard in self.source.shards() if shard in self.recorded_shards]

    def list_files(self, shard: str) -> list[RawFile]:
        """Files that the version has."""
        return [file for file in self.source.list_files(shard) if self.places.of(file.uri) in self.wanted]

    def read_bytes(self, file: RawFile) -> bytes:
        """Bytes of a file without a path."""
        return self.source.read_bytes(file)


def _recorded(sources: list[Source], record: VersionRecord, places: Places, wanted: set[str]) -> list[Source]:
    keys = set()
    for entry in record.content["files"]:
        parts = str(entry["path"]).removesuffix(".parquet").split("/")
        if parts[:2] == ["tables", Stage.RAW_MESHES.value] and len(parts) == 4:
            keys.add(ShardKey(parts[2], parts[3]))
    return [
        _RecordedFiles(source, {key.shard for key in keys if key.source == source.name}, places, wanted)
        for source in sources
    ]


def _source_texts(record: VersionRecord, given: Sequence[str] | None) -> list[str]:
    names = [str(name) for name in record.content.get("places", [])]
    texts = list(given or record.content.get("sources") or [])
    if not texts:
        raise RebuildError(
            "a published record does not say where its sources lie; give each with --source, in this order: "
            f"{', '.join(map(visible, names))}"
        )
    found = Places(texts).names
    if found != names:
        raise RebuildError(
            f"the version was made from {', '.join(map(visible, names))}, not from {', '.join(found)}; give "
            "the same kinds in the same order, and folders of the same name"
        )
    return texts


def _settings(record: VersionRecord, out: Path, workers: int) -> CurationSettings:
    """Settings of the version, with its own rules even where the preset has changed since."""
    content = dict(record.content["settings"])
    content["limits"] = {**content.get("limits", {}), "workers": workers}
    content["preset"] = _preset(record.content["rules"], content.get("preset"), out)
    try:
        return CurationSettings.model_validate(content)
    except ValidationError as error:
        raise RebuildError(f"the record's settings are none of this version of Meshloom: {error}") from None


def _preset(rules: dict[str, Any], named: Any, out: Path) -> str:
    """Name of the preset where it still is what it was, else a file with the rules of the record."""
    name = str(rules.get("name"))
    for candidate in (str(named), name):
        try:
            if load_preset(candidate).model_dump(mode="json") == rules:
                return candidate
        except PresetError:
            continue
    if not _PRESET_NAME.fullmatch(name):
        raise RebuildError(f"the record's preset is called {name!r}, which is no name of a file")
    path = out / "rules" / f"{name}.yaml"
    content = {key: value for key, value in rules.items() if key != "name"}
    write_bytes(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    return str(path)


def _missing(data: DataFolder, places: Places, wanted: dict[str, str | None]) -> MissingInputs:
    """Compare what the sources hold now, as just listed and hashed, with the record."""
    keys = data.partitions(Stage.RAW_MESHES)
    paths = [
        path
        for key in keys
        for path in (data.table(Stage.RAW_MESHES, key), data.rejected(Stage.RAW_MESHES, key))
    ]
    frames = [pl.read_parquet(path, columns=["uri", "sha256"]) for path in paths]
    found = {places.of(uri): sha256 for frame in frames for uri, sha256 in frame.iter_rows()}
    gone = sorted(uri for uri in wanted if uri not in found)
    modified = sorted(uri for uri, sha256 in wanted.items() if uri in found and found[uri] != sha256)
    return MissingInputs(tuple(gone), tuple(modified))
