"""Distances between two point sets P and Q, with d(p, Q) = min_q |p - q|.

"Chamfer distance" names at least six formulas; each has its own long name here, and `cd_l2_sum` is the one
that tables print. Points are (n, 3); distances are in the unit of the points.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

TIE_CANDIDATES = 8


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours in both directions: Euclidean distances, and the lowest index where several tie."""

    p_to_q: NDArray[np.float64]
    q_to_p: NDArray[np.float64]
    p_to_q_index: NDArray[np.int64]
    q_to_p_index: NDArray[np.int64]


def find_neighbours(p: ArrayLike, q: ArrayLike) -> Neighbours:
    """Nearest neighbours of every point in the other set. Raises ValueError where a set is empty."""
    p, q = _points(p), _points(q)
    p_to_q, p_to_q_index = _nearest(p, q)
    q_to_p, q_to_p_index = _nearest(q, p)
    return Neighbours(p_to_q, q_to_p, p_to_q_index, q_to_p_index)


def cd_l2_sum(neighbours: Neighbours) -> float:
    """Mean d(P, Q) + mean d(Q, P)."""
    return float(neighbours.p_to_q.mean() + neighbours.q_to_p.mean())


def cd_l2_half(neighbours: Neighbours) -> float:
    """Half of `cd_l2_sum`; reconstruction papers call it Chamfer-L1."""
    return cd_l2_sum(neighbours) / 2


def cd_l2sq_sum(neighbours: Neighbours) -> float:
    """Mean d(P, Q)^2 + mean d(Q, P)^2; set metrics and PyTorch3D use it."""
    return float((neighbours.p_to_q**2).mean() + (neighbours.q_to_p**2).mean())


def cd_l2sq_half(neighbours: Neighbours) -> float:
    """Half of `cd_l2sq_sum`."""
    return cd_l2sq_sum(neighbours) / 2


def cd_l2_max(neighbours: Neighbours) -> float:
    """The larger of the two mean distances."""
    return float(max(neighbours.p_to_q.mean(), neighbours.q_to_p.mean()))


def cd_manhattan_sum(p: ArrayLike, q: ArrayLike) -> float:
    """Like `cd_l2_sum`, with neighbours and distances in the L1 norm."""
    p, q = _points(p), _points(q)
    return float(KDTree(q).query(p, p=1)[0].mean() + KDTree(p).query(q, p=1)[0].mean())


def hausdorff(neighbours: Neighbours) -> float:
    """The largest distance of either direction. Sampled sets underestimate it: add the vertices."""
    return float(max(neighbours.p_to_q.max(), neighbours.q_to_p.max()))


def hausdorff_percentile(neighbours: Neighbours, percent: float = 90) -> tuple[float, float]:
    """The percentile, linearly interpolated, of each direction: P to Q, Q to P."""
    return (
        float(np.percentile(neighbours.p_to_q, percent)),
        float(np.percentile(neighbours.q_to_p, percent)),
    )


def f_score(neighbours: Neighbours, tau: float) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean, for P the prediction and Q the truth; strictly d < tau."""
    precision = float((neighbours.p_to_q < tau).mean())
    recall = float((neighbours.q_to_p < tau).mean())
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


def normal_consistency(
    neighbours: Neighbours, p_normals: ArrayLike, q_normals: ArrayLike
) -> tuple[float, float]:
    """Mean dot product of the unit normals of neighbours over both directions: signed, and absolute.

    The absolute value cannot see flipped faces; report both.
    """
    p_normals, q_normals = _points(p_normals), _points(q_normals)
    forward = (p_normals * q_normals[neighbours.p_to_q_index]).sum(axis=1)
    backward = (q_normals * p_normals[neighbours.q_to_p_index]).sum(axis=1)
    signed = (forward.mean() + backward.mean()) / 2
    absolute = (np.abs(forward).mean() + np.abs(backward).mean()) / 2
    return float(signed), float(absolute)


def _nearest(p: NDArray[np.float64], q: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    count = min(TIE_CANDIDATES, len(q))
    distances, indices = KDTree(q).query(p, k=count)
    if count == 1:
        return distances, indices
    ties = distances == distances[:, :1]
    return distances[:, 0], np.where(ties, indices, len(q)).min(axis=1)


def _points(values: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"points of shape {points.shape}; give (n, 3) with n >= 1")
    return points
