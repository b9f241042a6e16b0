"""Points on the surface of a mesh: what a generator is conditioned on, and what is compared.

Everything is a function of its generator, and `generator(seed, "mesh name", "purpose")` is the same on every
machine, whoever asks first.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HALF_EXTENT = 0.95  # half of the longest side of a mesh in the shards


class Mesh(NamedTuple):
    """Triangles: vertices (V, 3) floating point, faces (F, 3) integer."""

    vertices: NDArray[np.floating]
    faces: NDArray[np.integer]


class NoSurfaceError(ValueError):
    """There is nothing to sample: no face, no area, or coordinates that are not finite."""


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Random numbers that depend on `seed` and `names` alone."""
    digest = hashlib.sha256("\0".join([str(seed), *map(str, names)]).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def face_cross_products(mesh: Mesh) -> NDArray[np.float64]:
    """Normal of each face times twice its area, (F, 3)."""
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def face_probabilities(mesh: Mesh) -> NDArray[np.float64]:
    """Share of each face in the total area, (F,).

    Raises NoSurfaceError.
    """
    areas = np.linalg.norm(face_cross_products(mesh), axis=1) / 2
    total = areas.sum()
    if len(areas) == 0 or not np.isfinite(total) or total <= 0:
        raise NoSurfaceError(f"{len(areas)} faces with a total area of {total}")
    return areas / total


def sample_surface(
    mesh: Mesh, count: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw `count` area-weighted points (count, 3) and the unit normals of their faces (count, 3).

    Raises NoSurfaceError.
    """
    probabilities = face_probabilities(mesh)
    crosses = face_cross_products(mesh)
    chosen = random.choice(len(probabilities), size=count, p=probabilities)
    r1, r2 = random.random((2, count, 1))
    root = np.sqrt(r1)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces[chosen]]
    points = (1 - root) * corners[:, 0] + root * (1 - r2) * corners[:, 1] + root * r2 * corners[:, 2]
    normals = crosses[chosen] / np.linalg.norm(crosses[chosen], axis=1, keepdims=True)
    return points, normals


def condition_cloud(
    mesh: Mesh,
    count: int,
    random: np.random.Generator,
    pool: int | None = None,
    noise_sigma: float = 0.0,
) -> NDArray[np.float32]:
    """Condition of one mesh: (count, 6) points and normals, rounded to float16 as the reference rounds them.

    With `pool`, that many points are drawn and `count` of them chosen without replacement, which is what the
    reference does with 50 000; the distribution of the result is the same.
    Raises NoSurfaceError.
    """
    points, normals = sample_surface(mesh, pool or count, random)
    if noise_sigma > 0:
        points = points + random.normal(0.0, noise_sigma, points.shape)
    cloud = np.concatenate([points, normals], axis=1).astype(np.float16).astype(np.float32)
    if pool:
        cloud = cloud[random.choice(pool, size=count, replace=False)]
    return cloud


def rotate_azimuth(vertices: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turn about +y by minus `degrees`, as the reference's rotation augmentation does (its section 5.2)."""
    angle = np.deg2rad(-degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return vertices @ rotation.T


def normalize_half_extent(vertices: NDArray[np.float64], half_extent: float) -> NDArray[np.float64]:
    """Centre the bounding box at 0 and make its longest half side `half_extent`.

    Raises NoSurfaceError where all vertices are one point.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    longest = float((high - low).max())
    if not longest > 0:
        raise NoSurfaceError("all vertices are one point")
    return (vertices - (low + high) / 2) * (2 * half_extent / longest)
