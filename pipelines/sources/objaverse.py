"""Objaverse 1.0 as the `objaverse` package caches it: `objaverse:~/.objaverse`.

    hf-objaverse-v1/glbs/<folder>/<uid>.glb           a shard is a folder: 000-000 ... 000-159
    hf-objaverse-v1/metadata/<folder>.json.gz         {uid: annotation}: name, licence, author
    hf-objaverse-v1/lvis-annotations.json.gz          {category: [uid, ...]}

Only files on disk are listed, never the index of what could be downloaded. Annotations may be absent.
"""

from functools import cached_property
from pathlib import Path

from pipelines.sources import RawFile, SourceError
from pipelines.sources.files import display_name, extension, file_uri, mesh_id
from pipelines.sources.objaverse_annotations import annotate, categories_by_uid, read_json
from pipelines.sources.subsets import WHOLE, Subset


class ObjaverseSource:
    """Downloaded Objaverse objects; accepts the package's data folder or hf-objaverse-v1 itself."""

    name = "objaverse"

    def __init__(self, root: Path, subset: Subset = WHOLE):
        nested = root / "hf-objaverse-v1"
        self.root = nested if nested.is_dir() else root
        self.subset = subset
        if not (self.root / "glbs").is_dir():
            raise SourceError(f"{self.root} holds no glbs folder; give the folder that holds hf-objaverse-v1")

    def shards(self) -> list[str]:
        """Folders below glbs."""
        return sorted(path.name for path in (self.root / "glbs").iterdir() if path.is_dir())

    def list_files(self, shard: str) -> list[RawFile]:
        """GLB files of one folder, sorted by uri."""
        annotations = read_json(self.root / "metadata" / f"{shard}.json.gz")
        paths = [path for path in (self.root / "glbs" / shard).iterdir() if extension(path.name) == "glb"]
        files = [
            self.subset.add(
                annotate(
                    self._file(path, shard), annotations.get(path.stem), self._categories.get(path.stem)
                ),
                path.stem,
            )
            for path in paths
            if self.subset.holds(path.stem, self._categories.get(path.stem))
        ]
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path."""
        raise SourceError(f"{file.uri} has a path; read it from there")

    @cached_property
    def _categories(self) -> dict[str, str]:
        return categories_by_uid(read_json(self.root / "lvis-annotations.json.gz"), self.subset.categories)

    def _file(self, path: Path, shard: str) -> RawFile:
        return RawFile(
            mesh_id=mesh_id(path.stem, self.name, f"{shard}/{path.name}"),
            uri=file_uri(path),
            source=self.name,
            shard=shard,
            name=display_name(path.stem),
            category=None,
            format="glb",
            path=path,
        )
