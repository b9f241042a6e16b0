"""One name for all copies of a mesh that are the same numbers up to order, place, size and axes."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def geometry_hash(
    vertices: NDArray[np.float64], faces: NDArray[np.integer], mirror_images: bool = True
) -> str:
    """Name the triangles of a mesh (V, 3), (F, 3) as 64 hex digits: the sha256 of `canonical_triangles`.

    The same for any order of vertices, faces and corners, duplicate and unused vertices, translation,
    uniform scale, flipped faces, and the 24 rotations that map axes to axes; with `mirror_images` also for
    reflections. Face counts stay: a face that is there twice is counted twice.

    Rounding in the last digits is forgiven unless a coordinate lies within it of the border between two
    cells, 1 / 1024 of the longest side apart; then the names differ. Meshes of equal names agree to half
    a cell.
    """
    import tokenizer_rs

    triangles = tokenizer_rs.canonical_triangles(vertices, faces, mirror_images)
    return hashlib.sha256(triangles.astype("<u8", copy=False).tobytes()).hexdigest()
