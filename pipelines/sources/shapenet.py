"""ShapeNetCore.v2 as unpacked from its archives: `shapenet:PATH`.

    ShapeNetCore.v2/taxonomy.json                                      names of the synsets
    ShapeNetCore.v2/<synset>/<model>/models/model_normalized.obj       a shard is a synset

Licence and author are not part of the data set and stay null.
"""

import json
from functools import cached_property
from pathlib import Path

from pipelines.sources import RawFile, SourceError
from pipelines.sources.files import display_name, file_uri, mesh_id


class ShapeNetSource:
    """Models on disk; accepts the folder ShapeNetCore.v2 or the one that holds it."""

    name = "shapenet"

    def __init__(self, root: Path):
        nested = root / "ShapeNetCore.v2"
        self.root = nested if nested.is_dir() else root
        if not self.shards():
            raise SourceError(
                f"{self.root} holds no synset folders such as 04379243; "
                "give the unpacked ShapeNetCore.v2 or the folder that holds it"
            )

    def shards(self) -> list[str]:
        """Synsets: folders whose names are eight digits."""
        return sorted(
            path.name
            for path in self.root.iterdir()
            if len(path.name) == 8 and path.name.isdecimal() and path.name.isascii() and path.is_dir()
        )

    def list_files(self, shard: str) -> list[RawFile]:
        """Normalised models of one synset, sorted by uri."""
        paths = (self.root / shard).glob("*/models/model_normalized.obj")
        files = [self._describe(path, shard) for path in paths]
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path."""
        raise SourceError(f"{file.uri} has a path; read it from there")

    @cached_property
    def _lemma_by_synset(self) -> dict[str, str]:
        path = self.root / "taxonomy.json"
        try:
            entries = json.loads(path.read_bytes())
            return {entry["synsetId"]: entry["name"].split(",")[0] for entry in entries}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"{path} is damaged ({error!r}); unpack it again, or delete it") from None

    def _describe(self, path: Path, shard: str) -> RawFile:
        model = path.parents[1].name
        category = self._lemma_by_synset.get(shard)
        return RawFile(
            mesh_id=mesh_id(f"{shard}_{model}", self.name, f"{shard}/{model}"),
            uri=file_uri(path),
            source=self.name,
            shard=shard,
            name=f"{category or shard} {display_name(model)[:8]}",
            category=category or shard,
            format="obj",
            path=path,
        )
