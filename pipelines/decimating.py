"""Fewer faces for a mesh that is too fine: what the settings' `decimate` asks for.

MeshGPT (arXiv 2311.15475) trains on planar decimations of at most 800 faces that stay close to the shape.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.measuring import bounding_box_diagonal
from pipelines.settings import DecimationSettings
from pipelines.simplifying import simplify


class DecimationError(ValueError):
    """A mesh that cannot be simplified as far as asked: what came of it."""


def decimate(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], settings: DecimationSettings
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Simplify a clean mesh (V, 3), (F, 3) to at most `settings.faces` faces; one that has no more stays.

    Raises DecimationError where too many faces or none are left, or a vertex of either surface is farther
    from the other than `settings.distance` of the bounding box's diagonal.
    """
    import tokenizer_rs

    if len(faces) <= settings.faces:
        return vertices, faces
    left = simplify(vertices, faces, settings.faces)
    if not 0 < len(left[1]) <= settings.faces:
        raise DecimationError(
            f"{len(faces)} faces became {len(left[1])}, asked for 1 to {settings.faces}; raise decimate.faces"
        )
    distance = tokenizer_rs.vertex_distance((vertices, faces), left) / bounding_box_diagonal(vertices)
    if distance > settings.distance:
        raise DecimationError(
            f"{len(faces)} faces became {len(left[1])} at a distance of {distance:.4f} of the diagonal, more "
            f"than {settings.distance:g}; raise decimate.faces or decimate.distance"
        )
    return left
