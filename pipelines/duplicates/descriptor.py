"""What stays of a mesh when it is moved, scaled, rotated, mirrored or stored in another way.

The numbers are `tokenizer_rs.describe_shape`'s; here is what they are called and how two of them compare.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.geometry_hash import geometry_hash

DEGREES = 9
SHELLS = 9
SIZE = SHELLS * DEGREES + 4
"""Every degree of every shell, then four of the faces' directions."""
UNIT = 1 / 65535
"""Of a stored descriptor."""
LANDMARKS = 2048
"""At most so many vertices are kept, the farthest from the centroid."""
LANDMARK_UNIT = 1 / 1024
"""Of a stored landmark, in root mean square radii."""


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
    import tokenizer_rs

    shape = tokenizer_rs.describe_shape(vertices, faces)
    if shape is None:
        raise NoSurfaceError("it has no triangle with an area")
    return Description(geometry_hash(vertices, faces), *shape)
