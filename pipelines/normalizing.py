"""What happens to a mesh between loading and tokenising: into the cube, and the pre-clean.

The statistics of a data set are those of `pre_clean(normalize(vertices), faces)`: normalised first, and
not again.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.measuring import bounding_box

BOUND = 0.95


class ZeroExtentError(ValueError):
    """All vertices lie in one point: there is nothing to normalise."""


def normalize(vertices: NDArray[np.float64], bound: float = BOUND) -> NDArray[np.float64]:
    """Centre the bounding box on the origin and make its longest side `2 * bound`; (V, 3) to (V, 3).

    All vertices count for the box, referenced or not.
    Raises ZeroExtentError where the box is a point, or so small that it vanishes in float64.
    """
    low, high = bounding_box(vertices)
    longest = float((high - low).max())
    if not longest > np.finfo(np.float64).tiny:
        raise ZeroExtentError(f"the bounding box of {len(vertices)} vertices is a point")
    # halves first, so that the sum of two large numbers cannot overflow
    return (vertices - (low / 2 + high / 2)) * (2 * bound / longest)


def pre_clean(
    vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Clean as MeshLab's filters do: (V, 3), (F, 3) to what is left of them, perhaps nothing.

    Unreferenced vertices go, vertices within 1e-4 of the bounding box's diagonal merge, duplicate faces and
    faces without area go. No component is removed, and nothing non-manifold is repaired here.
    """
    import tokenizer_rs

    return tokenizer_rs.pre_clean(vertices, faces)
