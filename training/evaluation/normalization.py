"""Where a mesh lies and how large it is, before anything is compared.

Paired metrics move prediction and truth by the truth's own transform: a mesh that is normalised by itself
hides errors of scale and place.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Normalization:
    """`(vertices - centre) * scale`."""

    centre: NDArray[np.float64]
    scale: float

    def apply(self, vertices: ArrayLike) -> NDArray[np.float64]:
        """Moved and scaled vertices (V, 3)."""
        return (np.asarray(vertices, dtype=np.float64) - self.centre) * self.scale

    @classmethod
    def half_extent(cls, vertices: ArrayLike, half: float) -> Self:
        """Bounding-box centre at 0, longest half side `half`. Raises ValueError for a single point."""
        low, high = _bounds(vertices)
        return cls((low + high) / 2, 2 * half / _positive(float((high - low).max())))

    @classmethod
    def unit_longest_side(cls, vertices: ArrayLike) -> Self:
        """Bounding-box centre at 0, longest side 1."""
        return cls.half_extent(vertices, 0.5)

    @classmethod
    def unit_sphere(cls, vertices: ArrayLike, radius: float = 1.0) -> Self:
        """Bounding-box centre at 0, farthest vertex at `radius`."""
        low, high = _bounds(vertices)
        centre = (low + high) / 2
        farthest = np.linalg.norm(np.asarray(vertices, dtype=np.float64) - centre, axis=1).max()
        return cls(centre, radius / _positive(float(farthest)))


def bounding_diagonal(vertices: ArrayLike) -> float:
    """Length of the bounding box's diagonal."""
    low, high = _bounds(vertices)
    return float(np.linalg.norm(high - low))


def _bounds(vertices: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.asarray(vertices, dtype=np.float64)
    return points.min(axis=0), points.max(axis=0)


def _positive(size: float) -> float:
    if not size > 0:
        raise ValueError(f"vertices have an extent of {size}; nothing to normalise by")
    return size
