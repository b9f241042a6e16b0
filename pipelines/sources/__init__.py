"""Where meshes come from: one file a source, one interface.

A source lists its files, shard by shard, with what it says of them, and opens none:

    for source in parse_sources(["local:meshes", "hf:allenai/objaverse?lvis=chair", "builtin:"]):
        for shard in source.shards():
            files = source.list_files(shard)

A file that lies elsewhere has a `remote`; `pipelines.fetching` brings its bytes.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipelines.reasons import Reason


class SourceError(ValueError):
    """A source that cannot be used: what was given, what is wrong with it, what to do."""


@dataclass(frozen=True)
class Remote:
    """Where a file's bytes can be had, and what is known of them beforehand."""

    url: str = field(repr=False)
    """http(s)://, file:// or any url that fsspec knows; may carry credentials, and is never shown."""
    validator: str | None = None
    """Changes with the bytes: an ETag, or the name of a revision. Null where nobody knows."""
    sha256: str | None = None
    size_bytes: int | None = None
    member: str | None = None
    """Path within the archive that lies at `url`."""
    archive_sha256: str | None = None

    @property
    def version(self) -> list[str | None]:
        """What tells this version of the file from others."""
        return [self.validator, self.sha256]


@dataclass(frozen=True)
class Annotations:
    """What a source says of a file without opening it; null where it does not."""

    face_count: int | None = None
    vertex_count: int | None = None
    texture_count: int | None = None
    animation_count: int | None = None
    tags: tuple[str, ...] | None = None
    caption: str | None = None
    aesthetic_score: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", _encodable(self.caption))
        if self.tags is not None:
            object.__setattr__(self, "tags", tuple(map(_encodable, self.tags)))

    def columns(self) -> dict[str, Any]:
        """The fields by name, as a table holds them."""
        return {**vars(self), "tags": None if self.tags is None else list(self.tags)}


@dataclass(frozen=True)
class RawFile:
    """One listed input file; nothing about its content is known yet."""

    mesh_id: str
    """Stable name: only letters, digits, `_` and `-`, so that it can be a member name in a tar."""
    uri: str
    """`file://` and the absolute path, the public address of a file elsewhere, or `builtin:` and a name."""
    source: str
    shard: str
    name: str
    category: str | None
    format: str
    """Lower-case extension without its dot; empty where there is none."""
    path: Path | None
    """None where the bytes are elsewhere, or the source makes them itself."""
    licence: str | None = None
    author: str | None = None
    problem: str | None = None
    """Why the file must not be opened, found while listing."""
    problem_reason: Reason = Reason.UNREADABLE_FILE
    remote: Remote | None = None
    """Where its bytes can be had; with a path only what is known of them."""
    annotations: Annotations | None = None

    def __post_init__(self) -> None:
        for name in ("name", "category", "licence", "author"):
            object.__setattr__(self, name, _encodable(getattr(self, name)))


def _encodable(text: str | None) -> str | None:
    """What JSON calls a text may hold halves of a surrogate pair, which no table takes: `?` for each."""
    return text if text is None or text.isascii() else text.encode(errors="replace").decode()


@runtime_checkable
class Source(Protocol):
    """What every source offers."""

    name: str
    """The `source` column, and the folder of its partitions."""

    def shards(self) -> list[str]:
        """Names of the partitions, sorted; cheap."""

    def list_files(self, shard: str) -> list[RawFile]:
        """Files of one partition, sorted by uri."""

    def read_bytes(self, file: RawFile) -> bytes:
        """Bytes of a file without a path."""


def parse_source(text: str) -> Source:
    """Turn the text of a source into a source; docs/sources.md lists the kinds.

    Raises SourceError where the kind is unknown, an option is, or the place is not what the kind expects.
    """
    from pipelines.credentials import public_uri
    from pipelines.sources.kinds import source_of

    try:
        return source_of(text)
    except SourceError as error:
        raise SourceError(f"source {public_uri(text)!r}: {public_uri(str(error))}") from None


def parse_sources(texts: Iterable[str]) -> list[Source]:
    """Parse several sources whose shards and files do not overlap.

    Two local folders of the same name get shard names that carry a hash of their whole path: what a shard is
    called depends on the folders given, not on their order.
    Raises SourceError where one kind is given twice (folders excepted), or one local folder holds another.
    """
    from pipelines.credentials import public_uri
    from pipelines.sources.local import LocalSource, distinguish
    from pipelines.sources.remote_folder import RemoteFolderSource

    parsed = [(public_uri(text), parse_source(text)) for text in texts]
    seen: dict[str, str] = {}
    for text, source in parsed:
        if not isinstance(whole(source), LocalSource | RemoteFolderSource) and source.name in seen:
            raise SourceError(
                f"sources {seen[source.name]!r} and {text!r}: both are {source.name}; "
                "give one folder of that kind, or the second as local:PATH"
            )
        seen[source.name] = text
    folders = (whole(source) for _, source in parsed)
    distinguish([folder for folder in folders if isinstance(folder, LocalSource)])
    return [source for _, source in parsed]


def whole(source: Source) -> Source:
    """The source itself, without the filter over it."""
    from pipelines.sources.options import FilteredSource

    return source.source if isinstance(source, FilteredSource) else source


def without_listings(source: Source) -> Source:
    """A copy that forgot what it listed, which may be long, and would list it again where it is asked."""
    from pipelines.sources.options import FilteredSource

    light = copy(source)
    if isinstance(light, FilteredSource):
        light.source = without_listings(light.source)
    for name in [
        name for name in vars(light) if isinstance(getattr(type(light), name, None), cached_property)
    ]:
        del vars(light)[name]
    return light


def shard_files(sources: Sequence[Source], source_name: str, shard: str) -> list[RawFile]:
    """Files of one partition, whichever of the sources holds it; none where no source does."""
    for source in sources:
        if source.name == source_name and shard in source.shards():
            return source.list_files(shard)
    return []
