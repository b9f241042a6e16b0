"""What stays of a mesh when it is moved, scaled, rotated, mirrored or stored in another way.

The surface is a distribution of mass around its centroid, in units of its root mean square radius. For each
of nine shells of radius and each degree of the spherical harmonics, the length of the coefficients is the
same for every rotation and reflection (Kazhdan, Funkhouser, Rusinkiewicz 2003, "Rotation invariant spherical
harmonic representation of 3D shape descriptors"). The directions of the faces add the even degrees of their
own distribution. Integrals are sums over small congruent pieces of each triangle: nothing is random, and
neither the order of vertices or faces nor the way a surface is cut into triangles matters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.geometry_hash import geometry_hash

DEGREES = 9
SHELLS = 9
OUTERMOST = 2.4
"""Centre of the last shell, which also holds all that is farther out."""
NORMAL_DEGREES = slice(2, DEGREES, 2)
"""Degrees of the faces' directions: the even ones, which do not know inside from outside."""
SIZE = SHELLS * DEGREES + len(range(DEGREES)[NORMAL_DEGREES])
UNIT = 1 / 65535
"""Of a stored descriptor."""
PIECES = 16384
"""How many pieces a surface is cut into, roughly; at least one a triangle."""
LANDMARKS = 2048
"""At most so many vertices are kept, the farthest from the centroid."""
LANDMARK_UNIT = 1 / 1024
"""Of a stored landmark, in root mean square radii."""
_PIECES_AT_ONCE = 1 << 10
"""So many fit in the processor's cache with all their harmonics."""
_DEGREE, _ORDER = np.tril_indices(DEGREES)


@dataclass(frozen=True)
class Description:
    """What the search for duplicates knows of a mesh."""

    geometry_hash: str
    descriptor: NDArray[np.uint16]
    """(SIZE,), in UNIT"""
    landmarks: NDArray[np.int16]
    """(L, 3), distinct vertices in LANDMARK_UNIT from the centroid, the farthest first"""

    def distance(self, other: "Description") -> float:
        """Euclidean distance of the descriptors: 0 for a rotated copy, about 1 at most."""
        return float(np.linalg.norm(self.descriptor.astype(float) - other.descriptor) * UNIT)


class NoSurfaceError(ValueError):
    """A mesh without area: it has no shape that could be compared."""


def describe(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> Description:
    """Describe the mesh (V, 3), (F, 3).

    Raises NoSurfaceError where its area is zero, or lost in float64.
    """
    name = geometry_hash(vertices, faces)
    # the bounding box first, so that no square of a coordinate overflows or vanishes
    used = vertices[faces.ravel()]
    low, high = used.min(axis=0), used.max(axis=0)
    longest = float((high - low).max())
    if not longest > np.finfo(np.float64).tiny:
        raise NoSurfaceError("all vertices lie in one point")
    triangles = ((used - (low / 2 + high / 2)) / longest).reshape(-1, 3, 3)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    doubled = np.linalg.norm(normals, axis=1)
    has_area = doubled > 0
    if not has_area.any():
        raise NoSurfaceError("no triangle has an area")
    mass = doubled[has_area] / doubled.sum()
    pieces, piece_mass = _pieces(triangles[has_area], mass)
    centroid = piece_mass @ pieces
    radius = float(np.sqrt(piece_mass @ ((pieces - centroid) ** 2).sum(axis=1)))
    lengths = [
        _shell_lengths((pieces - centroid) / radius, piece_mass).ravel(),
        _lengths(normals[has_area] / doubled[has_area, None], mass[:, None])[0, NORMAL_DEGREES],
    ]
    descriptor = np.rint(np.concatenate(lengths) / UNIT).clip(0, 65535).astype(np.uint16)
    return Description(name, descriptor, _landmarks((triangles.reshape(-1, 3) - centroid) / radius))


def _pieces(
    triangles: NDArray[np.float64], mass: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids (P, 3) and masses (P,) of the congruent pieces of all triangles, n x n of each."""
    n_cuts = np.ceil(np.sqrt(mass * PIECES)).astype(int).clip(1)
    points, masses = [], []
    for n in np.unique(n_cuts):
        some = n_cuts == n
        origin, side_1, side_2 = (
            triangles[some, 0],
            triangles[some, 1] - triangles[some, 0],
            triangles[some, 2] - triangles[some, 0],
        )
        i, j = (index.ravel() for index in np.indices((n, n)))
        upright, turned = i + j < n, i + j < n - 1
        s = np.concatenate([i[upright] + 1 / 3, i[turned] + 2 / 3]) / n
        t = np.concatenate([j[upright] + 1 / 3, j[turned] + 2 / 3]) / n
        points.append(
            (origin[:, None] + s[:, None] * side_1[:, None] + t[:, None] * side_2[:, None]).reshape(-1, 3)
        )
        masses.append(np.repeat(mass[some] / n**2, n**2))
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
