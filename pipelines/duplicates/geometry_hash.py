"""One name for all copies of a mesh that are the same numbers up to order, place, size and axes.

The mesh is centred, scaled to its longest side and put on a grid of GRID cells. Each of the signed axis
permutations gives it one of 24 poses, 48 with mirror images. A hash that ignores the order of faces selects
a pose, and the sha256 of that pose's sorted triangles is the name. Poses that tie are the same triangles.
"""

import functools
import hashlib
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

GRID = 1024
_BITS = 11  # a coordinate of the grid, from 0 to GRID
_MASK = (1 << _BITS) - 1
_FACES_AT_ONCE = 1 << 15
"""Of all poses that are hashed together: so many fit in the processor's cache."""


def geometry_hash(
    vertices: NDArray[np.float64], faces: NDArray[np.integer], mirror_images: bool = True
) -> str:
    """Name the triangles of a mesh (V, 3), (F, 3) as 64 hex digits.

    The same for any order of vertices, faces and corners, duplicate and unused vertices, translation,
    uniform scale, flipped faces, and the 24 rotations that map axes to axes; with `mirror_images` also for
    reflections. Face counts stay: a face that is there twice is counted twice.

    Rounding in the last digits is forgiven unless a coordinate lies within it of the border between two
    cells, 1 / 1024 of the longest side apart; then the names differ. Meshes of equal names agree to half
    a cell.
    """
    corners = vertices[faces.ravel()]
    low, high = corners.min(axis=0), corners.max(axis=0)
    longest = float((high - low).max()) or 1.0
    on_grid = np.rint((corners - (low / 2 + high / 2)) * (GRID / longest)).astype(np.int64)
    codes, corner_code = np.unique(_codes(on_grid), return_inverse=True)
    indices = corner_code.reshape(-1, 3)
    cells = np.stack([codes >> 2 * _BITS, codes >> _BITS & _MASK, codes & _MASK], axis=1) - GRID // 2
    axes, signs = _symmetries(mirror_images)
    best = int(np.argmin(_pose_hashes(cells, indices, axes, signs)))
    chosen = _codes(cells[:, axes[best]] * signs[best])
    faces_in_pose = np.sort(chosen[indices], axis=1)
    ordered = faces_in_pose[np.lexsort(faces_in_pose.T[::-1])]
    return hashlib.sha256(ordered.astype("<i8").tobytes()).hexdigest()


@functools.cache
def _symmetries(mirror_images: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Axis permutations (S, 3) and their signs (S, 3): 48, or the 24 of determinant 1."""
    found = []
    for axes in permutations(range(3)):
        parity = np.linalg.det(np.eye(3)[list(axes)])
        for signs in product((1, -1), repeat=3):
            if mirror_images or parity * np.prod(signs) > 0:
                found.append((axes, signs))
    axes, signs = np.array(found).transpose(1, 0, 2)
    return axes, signs


def _codes(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cells (..., 3), from -GRID / 2 to GRID / 2, as one number each."""
    x, y, z = np.moveaxis(cells + GRID // 2, -1, 0)
    return (x << _BITS | y) << _BITS | z


def _pose_hashes(
    cells: NDArray[np.int64], indices: NDArray[np.int64], axes: NDArray[np.int64], signs: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """A 64-bit number (S,) of the faces in each pose, whatever their order and that of their corners (F, 3):
    sums of mixed numbers."""
    at_once = max(1, _FACES_AT_ONCE // len(indices))
    found = []
    for start in range(0, len(axes), at_once):
        some = slice(start, start + at_once)
        posed = cells.T[axes[some]] * signs[some, :, None]  # (S, 3, N)
        mixed = _mixed(_codes(np.moveaxis(posed, 1, -1)).astype(np.uint64))
        first, second, third = (mixed[:, corner] for corner in indices.T)
        found.append(_mixed(first + second + third).sum(axis=1, dtype=np.uint64))
    return np.concatenate(found)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit of 64-bit numbers over all others (the finaliser of splitmix64)."""
    mixed = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)
