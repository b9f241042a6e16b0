"""A mesh on a grid with its half-edges, as the tokenizers of `plain_tokens.py` and `plain_loom.py` take it.

Half-edge 3 f + j runs from corner j of face f to corner j + 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
HALF_SIDE = 0.95
ROUNDS = 3
"""Of parting two vertices that share two edges."""


class RefusedError(ValueError):
    """A mesh that the family does not write."""


@dataclass(frozen=True)
class GridMesh:
    """An oriented manifold mesh with integer positions."""

    grid: Ints
    """(V, 3)"""
    faces: Ints
    """(F, 3)"""
    twin: Ints
    """(3F,) the half-edge on the other side; -1 where there is none"""
    has_double_edges: bool
    """Whether two vertices share two edges, which a list of neighbours cannot say"""

    def refuse_double_edges(self) -> None:
        """Raise RefusedError where there are any."""
        if self.has_double_edges:
            raise RefusedError("two edges between the same vertices")


def quantize(
    vertices: NDArray[np.float64], faces: NDArray[np.integer], bins: int, half_side: float = HALF_SIDE
) -> GridMesh:
    """The mesh (V, 3), (F, 3) on `bins` bins an axis of [-1, 1], cut wherever it is not manifold.

    It is centred, and half of its longest side becomes `half_side`. Bins become vertices; faces that lose a
    corner and copies of faces go. Faces stay joined where they run along an edge in opposite directions, two
    and two, and each fan of faces gets a vertex of its own.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    cube = (vertices - (low + high) / 2) * (2 * half_side / (high - low).max())
    codes, cell = np.unique(codes_of(bins_of(cube, bins), bins), return_inverse=True)
    corners = cell.reshape(-1)[faces]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(corners, axis=1) @ [len(codes) ** 2, len(codes), 1], return_index=True)
    corners = corners[np.sort(first)]
    twin = _twins(corners, len(codes))
    for _ in range(ROUNDS):
        fans = _fans(twin)
        exchanged = _exchanged(fans, twin)
        if exchanged is None:
            break
        twin = exchanged
    fans = _fans(twin)
    cell_of_fan = np.empty(fans.max(initial=-1) + 1, dtype=np.int64)
    cell_of_fan[fans] = corners.ravel()
    grid = positions_of(codes[cell_of_fan], bins)
    return GridMesh(grid, fans.reshape(-1, 3).astype(np.int64), twin, _exchanged(fans, twin) is not None)


def bins_of(points: NDArray[np.float64], bins: int) -> Ints:
    """Bins of points (V, 3) in [-1, 1]."""
    return ((points + 1) * bins / 2).astype(np.int64).clip(0, bins - 1)


def positions_of(codes: Ints, bins: int) -> Ints:
    """Positions (N, 3) that the codes (N,) stand for."""
    return np.stack([codes // bins**2, codes // bins % bins, codes % bins], axis=1)


def codes_of(positions: Ints, bins: int) -> Ints:
    """One number for each position (..., 3)."""
    return positions @ np.array([bins * bins, bins, 1])


def is_same(mesh: GridMesh, positions: Ints, is_oriented: bool = True) -> bool:
    """Whether corners (F, 3, 3) are the triangles of the mesh, in any order."""
    bins = int(max(mesh.grid.max(), positions.max())) + 1
    given, found = (codes_of(corners, bins) for corners in (mesh.grid[mesh.faces], positions))
    if len(given) != len(found):
        return False
    return bool(np.array_equal(_in_order(given, is_oriented), _in_order(found, is_oriented)))


def _in_order(corners: Ints, is_oriented: bool) -> Ints:
    if is_oriented:
        least = corners.argmin(axis=1)
        turned = np.take_along_axis(corners, (least[:, None] + np.arange(3)) % 3, axis=1)
    else:
        turned = np.sort(corners, axis=1)
    return turned[np.lexsort(turned.T)]


def _edges(faces: Ints, n: int) -> Ints:
    start, end = faces.ravel(), following_corner(faces)
    return np.minimum(start, end) * n + np.maximum(start, end)


def _twins(faces: Ints, n: int) -> Ints:
    """The other half-edge of each: on an edge of many faces the first forwards with the first backwards.

    Faces of one part mostly stand together in a file, so that parts which touch are parted.
    """
    start = faces.ravel()
    edges = _edges(faces, n)
    side = 2 * edges + (start > following_corner(faces))
    order = np.argsort(side, kind="stable")
    _, begin, uses = np.unique(side[order], return_index=True, return_counts=True)
    rank = np.empty(faces.size, dtype=np.int64)
    rank[order] = np.arange(faces.size) - np.repeat(begin, uses)
    key = edges * (rank.max(initial=0) + 1) + rank
    order = np.argsort(key, kind="stable")
    pair = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, other = order[pair], order[pair + 1]
    twin = np.full(faces.size, -1)
    twin[one], twin[other] = other, one
    return twin


def _exchanged(fans: Ints, twin: Ints) -> Ints | None:
    """Other twins where two vertices share several edges, each forwards with the next backwards; else None.

    It makes two fans of a vertex whose fan comes by the same neighbour twice.
    """
    faces = fans.reshape(-1, 3).astype(np.int64)
    edges = _edges(faces, int(fans.max(initial=0)) + 1)
    is_forwards = faces.ravel() < following_corner(faces)
    sides = np.flatnonzero(is_forwards | (twin < 0))
    sides = sides[np.argsort(edges[sides], kind="stable")]
    _, begin, uses = np.unique(edges[sides], return_index=True, return_counts=True)
    if uses.max(initial=1) == 1:
        return None
    following_side = np.arange(len(sides)) + 1
    following_side[begin + uses - 1] = begin
    forwards = np.where(is_forwards[sides], sides, -1)
    backwards = np.where(is_forwards[sides], twin[sides], sides)[following_side]
    both = (forwards >= 0) & (backwards >= 0)
    exchanged = np.full(len(twin), -1)
    exchanged[forwards[both]], exchanged[backwards[both]] = backwards[both], forwards[both]
    return exchanged


def _fans(twin: Ints) -> Ints:
    """Number of the fan of each corner (3F,): corners at a vertex whose faces meet along edges with twins."""
    paired = np.flatnonzero(twin >= 0)
    return connected(len(twin), paired, following(twin[paired]))[1]


def connected(n: int, one: Ints, other: Ints) -> tuple[int, Ints]:
    """Number of components of a graph of `n` nodes and its edges, and the component of each node."""
    edges = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n, n))
    found: tuple[int, Ints] = connected_components(edges, directed=False)
    return found


def following_corner(faces: Ints) -> Ints:
    """Where each half-edge ends (3F,)."""
    return faces[:, [1, 2, 0]].ravel()


def following(h: Ints) -> Ints:
    """The next half-edges of the same faces."""
    return h - h % 3 + (h + 1) % 3
