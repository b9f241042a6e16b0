"""What one visit of a training mesh makes of it.

Every draw happens whether or not it is used, so that one option does not move the others; a new one is drawn
from `further`, after those that are there, so that runs of before see what they saw.
"""

import numpy as np
import tokenizer_rs
from numpy.typing import NDArray

from pipelines.simplifying import simplify
from training.settings import AugmentSettings
from training.surface import HALF_EXTENT, Mesh, normalize_half_extent, rotate_azimuth


def augment(
    mesh: Mesh, settings: AugmentSettings, random: np.random.Generator, further: np.random.Generator
) -> tuple[Mesh, float]:
    """The mesh as this visit sees it, and the standard deviation of the noise on its cloud.

    It is decimated, its axes are scaled (a box stays one), then it is turned, normalised, and shifted.
    Raises NoSurfaceError.
    """
    degrees = random.uniform(0, 360)
    half_extent = random.uniform(*settings.scale_range)
    noise = settings.noise_sigma if random.random() < settings.noise_probability else 0.0
    factors = further.uniform(*(settings.axis_scale_range or (1.0, 1.0)), size=3)
    directions = further.uniform(-1, 1, size=3)
    share = further.uniform(*(settings.decimate or (1.0, 1.0)))
    if not settings.changes_mesh:
        return mesh, noise
    if settings.decimate is not None:
        mesh = _decimated(mesh, share, settings.decimate_distance)
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    if settings.axis_scale_range is not None:
        vertices = vertices * factors
    if settings.rotate:
        vertices = rotate_azimuth(vertices, degrees)
    vertices = normalize_half_extent(vertices, half_extent if settings.scale else HALF_EXTENT)
    if settings.shift is not None:
        vertices = vertices + _within(vertices, directions * settings.shift)
    return Mesh(vertices, mesh.faces), noise


def _decimated(mesh: Mesh, share: float, distance: float) -> Mesh:
    """The mesh with this share of its faces; itself where that moves a vertex too far, or leaves nothing."""
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32)
    n_faces = round(share * len(faces))
    if not 0 < n_faces < len(faces):
        return mesh
    left = simplify(vertices, faces, n_faces)
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    if len(left[1]) == 0 or tokenizer_rs.vertex_distance((vertices, faces), left) > distance * diagonal:
        return mesh
    return Mesh(*left)


def _within(vertices: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """As much of a shift as leaves a centred mesh within the box of meshes in the shards."""
    room = HALF_EXTENT - vertices.max(axis=0)
    return np.clip(shift, -room, room)
