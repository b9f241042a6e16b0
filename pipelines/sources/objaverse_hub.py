"""Objaverse 1.0 on the hub: `hf:allenai/objaverse`, with `lvis=chair,mug`, `uids=FILE` or `subset=FILE`.

An object is listed with its annotation, its size and its sum, and fetched when the partition is built. The
shards are the folders 000-000 ... 000-159 that hold a chosen object; ids are those of the local source.
"""

from functools import cached_property
from pathlib import PurePosixPath

from pipelines.reasons import Reason
from pipelines.sources import RawFile, SourceError
from pipelines.sources.files import mesh_id
from pipelines.sources.hub import HubRepository
from pipelines.sources.objaverse_annotations import annotate, categories_by_uid, read_json
from pipelines.sources.subsets import Subset

PATHS = "object-paths.json.gz"


class ObjaverseHubSource:
    """Objects of a repository that is laid out as allenai/objaverse."""

    name = "objaverse"

    def __init__(self, repository: HubRepository, subset: Subset):
        self.repository = repository
        self.subset = subset

    def shards(self) -> list[str]:
        """Folders that hold a chosen object."""
        return sorted(self._paths_by_shard)

    def list_files(self, shard: str) -> list[RawFile]:
        """Chosen objects of one folder, sorted by uri; one that its folder does not hold has a problem."""
        if shard not in self._paths_by_shard:
            return []
        annotations = read_json(self.repository.download(f"metadata/{shard}.json.gz"))
        held = self.repository.files(f"glbs/{shard}")
        files = []
        for uid, path in self._paths_by_shard[shard].items():
            in_folder = held.get(path)
            file = RawFile(
                mesh_id=mesh_id(uid, self.name, f"{shard}/{PurePosixPath(path).name}"),
                uri=self.repository.uri(path),
                source=self.name,
                shard=shard,
                name=uid,
                category=None,
                format="glb",
                path=None,
                problem=None
                if in_folder
                else "the index names it, but its folder does not hold it; leave it out",
                problem_reason=Reason.FETCH_MISSING,
                remote=self.repository.remote(path, in_folder),
            )
            annotated = annotate(file, annotations.get(uid), self._categories.get(uid))
            files.append(self.subset.add(annotated, uid))
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file is fetched."""
        raise SourceError(f"{file.uri} is fetched; read it from the store")

    @cached_property
    def _categories(self) -> dict[str, str]:
        lvis = read_json(self.repository.download("lvis-annotations.json.gz"))
        return categories_by_uid(lvis, self.subset.categories)

    @cached_property
    def _paths_by_shard(self) -> dict[str, dict[str, str]]:
        paths = read_json(self.repository.download(PATHS))
        if not paths:
            raise SourceError(f"{self.repository.name} holds no {PATHS}; it is not laid out as Objaverse 1.0")
        by_shard: dict[str, dict[str, str]] = {}
        for uid, path in paths.items():
            parts = PurePosixPath(str(path)).parts
            if len(parts) != 3 or parts[0] != "glbs" or ".." in parts:
                raise SourceError(
                    f"{PATHS} of {self.repository.name} names {path!r}, which is no glbs/FOLDER/FILE"
                )
            if self.subset.holds(uid, self._categories.get(uid)):
                by_shard.setdefault(parts[1], {})[uid] = str(path)
        return by_shard
