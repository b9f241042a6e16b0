"""Shape of single triangles, and what a sequence costs per triangle."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def triangle_quality(vertices: ArrayLike, faces: ArrayLike) -> NDArray[np.float64]:
    """4 sqrt(3) area / (sum of squared sides), (F,): 1 for equilateral triangles, 0 for degenerate ones."""
    corners = np.asarray(vertices, dtype=np.float64)[np.asarray(faces, dtype=np.int64)]
    sides = np.roll(corners, -1, axis=1) - corners
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    squares = (sides**2).sum(axis=(1, 2))
    quality = np.zeros(len(area))
    return np.divide(4 * math.sqrt(3) * area, squares, out=quality, where=squares > 0)


def compression_ratio(n_tokens: float, n_faces: float) -> float:
    """Tokens / (9 faces): 1 for raw coordinates. Over a data set, give the two sums."""
    return n_tokens / (9 * n_faces)


def bits_per_face(n_tokens: float, n_faces: float, vocabulary: int) -> float:
    """Tokens per face times the bits of one token."""
    return n_tokens / n_faces * math.log2(vocabulary)
