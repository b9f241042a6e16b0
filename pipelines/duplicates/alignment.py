"""The second, finer look at a pair: lay one mesh on the other and count the vertices that coincide.

Meshes that are merely similar share few vertices; a copy shares all of them, a slightly decimated one most,
a subdivided one all of the coarser mesh's. Poses come from two anchors of one mesh, a far vertex and one
well beside it: each pair of vertices of the other mesh at the same distances and the same angle gives a
rotation and a reflection. A symmetric mesh has many such pairs, and each is right.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.descriptor import LANDMARK_UNIT, LANDMARKS

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SLACK = 0.03
"""How far an anchor's distance may be off: decimation moves the centroid that all is measured from."""
TOLERANCE = 0.02
"""At most so far apart are two vertices that coincide, in root mean square radii."""
SPACING_SHARE = 0.3
"""Nor farther than this share of the vertices' median spacing: dense vertices coincide by chance."""
ANCHORS = 8
POSES = 96
PROBES = 64
ENOUGH = 0.95
REFINEMENTS = 3


class SharedVertices(NamedTuple):
    """Shares of the vertices that lie on a vertex of the other mesh, in the best pose found."""

    of_fewer: float
    """Of the mesh with fewer vertices; of the first where both have as many."""
    of_more: float


def shared_vertices(first: NDArray[np.int16], second: NDArray[np.int16]) -> SharedVertices:
    """Compare the landmarks (L, 3) of two meshes; where some were left out, only where both are complete."""
    from scipy.spatial import cKDTree

    shorter, longer = sorted((first.astype(np.float64), second.astype(np.float64)), key=len)
    fewer, more = _where_both_are_complete(shorter * LANDMARK_UNIT, longer * LANDMARK_UNIT)
    if not len(fewer) or not len(more):
        return SharedVertices(0.0, 0.0)
    tree, tolerance = cKDTree(more), _tolerance(fewer)
    pose = _best_pose(fewer, more, tree)
    if pose is None:
        return SharedVertices(0.0, 0.0)
    moved = _refined(fewer @ pose, more, tree)
    return SharedVertices(_share(tree, moved, tolerance), _share(cKDTree(moved), more, tolerance))


def _where_both_are_complete(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    radii = [np.linalg.norm(points, axis=1) for points in (first, second)]
    complete_from = max((r[-1] for r in radii if len(r) == LANDMARKS), default=0.0)
    return first[radii[0] >= complete_from], second[radii[1] >= complete_from]


def _tolerance(points: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return TOLERANCE
    spacing = float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
    return float(np.clip(SPACING_SHARE * spacing, 4 * LANDMARK_UNIT, TOLERANCE))


def _best_pose(
    fewer: NDArray[np.float64], more: NDArray[np.float64], tree: "cKDTree"
) -> NDArray[np.float64] | None:
    """Orthogonal matrix (3, 3) for which most of some `fewer @ matrix` lie on a vertex of the other mesh."""
    probes = fewer[np.linspace(0, len(fewer) - 1, min(PROBES, len(fewer))).astype(int)]
    best, best_share = None, 0.0
    for anchor in fewer[np.linspace(0, len(fewer) // 2, ANCHORS).astype(int)]:
        beside = np.linalg.norm(np.cross(anchor, fewer), axis=1)
        if beside.max() < SLACK:
            continue
        partner = fewer[beside.argmax()]
        for pose in _poses(anchor, partner, more):
            share = _share(tree, probes @ pose, TOLERANCE)
            if share > best_share:
                best, best_share = pose, share
            if share >= ENOUGH:
                return best
    return best


def _poses(
    anchor: NDArray[np.float64], partner: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Orthogonal matrices (P, 3, 3) that bring anchor and partner to two points, the best fit first."""
    radii = np.linalg.norm(points, axis=1)
    off_1, off_2 = (np.abs(radii - np.linalg.norm(vector)) for vector in (anchor, partner))
    near_1, near_2 = np.flatnonzero(off_1 < SLACK), np.flatnonzero(off_2 < SLACK)
    off = (
        np.abs(points[near_1] @ points[near_2].T - anchor @ partner)
        + off_1[near_1][:, None]
        + off_2[near_2][None]
    ).ravel()
    chosen = np.argsort(off, kind="stable")[:POSES]
    chosen = chosen[off[chosen] < 2 * SLACK]
    ours = _frame(anchor[None], partner[None])[0]
    theirs = _frame(points[near_1[chosen // len(near_2)]], points[near_2[chosen % len(near_2)]])
    mirrored = ours * np.array([[1.0], [1.0], [-1.0]])
    found = np.stack([ours.T @ theirs, mirrored.T @ theirs], axis=1).reshape(-1, 3, 3)
    return found[np.isfinite(found).all(axis=(1, 2))]


def _frame(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal rows (N, 3, 3): along the first vectors, in their plane with the second, across it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        along = first / np.linalg.norm(first, axis=1, keepdims=True)
        across = np.cross(first, second)
        across = across / np.linalg.norm(across, axis=1, keepdims=True)
    return np.stack([along, np.cross(across, along), across], axis=1)


def _share(tree: "cKDTree", points: NDArray[np.float64], tolerance: float) -> float:
    distances, _ = tree.query(points, distance_upper_bound=tolerance)
    return float(np.isfinite(distances).mean())


def _refined(
    points: NDArray[np.float64], others: NDArray[np.float64], tree: "cKDTree"
) -> NDArray[np.float64]:
    """Points (N, 3) moved, turned and scaled so that those near another point fit best (Umeyama 1991)."""
    for _ in range(REFINEMENTS):
        distances, nearest = tree.query(points, distance_upper_bound=TOLERANCE)
        is_near = np.isfinite(distances)
        if is_near.sum() < 3:
            break
        ours, theirs = points[is_near], others[nearest[is_near]]
        centre, target = ours.mean(axis=0), theirs.mean(axis=0)
        left, lengths, right = np.linalg.svd((ours - centre).T @ (theirs - target))
        scale = lengths.sum() / max(((ours - centre) ** 2).sum(), np.finfo(float).tiny)
        points = (points - centre) @ (left @ right) * scale + target
    return points
