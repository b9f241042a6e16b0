"""Where meshes come from: one file a source, one interface.

A source lists its files, shard by shard, without opening them:

    for source in parse_sources(["local:meshes", "objaverse:~/.objaverse", "builtin:"]):
        for shard in source.shards():
            files = source.list_files(shard)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


class SourceError(ValueError):
    """A source that cannot be used: what was given, what is wrong with it, what to do."""


@dataclass(frozen=True)
class RawFile:
    """One listed input file; nothing about its content is known yet."""

    mesh_id: str
    """Stable name: only letters, digits, `_` and `-`, so that it can be a member name in a tar."""
    uri: str
    """`file://` and the absolute path, or `builtin:` and a name."""
    source: str
    shard: str
    name: str
    category: str | None
    format: str
    """Lower-case extension without its dot; empty where there is none."""
    path: Path | None
    """None where the source makes the bytes itself."""
    licence: str | None = None
    author: str | None = None
    problem: str | None = None
    """Why the file must not be opened, found while listing."""


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


def _local(path: Path) -> Source:
    from pipelines.sources.local import LocalSource

    return LocalSource(path)


def _objaverse(path: Path) -> Source:
    from pipelines.sources.objaverse import ObjaverseSource

    return ObjaverseSource(path)


def _shapenet(path: Path) -> Source:
    from pipelines.sources.shapenet import ShapeNetSource

    return ShapeNetSource(path)


def _builtin() -> Source:
    from pipelines.sources.builtin import BuiltinSource

    return BuiltinSource()


FOLDER_SOURCES: dict[str, Callable[[Path], Source]] = {
    "local": _local,
    "objaverse": _objaverse,
    "shapenet": _shapenet,
}
"""Kinds of sources that read a folder; `builtin:` takes none."""


def parse_source(text: str) -> Source:
    """Turn `local:PATH`, `objaverse:PATH`, `shapenet:PATH` or `builtin:` into a source.

    Raises SourceError where the kind is unknown or the folder is not what the kind expects.
    """
    kind, colon, argument = text.partition(":")
    if kind == "builtin":
        if argument:
            raise SourceError(f"source {text!r}: builtin takes no path; write `builtin:`")
        return _builtin()
    if kind not in FOLDER_SOURCES or not colon:
        kinds = ", ".join(f"{name}:PATH" for name in FOLDER_SOURCES)
        raise SourceError(f"source {text!r}: unknown kind {kind!r}; write {kinds} or builtin:")
    if not argument:
        raise SourceError(f"source {text!r}: no path; write {kind}:PATH")
    path = Path(argument).expanduser()
    if not path.exists():
        raise SourceError(f"source {text!r}: {path} does not exist")
    if not path.is_dir():
        raise SourceError(f"source {text!r}: {path} is not a folder; give the folder that holds the files")
    try:
        return FOLDER_SOURCES[kind](path.resolve())
    except SourceError as error:
        raise SourceError(f"source {text!r}: {error}") from None


def parse_sources(texts: Iterable[str]) -> list[Source]:
    """Parse several sources whose shards and files do not overlap.

    Two local folders of the same name get shard names that carry a hash of their whole path: what a shard is
    called depends on the folders given, not on their order.
    Raises SourceError where one kind is given twice (local excepted), or one local folder holds another.
    """
    from pipelines.sources.local import LocalSource, distinguish

    parsed = [(text, parse_source(text)) for text in texts]
    seen: dict[str, str] = {}
    for text, source in parsed:
        if not isinstance(source, LocalSource) and source.name in seen:
            raise SourceError(
                f"sources {seen[source.name]!r} and {text!r}: both are {source.name}; "
                "give one folder of that kind, or the second as local:PATH"
            )
        seen[source.name] = text
    distinguish([source for _, source in parsed if isinstance(source, LocalSource)])
    return [source for _, source in parsed]


def shard_files(sources: Sequence[Source], source_name: str, shard: str) -> list[RawFile]:
    """Files of one partition, whichever of the sources holds it; none where no source does."""
    for source in sources:
        if source.name == source_name and shard in source.shards():
            return source.list_files(shard)
    return []
