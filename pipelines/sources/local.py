"""A folder of meshes, searched through all its subfolders: `local:PATH`.

Files are spread over eight shards by a hash of their relative path, so that a new file changes one shard
only. Listed are all files that might be meshes: the formats that can be read, other well-known 3D formats
and files without an extension (both are rejected later, with a reason). Side files (materials, buffers,
images, texts) and hidden folders are not listed; links to folders are not followed.
"""

import os
import re
from functools import cached_property
from pathlib import Path

from pipelines.sources import RawFile, SourceError
from pipelines.sources.files import READABLE_FORMATS, display_name, extension, file_uri, text_hash
from pipelines.visible import visible

OTHER_FORMATS = frozenset(
    [
        "3dm",
        "3ds",
        "3mf",
        "abc",
        "ac3d",
        "amf",
        "blend",
        "bvh",
        "c4d",
        "cob",
        "ctm",
        "dae",
        "drc",
        "dwg",
        "dxf",
        "fbx",
        "iges",
        "igs",
        "ifc",
        "jt",
        "lwo",
        "lws",
        "lxo",
        "ma",
        "max",
        "mb",
        "md2",
        "md3",
        "md5mesh",
        "ms3d",
        "nff",
        "pmd",
        "pmx",
        "sldasm",
        "sldprt",
        "skp",
        "smd",
        "step",
        "stp",
        "usd",
        "usda",
        "usdc",
        "usdz",
        "vrm",
        "vrml",
        "vtk",
        "vtp",
        "wrl",
        "x",
        "x3d",
        "x3db",
        "x3dv",
        "zpr",
        "ztl",
    ]
)
SHARDS_PER_FOLDER = 8
LABEL_LENGTH = 40


class LocalSource:
    """All meshes below one folder."""

    name = "local"

    def __init__(self, root: Path):
        self.root = root
        self.label = _label(root)

    def shards(self) -> list[str]:
        """`<folder>-00` to `<folder>-07`, without those that would be empty."""
        return sorted(self._shard_of(bucket) for bucket in self._paths_by_bucket)

    def list_files(self, shard: str) -> list[RawFile]:
        """Files of one shard, sorted by uri."""
        bucket = next((bucket for bucket in self._paths_by_bucket if self._shard_of(bucket) == shard), None)
        if bucket is None:
            return []
        files = [self._describe(path, shard) for path in self._paths_by_bucket[bucket]]
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path."""
        raise SourceError(f"{file.uri} has a path; read it from there")

    def _shard_of(self, bucket: int) -> str:
        return f"{self.label}-{bucket:02d}"

    @cached_property
    def _paths_by_bucket(self) -> dict[int, list[Path]]:
        buckets: dict[int, list[Path]] = {}
        for path in _walk(self.root):
            relative = path.relative_to(self.root).as_posix()
            buckets.setdefault(int(text_hash(relative)[:8], 16) % SHARDS_PER_FOLDER, []).append(path)
        return buckets

    def _describe(self, path: Path, shard: str) -> RawFile:
        relative = path.relative_to(self.root).as_posix()
        return RawFile(
            mesh_id=f"local-{text_hash(f'{self.label}/{relative}')[:20]}",
            uri=file_uri(path),
            source=self.name,
            shard=shard,
            name=display_name(path.name),
            category=None,
            format=extension(path.name),
            path=path,
            problem=_link_problem(path, self.root),
        )


def distinguish(sources: list[LocalSource]) -> None:
    """Give folders of the same name labels of their own (changes the sources).

    Raises SourceError where one folder is, or lies within, another.
    """
    for outer in sources:
        for inner in sources:
            if inner is not outer and inner.root.is_relative_to(outer.root):
                raise SourceError(f"local:{inner.root} lies within local:{outer.root}; give only one of them")
    labels = [source.label for source in sources]
    for source in sources:
        if labels.count(source.label) > 1:
            source.label = f"{source.label}-{text_hash(str(source.root))[:6]}"


def _label(root: Path) -> str:
    return plain_label(root.name, str(root))


def plain_label(name: str, identity: str | None = None) -> str:
    """A name that can stand in a file name; carries a hash of `identity` where characters had to go."""
    plain = re.sub(r"[^\w.-]+", "_", display_name(name)).strip("._-")[:LABEL_LENGTH]
    return plain if plain == name else f"{plain or 'folder'}-{text_hash(identity or name)[:6]}"


def _walk(root: Path) -> list[Path]:
    """Files that might be meshes, in an order that does not depend on the file system.

    Raises SourceError for a folder that cannot be listed: taken for empty, it would remove what it holds from
    the data set.
    """
    found = []
    for folder, folders, names in os.walk(root, onerror=_raise_unlisted, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in names if may_be_mesh(name)]
    return sorted(found)


def _raise_unlisted(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):  # removed meanwhile
        return
    shown = visible(display_name(str(error.filename)))
    raise SourceError(
        f"folder {shown} cannot be listed ({error.strerror}); make it readable, move it, or give the folders "
        "beside it as sources"
    )


def may_be_mesh(name: str) -> bool:
    """Whether a file of this name is listed: a known 3D format, or no extension."""
    ending = extension(name)
    return not ending or ending in READABLE_FORMATS or ending in OTHER_FORMATS


def _link_problem(path: Path, root: Path) -> str | None:
    if not path.is_symlink():
        return None
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link to nothing; remove it or restore its target"
    if not target.is_relative_to(root):
        return "a link out of the source's folder; copy the file there, or give its folder as a source"
    return None
