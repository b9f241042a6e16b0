"""What `tokenizer_rs` says of a shape for the search of duplicates, in numpy: a part of the plain loop."""

import functools
import hashlib
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.descriptor import DEGREES, LANDMARK_UNIT, LANDMARKS, SHELLS, UNIT

OUTERMOST = 2.4
NORMAL_DEGREES = slice(2, DEGREES, 2)
PIECES, LIGHT, ROUNDING = 4096, 1 / 16384, 1 + 1e-9
_PIECES_AT_ONCE = 1 << 10
"""So many fit in the processor's cache with all their harmonics."""
_DEGREE, _ORDER = np.tril_indices(DEGREES)
GRID = 1024
_BITS = 11  # a coordinate of the grid, from 0 to GRID
_MASK = (1 << _BITS) - 1
_FACES_AT_ONCE = 1 << 15
"""Of all poses that are hashed together: so many fit in the processor's cache."""


def canonical_hash(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> str:
    """What `pipelines.duplicates.geometry_hash` gives."""
    corners = vertices[faces.ravel()]
    low, high = corners.min(axis=0), corners.max(axis=0)
    longest = float((high - low).max()) or 1.0
    on_grid = np.rint((corners - (low / 2 + high / 2)) * (GRID / longest)).astype(np.int64)
    codes, corner_code = np.unique(_codes(on_grid), return_inverse=True)
    indices = corner_code.reshape(-1, 3)
    cells = np.stack([codes >> 2 * _BITS, codes >> _BITS & _MASK, codes & _MASK], axis=1) - GRID // 2
    axes, signs = _symmetries()
    best = int(np.argmin(_pose_hashes(cells, indices, axes, signs)))
    chosen = _codes(cells[:, axes[best]] * signs[best])
    faces_in_pose = np.sort(chosen[indices], axis=1)
    ordered = faces_in_pose[np.lexsort(faces_in_pose.T[::-1])]
    return hashlib.sha256(ordered.astype("<i8").tobytes()).hexdigest()


@functools.cache
def _symmetries() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 48 axis permutations (48, 3) with their signs (48, 3)."""
    found = list(product(permutations(range(3)), product((1, -1), repeat=3)))
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


def describe(
    vertices: NDArray[np.float64], faces: NDArray[np.integer]
) -> tuple[str, NDArray[np.uint16], NDArray[np.int16]]:
    """Describe the mesh (V, 3), (F, 3).

    Raises ValueError where its area is zero, or lost in float64.
    """
    name = canonical_hash(vertices, faces)
    # the bounding box first, so that no square of a coordinate overflows or vanishes
    used = vertices[faces.ravel()]
    low, high = used.min(axis=0), used.max(axis=0)
    longest = float((high - low).max())
    if not longest > np.finfo(np.float64).tiny:
        raise ValueError("all vertices lie in one point")
    triangles = ((used - (low / 2 + high / 2)) / longest).reshape(-1, 3, 3)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    doubled = np.linalg.norm(normals, axis=1)
    has_area = doubled > 0
    if not has_area.any():
        raise ValueError("no triangle has an area")
    mass = doubled[has_area] / doubled.sum()
    pieces, piece_mass = _pieces(triangles[has_area], mass)
    centroid = piece_mass @ pieces
    radius = float(np.sqrt(piece_mass @ ((pieces - centroid) ** 2).sum(axis=1)))
    lengths = [
        _shell_lengths((pieces - centroid) / radius, piece_mass).ravel(),
        _lengths(normals[has_area] / doubled[has_area, None], mass[:, None])[0, NORMAL_DEGREES],
    ]
    descriptor = np.rint(np.concatenate(lengths) / UNIT).clip(0, 65535).astype(np.uint16)
    return name, descriptor, _landmarks((triangles.reshape(-1, 3) - centroid) / radius)


def _pieces(
    triangles: NDArray[np.float64], mass: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids (P, 3) and masses (P,) of pieces: triangles halved across their longest side until they are
    small or light enough."""
    sides = triangles[:, 1:] - triangles[:, :1]
    small = 4 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).sum() / 2 / PIECES
    points, masses = [], []
    while len(triangles):
        squared = ((np.roll(triangles, -1, axis=1) - triangles) ** 2).sum(axis=2)
        is_done = (squared.max(axis=1) <= small * ROUNDING) | (mass <= LIGHT * ROUNDING)
        points.append(triangles[is_done].mean(axis=1))
        masses.append(mass[is_done])
        squared = squared[~is_done]
        longest = (squared * ROUNDING >= squared.max(axis=1, keepdims=True)).argmax(axis=1)
        turned = (longest[:, None] + np.arange(3)) % 3
        start, end, opposite = np.take_along_axis(triangles[~is_done], turned[..., None], 1).swapaxes(0, 1)
        middle = (start + end) / 2
        triangles = np.concatenate(
            [np.stack([start, middle, opposite], axis=1), np.stack([middle, end, opposite], axis=1)]
        )
        mass = np.tile(mass[~is_done] / 2, 2)
    return np.concatenate(points), np.concatenate(masses)


