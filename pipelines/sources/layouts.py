"""Data sets that are folders of models in a layout of their own: what they share.

A layout says which files are models, what the partition of each is, and what is known of it; the folder is
listed here. One short file a data set: future_3d, toys4k, abo, gso, thingi10k.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pipelines.sources import Annotations, RawFile, SourceError
from pipelines.sources.files import display_name, extension, file_uri, mesh_id, text_hash

BUCKETS = 16


@dataclass(frozen=True)
class Model:
    """One model of a data set, before it is opened."""

    path: Path
    identity: str
    """Unique in the data set, for example <category>/<model>."""
    shard: str
    name: str
    category: str | None = None
    licence: str | None = None
    author: str | None = None
    annotations: Annotations | None = None


class Layout(Protocol):
    """How one data set lies on disk."""

    name: str
    expected: str
    """What its folder holds, for the error where it does not."""

    def models(self, root: Path) -> Iterable[Model]:
        """All models, in any order."""


class LayoutSource:
    """A data set on disk."""

    def __init__(self, root: Path, layout: Layout):
        self.root = root
        self.layout = layout
        self.name = layout.name
        if not self._models_by_shard:
            raise SourceError(f"{root} holds no {layout.expected}; give the unpacked data set")

    def shards(self) -> list[str]:
        """Categories, or buckets."""
        return sorted(self._models_by_shard)

    def list_files(self, shard: str) -> list[RawFile]:
        """Models of one partition, sorted by uri."""
        files = [self._describe(model) for model in self._models_by_shard.get(shard, [])]
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path."""
        raise SourceError(f"{file.uri} has a path; read it from there")

    @cached_property
    def _models_by_shard(self) -> dict[str, list[Model]]:
        by_shard: dict[str, list[Model]] = {}
        for model in self.layout.models(self.root):
            by_shard.setdefault(model.shard, []).append(model)
        return by_shard

    def _describe(self, model: Model) -> RawFile:
        outside = not model.path.resolve().is_relative_to(self.root)
        file = RawFile(
            mesh_id=mesh_id(f"{self.name}-{model.identity}", self.name, model.identity),
            uri=file_uri(model.path),
            source=self.name,
            shard=model.shard,
            name=display_name(model.name),
            category=model.category,
            format=extension(model.path.name),
            path=model.path,
            licence=model.licence,
            author=model.author,
            annotations=model.annotations,
        )
        if outside:
            return replace(file, problem="it leads out of the source's folder; copy the file there")
        return file


def bucket(identity: str) -> str:
    """Partition of a model where the data set has no categories on disk."""
    return f"{int(text_hash(identity)[:8], 16) % BUCKETS:02d}"
