"""Tokens of the four families in plain Python and numpy, decoded again: a part of the plain loop.

Written from the papers and from `docs/loom-1.md`, for the default settings of `pipelines/tokenizers.py`.
They do less than `tokenizer_rs` in these ways, each of which makes them faster:

- what is not manifold is cut, not repaired, and nothing is turned (`plain_grid.py`);
- EdgeRunner starts a part at any edge and goes right at a branch, not to the shorter side;
- Silksong writes no extra offsets that name rings and tries one start vertex: a component with a layer of
  more than 200 vertices is refused, and faces are decoded as published, so that some meshes come back with
  other faces. Which way faces run is not compared;
- Silksong and Loom refuse a mesh in which two vertices share two edges;
- nothing is checked of tokens that are decoded, and no statistics are kept.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from plain_grid import GridMesh, Ints, RefusedError, codes_of, following, is_same, positions_of, quantize
from plain_loom import decode_loom, encode_loom
from plain_silksong import decode_silksong, encode_silksong

Result = tuple[int, bool] | None


def tokens(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> dict[str, Result]:
    """Number of tokens of each family and whether they decode to the mesh on its grid; None where refused."""
    coarse, fine = quantize(vertices, faces, 128), quantize(vertices, faces, 512)
    return {
        "silksong": _written(silksong, coarse),
        "edgerunner": _written(edgerunner, fine),
        "face_sequence": _written(face_sequence, coarse),
        "loom": _written(loom, coarse),
    }


def _written(family: Callable[[GridMesh], tuple[int, bool]], mesh: GridMesh) -> Result:
    try:
        return family(mesh) if len(mesh.faces) else None
    except RefusedError:
        return None


def silksong(mesh: GridMesh) -> tuple[int, bool]:
    """Number of tokens, and whether they decode to the same faces in any direction."""
    written = encode_silksong(mesh)
    return len(written), is_same(mesh, decode_silksong(written), is_oriented=False)


def edgerunner(mesh: GridMesh) -> tuple[int, bool]:
    """Number of tokens, and whether they decode to the mesh."""
    written = encode_edgerunner(mesh)
    return len(written), is_same(mesh, decode_edgerunner(written))


def face_sequence(mesh: GridMesh) -> tuple[int, bool]:
    """Number of tokens, and whether they decode to the mesh."""
    written = encode_faces(mesh)
    return len(written), is_same(mesh, decode_faces(written))


def loom(mesh: GridMesh) -> tuple[int, bool]:
    """Number of tokens, and whether they decode to the mesh."""
    written = encode_loom(mesh)
    return len(written), is_same(mesh, decode_loom(written))


def encode_faces(mesh: GridMesh) -> Ints:
    """Nine coordinates a face, vertices by height, then faces by their vertices (MeshGPT, section 3.1)."""
    points = mesh.grid[:, [2, 0, 1]]
    order = np.lexsort(points.T)
    rank = np.empty(len(points), dtype=np.int64)
    rank[order] = np.arange(len(points))
    ranked = rank[mesh.faces]
    first = ranked.argmin(axis=1)
    turned = np.take_along_axis(ranked, (first[:, None] + np.arange(3)) % 3, axis=1)
    turned = turned[np.lexsort(np.sort(turned, axis=1).T[::-1])]
    return points[order][turned].ravel()


def decode_faces(written: Ints) -> Ints:
    """Corners (F, 3, 3), with equal positions made one vertex on the way."""
    codes, corner = np.unique(codes_of(written.reshape(-1, 3)[:, [1, 2, 0]], 128), return_inverse=True)
    return positions_of(codes, 128)[corner.reshape(-1, 3)]


def encode_edgerunner(mesh: GridMesh) -> list[int]:
    """EdgeRunner's walk over half-edges with absolute coordinates (arXiv 2409.18114)."""
    h = np.arange(mesh.faces.size)
    before = following(following(h))

    def tip_across(edge: Ints) -> list[int]:
        """The corner opposite to each edge in the face on its other side."""
        return np.where(mesh.twin[edge] >= 0, before[mesh.twin[edge]], -1).tolist()

    across_right, across_left = tip_across(before), tip_across(h)
    corner = mesh.faces.ravel().tolist()
    place = (mesh.grid + 3).tolist()
    seen = np.zeros(len(place), dtype=bool)
    open_sides = np.flatnonzero(mesh.twin < 0)
    seen[mesh.faces.ravel()[open_sides]] = True
    seen[mesh.faces.ravel()[following(open_sides)]] = True
    is_seen, done = seen.tolist(), [False] * len(mesh.faces)
    sums = mesh.grid[mesh.faces].sum(axis=1)
    written: list[int] = []
    for f in np.lexsort((sums[:, 0], sums[:, 2], sums[:, 1])).tolist():
        stack = [(3 * f, True)]
        while stack:
            t, is_first = stack.pop()
            if done[t // 3]:
                continue
            done[t // 3] = True
            if is_first:
                i = 3 * (t // 3)
                start, end = corner[i + (t + 1) % 3], corner[i + (t + 2) % 3]
                written += (2, *place[corner[t]], *place[start], *place[end])
                is_seen[start] = is_seen[end] = True
            else:
                written += place[corner[t]]
            right, left = across_right[t], across_left[t]
            if not is_seen[corner[t]]:
                is_seen[corner[t]] = True
                written.append(0)
                stack.append((right, False))
                continue
            has_right = right >= 0 and not done[right // 3]
            has_left = left >= 0 and not done[left // 3]
            if has_right and has_left:
                stack.append((left, True))
            if has_right or has_left:
                written.append(0 if has_right else 1)
                stack.append((right if has_right else left, False))
    return written


def decode_edgerunner(written: list[int]) -> Ints:
    """Corners (F, 3, 3)."""
    faces: list[list[list[int]]] = []
    i = 0
    while i < len(written):
        if written[i] == 2:
            v0, v1, v2 = written[i + 1 : i + 4], written[i + 4 : i + 7], written[i + 7 : i + 10]
            faces.append([v0, v1, v2])
            i += 10
            continue
        tip = written[i + 1 : i + 4]
        if written[i] == 0:
            faces.append([tip, v0, v2])
            v0, v1 = tip, v0
        else:
            faces.append([tip, v1, v0])
            v0, v2 = tip, v0
        i += 4
    return np.array(faces) - 3