def _shell_lengths(points: NDArray[np.float64], mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths (SHELLS, DEGREES) of the mass at `points` (P, 3), each shared between its two shells."""
    radii = np.linalg.norm(points, axis=1)
    directions = points / np.maximum(radii, np.finfo(np.float64).tiny)[:, None]
    place = np.minimum(radii / (OUTERMOST / (SHELLS - 1)), SHELLS - 1)
    shells = np.minimum(place.astype(int), SHELLS - 2)[:, None] + [0, 1]
    shares = mass[:, None] * np.cos(np.pi / 2 * np.abs(place[:, None] - shells)) ** 2
    weights = np.zeros((len(points), SHELLS))
    np.put_along_axis(weights, shells, shares, axis=1)
    return _lengths(directions, weights)


def _lengths(directions: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the coefficients of each degree (S, DEGREES) of weights (P, S) at unit directions (P, 3).

    Scaled so that all weight in one direction gives the weight itself in every degree.
    """
    coefficients = np.zeros((2 * len(_DEGREE), weights.shape[1]))
    for start in range(0, len(directions), _PIECES_AT_ONCE):
        part = slice(start, start + _PIECES_AT_ONCE)
        coefficients += _harmonics(directions[part]) @ weights[part]
    both_signs = np.where(_ORDER > 0, 2, 1)[:, None]
    squares = both_signs * (coefficients**2).reshape(2, len(_DEGREE), -1).sum(axis=0)
    of_degree = np.add.reduceat(squares, np.searchsorted(_DEGREE, np.arange(DEGREES)))
    return np.sqrt(of_degree / (2 * np.arange(DEGREES) + 1)[:, None]).T


def _harmonics(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonics (2 * rows, P): the real parts of all rows, then the imaginary, by Legendre's recursion.

    A row is a degree and an order up to it, as in _DEGREE and _ORDER; a step takes all orders of a degree.
    """
    x, y, z = np.ascontiguousarray(directions.T)
    turning = np.ones((DEGREES, len(z)), dtype=complex)
    for order in range(1, DEGREES):
        turning[order] = turning[order - 1] * (x + 1j * y)
    real, imaginary = np.ascontiguousarray(turning.real), np.ascontiguousarray(turning.imag)
    found = np.empty((2, len(_DEGREE), len(z)))
    legendre = before = np.zeros((0, len(z)))
    row, diagonal = 0, 1.0
    for degree in range(DEGREES):
        orders = np.arange(degree)[:, None]
        rise = np.sqrt((4 * degree**2 - 1) / (degree**2 - orders**2))
        fall = np.sqrt(((degree - 1) ** 2 - orders[:-1] ** 2) / (4 * (degree - 1) ** 2 - 1))
        after = np.empty((degree + 1, len(z)))
        np.multiply(z, legendre, out=after[:-1])
        after[: len(before)] -= fall * before
        after[:-1] *= rise
        diagonal *= np.sqrt((2 * degree + 1) / (2 * degree)) if degree else 1.0
        after[-1] = diagonal
        before, legendre = legendre, after
        rows = slice(row, row := row + degree + 1)
        np.multiply(real[: degree + 1], legendre, out=found[0, rows])
        np.multiply(imaginary[: degree + 1], legendre, out=found[1, rows])
    return found.reshape(2 * len(_DEGREE), len(z))


def _landmarks(points: NDArray[np.float64]) -> NDArray[np.int16]:
    """Distinct points (L, 3), the farthest first; the same for any order of the points."""
    limit = np.iinfo(np.int16).max
    rounded = np.rint(points / LANDMARK_UNIT).clip(-limit, limit).astype(np.int64)
    x, y, z = (rounded + limit).T
    _, first = np.unique((x << 16 | y) << 16 | z, return_index=True)
    distinct = rounded[first]
    farthest = np.argsort(-(distinct**2).sum(axis=1), kind="stable")[:LANDMARKS]
    return distinct[farthest].astype(np.int16)
