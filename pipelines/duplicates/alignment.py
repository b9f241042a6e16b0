"""The second, finer look at a pair: lay one mesh on the other and count the vertices that coincide.

Meshes that are merely similar share few vertices; a copy shares all of them, a slightly decimated one most,
a subdivided one all of the coarser mesh's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.descriptor import LANDMARK_UNIT, LANDMARKS

TOLERANCE = 0.02
"""At most so far apart are two vertices that coincide, in root mean square radii."""
SPACING_SHARE = 0.3
"""Nor farther than this share of the vertices' median spacing: dense vertices coincide by chance."""
REFINEMENTS = 3


class SharedVertices(NamedTuple):
    """Shares of the vertices that lie on a vertex of the other mesh, in the best pose found."""

    of_fewer: float
    """Of the mesh with fewer vertices; of the first where both have as many."""
    of_more: float


def shared_vertices(first: NDArray[np.int16], second: NDArray[np.int16]) -> SharedVertices:
    """Compare the landmarks (L, 3) of two meshes; where some were left out, only where both are complete."""
    import tokenizer_rs

    shorter, longer = sorted((first.astype(np.float64), second.astype(np.float64)), key=len)
    fewer, more = _where_both_are_complete(shorter * LANDMARK_UNIT, longer * LANDMARK_UNIT)
    if not len(fewer) or not len(more):
        return SharedVertices(0.0, 0.0)
    pose = tokenizer_rs.best_alignment(fewer, more, TOLERANCE)
    if pose is None:
        return SharedVertices(0.0, 0.0)
    tolerance = _tolerance(fewer)
    moved = _refined(fewer @ pose, more)
    return SharedVertices(_share(moved, more, tolerance), _share(more, moved, tolerance))


def compare_landmarks(task: tuple[NDArray[np.int16], NDArray[np.int16]]) -> SharedVertices:
    """The same in a worker."""
    return shared_vertices(*task)


def _where_both_are_complete(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    radii = [np.linalg.norm(points, axis=1) for points in (first, second)]
    complete_from = max((r[-1] for r in radii if len(r) == LANDMARKS), default=0.0)
    return first[radii[0] >= complete_from], second[radii[1] >= complete_from]


def _tolerance(points: NDArray[np.float64]) -> float:
    import tokenizer_rs

    if len(points) < 2:
        return TOLERANCE
    spacing = float(np.median(tokenizer_rs.point_spacing(points)))
    return float(np.clip(SPACING_SHARE * spacing, 4 * LANDMARK_UNIT, TOLERANCE))


def _share(points: NDArray[np.float64], others: NDArray[np.float64], tolerance: float) -> float:
    import tokenizer_rs

    return float((tokenizer_rs.nearest_points(points, others, tolerance) >= 0).mean())


def _refined(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 3) moved, turned and scaled so that those near another point fit best (Umeyama 1991)."""
    import tokenizer_rs

    for _ in range(REFINEMENTS):
        nearest = tokenizer_rs.nearest_points(points, others, TOLERANCE)
        is_near = nearest >= 0
        if is_near.sum() < 3:
            break
        ours, theirs = points[is_near], others[nearest[is_near]]
        centre, target = ours.mean(axis=0), theirs.mean(axis=0)
        left, lengths, right = np.linalg.svd((ours - centre).T @ (theirs - target))
        scale = lengths.sum() / max(((ours - centre) ** 2).sum(), np.finfo(float).tiny)
        points = (points - centre) @ (left @ right) * scale + target
    return points
