"""Which objects of Objaverse are meant: LVIS categories, a list of uids, or somebody's published subset.

    lvis=chair,mug        objects of these LVIS categories
    uids=FILE             a text with one uid a line, or a JSON list of them
    subset=FILE           gobjaverse_280k_index_to_objaverse.json of gObjaverse, or a CSV of TRELLIS-500K

FILE lies on disk, or on the hub as hf://datasets/OWNER/NAME/PATH. TRELLIS's lists know the sha256 of each
object and an aesthetic score (`where=aesthetic_score >= 5.5`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import polars as pl

from pipelines.sources import Annotations, RawFile, SourceError
from pipelines.sources.hub import HubRepository
from pipelines.sources.options import Options

_UID = re.compile(r"[0-9a-f]{32}")
_TRELLIS = ("sha256", "file_identifier", "aesthetic_score")


@dataclass(frozen=True)
class Listed:
    """What a subset list says of one object."""

    sha256: str | None = None
    aesthetic_score: float | None = None
    caption: str | None = None


@dataclass(frozen=True)
class Subset:
    """A choice of objects: those that are in every list that was given."""

    categories: frozenset[str] | None = None
    listed: Mapping[str, Listed] | None = None
    """By uid, or by Objaverse-XL's file identifier."""

    def holds(self, identity: str, category: str | None = None) -> bool:
        """Whether an object is meant."""
        return (self.categories is None or category in self.categories) and (
            self.listed is None or identity in self.listed
        )

    def add(self, file: RawFile, identity: str) -> RawFile:
        """A file with what the list says of it, over what its source says."""
        listed = (self.listed or {}).get(identity)
        if listed is None or listed == Listed():
            return file
        annotations = replace(
            file.annotations or Annotations(),
            aesthetic_score=listed.aesthetic_score,
            caption=listed.caption or (file.annotations.caption if file.annotations else None),
        )
        remote = file.remote
        if remote is not None and remote.sha256 is None and listed.sha256 is not None:
            remote = replace(remote, sha256=listed.sha256)
        return replace(file, annotations=annotations, remote=remote)


WHOLE = Subset()


def take_subset(options: Options) -> Subset:
    """Subset that the options of a source's text name. Raises SourceError."""
    lvis, uids, subset = options.take("lvis"), options.take("uids"), options.take("subset")
    if uids is not None and subset is not None:
        raise SourceError("give uids or subset, not both")
    listed = None
    if uids is not None:
        listed = _read_uids(open_list(uids))
    if subset is not None:
        listed = read_subset(open_list(subset))
    return Subset(None if lvis is None else frozenset(lvis.split(",")), listed)


def open_list(place: str) -> Path:
    """Local path of a list. Raises SourceError."""
    if place.startswith("hf://datasets/"):
        owner, _, rest = place.removeprefix("hf://datasets/").partition("/")
        name, _, path = rest.partition("/")
        found = HubRepository(f"{owner}/{name}").download(path)
        if found is None:
            raise SourceError(f"{place} is not on the hub")
        return found
    local = Path(place).expanduser()
    if not local.is_file():
        raise SourceError(f"{place} is no file; give a list on disk or hf://datasets/OWNER/NAME/PATH")
    return local


def read_subset(path: Path) -> dict[str, Listed]:
    """Objects of a published list, by uid or file identifier. Raises SourceError."""
    return _read_trellis(path) if path.suffix == ".csv" else _read_uids(path)


def identity_of(file_identifier: str) -> str:
    """uid of a Sketchfab address; every other file identifier stands for itself."""
    is_sketchfab = "sketchfab.com/" in file_identifier
    return PurePosixPath(file_identifier).name if is_sketchfab else file_identifier


def _read_trellis(path: Path) -> dict[str, Listed]:
    try:
        frame = pl.read_csv(path, infer_schema=False)
        columns = [*_TRELLIS, *(["captions"] if "captions" in frame.columns else [])]
        frame = frame.select(columns).with_columns(pl.col("aesthetic_score").cast(pl.Float64))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{path} is no list of TRELLIS-500K: {str(error).splitlines()[0]}") from None
    return {
        identity_of(row["file_identifier"]): Listed(
            row["sha256"], row["aesthetic_score"], row.get("captions")
        )
        for row in frame.iter_rows(named=True)
        if row["file_identifier"]
    }


def _read_uids(path: Path) -> dict[str, Listed]:
    """uids of a text, a JSON list, or a JSON object whose values are paths of Objaverse."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else text.split()
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as a list of uids: {error}") from None
    names = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SourceError(f"{path} is no list of uids, and no object whose values are paths of Objaverse")
    uids = [PurePosixPath(name).stem for name in names]
    wrong = next((uid for uid in uids if not _UID.fullmatch(uid)), None)
    if wrong is not None:
        raise SourceError(f"{path} names {wrong!r}, which is no uid of 32 hexadecimal digits")
    return dict.fromkeys(uids, Listed())
