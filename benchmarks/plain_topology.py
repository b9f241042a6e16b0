"""How the faces of a mesh hang together, in numpy and scipy: a part of the plain loop."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from plain_grid import Ints, connected, following, following_corner

MOST_EDGES = 15


def topology(faces: NDArray[np.integer[Any]], n: int, volume: float) -> dict[str, Any]:
    """Counts over the faces (F, 3) of `n` vertices, as `docs/quality.md` defines them."""
    used, (a, b, c) = len(np.unique(faces)), faces.T
    n_pieces = connected(n, np.concatenate([a, b]), np.concatenate([b, c]))[0] - (n - used)
    proper = faces[(a != b) & (b != c) & (c != a)].astype(np.int64)
    start, end = proper.ravel(), following_corner(proper)
    key = np.minimum(start, end) * n + np.maximum(start, end)
    edges, edge, uses = np.unique(key, return_inverse=True, return_counts=True)
    order = np.argsort(edge, kind="stable")
    is_same = edge[order][1:] == edge[order][:-1]
    one, other = order[:-1][is_same], order[1:][is_same]
    is_twisted = start[one] == start[other]
    of_two = uses[edge[one]] == 2
    n_parts, _ = connected(len(proper), one // 3, other // 3)
    is_orientable = _is_orientable(len(proper), one[of_two] // 3, other[of_two] // 3, is_twisted[of_two])
    n_fans, fan = _fans(one, other, is_twisted, len(start))
    vertex_of_fan = np.empty(n_fans, dtype=np.int64)
    vertex_of_fan[fan] = start
    sides = np.flatnonzero(uses[edge] == 1)
    loop = connected(n_fans, fan[sides], fan[following(sides)])[1]
    n_loops = len(np.unique(loop[fan[sides]]))
    n_open, n_crowded = len(sides), int((uses > 2).sum())
    n_twisted = int(is_twisted[of_two].sum())
    is_surface = is_orientable and not n_crowded
    doubled_genus = 2 * n_parts - n_loops - (n_fans - len(edges) + len(proper))
    return {
        "edges": len(edges),
        "boundary": n_open,
        "nonmanifold": n_crowded,
        "inconsistent": n_twisted,
        "nonmanifold_vertices": int((np.bincount(vertex_of_fan, minlength=n) > 1).sum()),
        "components": n_pieces,
        "edge_components": n_parts,
        "loops": n_loops,
        "kind": _kind(len(proper), n_crowded, n_open, n_twisted, volume),
        "watertight": bool(len(proper)) and not n_crowded and not n_open,
        "orientable": is_orientable,
        "consistent": 1 - n_twisted / max(1, int(of_two.sum())),
        "genus": doubled_genus // 2 if is_surface else None,
        **_valences(edges // n, edges % n, uses, n),
    }


def _valences(one: Ints, other: Ints, uses: Ints, n: int) -> dict[str, Any]:
    """How many vertices have 0 to 15 and more edges, and the share of those inside that have six."""
    valence = np.bincount(one, minlength=n) + np.bincount(other, minlength=n)
    is_inner = valence > 0
    is_inner[one[uses != 2]] = is_inner[other[uses != 2]] = False
    histogram = np.bincount(valence[valence > 0].clip(max=MOST_EDGES), minlength=MOST_EDGES + 1)
    regular = float((valence[is_inner] == 6).mean()) if is_inner.any() else None
    return {"valences": histogram.tolist(), "regular": regular}


def _kind(n_faces: int, n_crowded: int, n_open: int, n_twisted: int, volume: float) -> str:
    if not n_faces:
        return "empty"
    if n_crowded:
        return "nonmanifold"
    if n_open:
        return "open"
    if n_twisted:
        return "twisted"
    return "solid" if volume > 0 else "inverted"


def _is_orientable(n_faces: int, one: Ints, other: Ints, is_twisted: NDArray[np.bool_]) -> bool:
    """Whether no face hangs together with itself turned over."""
    across = other + n_faces * is_twisted, other + n_faces * ~is_twisted
    sheet = connected(2 * n_faces, np.concatenate([one, one + n_faces]), np.concatenate(across))[1]
    return bool((sheet[:n_faces] != sheet[n_faces:]).all())


def _fans(one: Ints, other: Ints, is_twisted: NDArray[np.bool_], n: int) -> tuple[int, Ints]:
    """Corners (N,) at a vertex whose faces meet along an edge: how many such sets, and which is whose."""
    ends = np.where(is_twisted, other, following(other)), np.where(is_twisted, following(other), other)
    return connected(n, np.concatenate([one, following(one)]), np.concatenate(ends))
