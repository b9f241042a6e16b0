"""Furniture drawn by Meshloom itself: 480 meshes without a download. One shard a family.

from pipelines.sources.builtin import BuiltinSource
source = BuiltinSource()
glb = source.read_bytes(source.list_files("chair")[7])
"""

import trimesh

from pipelines.furniture import FAMILIES, VARIANTS_PER_FAMILY, build
from pipelines.sources import RawFile


class BuiltinSource:
    """`builtin:`, the generator in pipelines.furniture, as GLB files."""

    name = "builtin"

    def shards(self) -> list[str]:
        """The families."""
        return sorted(FAMILIES)

    def list_files(self, shard: str) -> list[RawFile]:
        """Variants of one family; none where there is no such family."""
        if shard not in FAMILIES:
            return []
        return [_raw_file(shard, index) for index in range(VARIANTS_PER_FAMILY)]

    def read_bytes(self, file: RawFile) -> bytes:
        """Draw a mesh and export it as GLB; the same bytes each time.

        Raises ValueError where the uri is not one of this source.
        """
        family, _, index = file.uri.removeprefix("builtin:").partition("/")
        if family not in FAMILIES or not index.isdecimal():
            families = ", ".join(FAMILIES)
            raise ValueError(f"{file.uri!r} is not builtin:FAMILY/NUMBER with FAMILY of {families}")
        solid = build(family, int(index))
        mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
        content = mesh.export(file_type="glb", include_normals=False)
        assert isinstance(content, bytes)
        return content


def _raw_file(family: str, index: int) -> RawFile:
    return RawFile(
        mesh_id=f"builtin-{family}-{index:03d}",
        uri=f"builtin:{family}/{index:03d}",
        source="builtin",
        shard=family,
        name=f"{family} {index:03d}",
        category=family,
        format="glb",
        path=None,
        licence="CC0-1.0",
        author="Meshloom contributors",
    )
