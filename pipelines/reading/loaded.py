"""What reading gives: triangles, or an error that says why not."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.reasons import Reason

LARGEST_COORDINATE = float(np.finfo(np.float32).max)


class MeshReadError(Exception):
    """A file that gives no mesh: the reason, and in one line what was found and what to do."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


@dataclass(frozen=True)
class LoadedMesh:
    """Triangles as loaded, world transforms applied, nothing welded."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3), indices into `vertices`."""
    n_geometries: int
    """Parts that the file keeps apart: primitives, materials, solids."""
    n_unreferenced: int = 0
    """Vertices that no face uses: they are not among `vertices`, since nobody sees them."""


def mesh(vertices: NDArray, faces: NDArray, n_geometries: int = 1) -> LoadedMesh:
    """Build a LoadedMesh from arrays of any numeric type and of V * 3 and F * 3 entries."""
    corners = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    points = np.asarray(vertices, dtype=np.float64).reshape(-1, 3)
    check_indices(corners, len(points))
    return LoadedMesh(points, corners.astype(np.int32), n_geometries)


def check_indices(indices: NDArray[np.int64], n_vertices: int) -> None:
    """Raise LOAD where an index points to no vertex."""
    if indices.size and (indices.min() < 0 or indices.max() >= n_vertices):
        wrong = indices[(indices < 0) | (indices >= n_vertices)]
        raise MeshReadError(
            Reason.LOAD,
            f"{wrong.size} indices outside 0..{n_vertices - 1}, the first is {int(wrong[0])}",
        )


def checked(loaded: LoadedMesh) -> LoadedMesh:
    """The mesh without unreferenced vertices, if it has triangles and finite coordinates that fit float32.

    A stray vertex far away would decide the bounding box, and with it the scale of the mesh.
    """
    if not len(loaded.faces):
        raise MeshReadError(Reason.NO_TRIANGLES, f"{len(loaded.vertices)} vertices, no triangle")
    loaded = _without_unreferenced(loaded)
    wrong = np.any(~(np.abs(loaded.vertices) <= LARGEST_COORDINATE), axis=1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise MeshReadError(
            Reason.NON_FINITE,
            f"{int(wrong.sum())} of {len(wrong)} vertices are NaN, infinite or beyond float32, "
            f"the first is vertex {first}",
        )
    return loaded


def _without_unreferenced(loaded: LoadedMesh) -> LoadedMesh:
    is_used = np.zeros(len(loaded.vertices), dtype=bool)
    is_used[loaded.faces] = True
    n_unreferenced = int((~is_used).sum())
    if not n_unreferenced:
        return loaded
    renumbered = (np.cumsum(is_used) - 1).astype(np.int32)
    return LoadedMesh(loaded.vertices[is_used], renumbered[loaded.faces], loaded.n_geometries, n_unreferenced)


def fan(polygon: list[int]) -> list[int]:
    """Corners of the triangles of a polygon, flat; none below three corners.

    A quad is cut like trimesh cuts it, so that both give the same faces.
    """
    if len(polygon) == 3:
        return polygon
    if len(polygon) == 4:
        a, b, c, d = polygon
        return [a, b, c, c, d, a]
    first = polygon[0] if polygon else 0
    return [i for b, c in pairwise(polygon[1:]) for i in (first, b, c)]
