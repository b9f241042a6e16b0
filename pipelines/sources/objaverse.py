"""Objaverse 1.0 as the `objaverse` package caches it: `objaverse:~/.objaverse`.

    hf-objaverse-v1/glbs/<folder>/<uid>.glb           a shard is a folder: 000-000 ... 000-159
    hf-objaverse-v1/metadata/<folder>.json.gz         {uid: annotation}: name, licence, author
    hf-objaverse-v1/lvis-annotations.json.gz          {category: [uid, ...]}

Only files on disk are listed, never the index of what could be downloaded. Annotations may be absent.
"""

import gzip
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.sources import RawFile, SourceError
from pipelines.sources.files import display_name, extension, file_uri, mesh_id


class ObjaverseSource:
    """Downloaded Objaverse objects; accepts the package's data folder or hf-objaverse-v1 itself."""

    name = "objaverse"

    def __init__(self, root: Path):
        nested = root / "hf-objaverse-v1"
        self.root = nested if nested.is_dir() else root
        if not (self.root / "glbs").is_dir():
            raise SourceError(f"{self.root} holds no glbs folder; give the folder that holds hf-objaverse-v1")

    def shards(self) -> list[str]:
        """Folders below glbs."""
        return sorted(path.name for path in (self.root / "glbs").iterdir() if path.is_dir())

    def list_files(self, shard: str) -> list[RawFile]:
        """GLB files of one folder, sorted by uri."""
        annotations = _read_json(self.root / "metadata" / f"{shard}.json.gz")
        paths = [path for path in (self.root / "glbs" / shard).iterdir() if extension(path.name) == "glb"]
        files = [self._describe(path, shard, annotations.get(path.stem)) for path in paths]
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path."""
        raise SourceError(f"{file.uri} has a path; read it from there")

    @cached_property
    def _category_by_uid(self) -> dict[str, str]:
        lvis = _read_json(self.root / "lvis-annotations.json.gz")
        return {str(uid): category for category in sorted(lvis, reverse=True) for uid in lvis[category]}

    def _describe(self, path: Path, shard: str, annotation: Any) -> RawFile:
        known = annotation if isinstance(annotation, dict) else {}
        user = known.get("user")
        author = (user.get("displayName") or user.get("username")) if isinstance(user, dict) else None
        uri = file_uri(path)
        return RawFile(
            mesh_id=mesh_id(path.stem, self.name, f"{shard}/{path.name}"),
            uri=uri,
            source=self.name,
            shard=shard,
            name=_text(known.get("name")) or display_name(path.stem),
            category=self._category_by_uid.get(path.stem),
            format="glb",
            path=path,
            licence=_text(known.get("license")),
            author=_text(author),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _read_json(path: Path) -> dict[str, Any]:
    """Content of a gzipped JSON object; empty where the file is absent.

    Raises SourceError where it is damaged: names and licences would silently be lost otherwise.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as handle:
            content = json.load(handle)
    except FileNotFoundError:
        return {}
    except (OSError, EOFError, ValueError) as error:
        raise SourceError(f"{path} is damaged ({error}); download it again, or delete it") from None
    return content if isinstance(content, dict) else {}
