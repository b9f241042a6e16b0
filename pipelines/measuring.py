"""Topology counts of a mesh, after welding exactly equal float32 positions."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

MEASURES = (
    "vertices",
    "faces",
    "edges",
    "boundary_edges",
    "nonmanifold_edges",
    "inconsistent_edges",
    "nonmanifold_vertices",
    "components",
    "degenerate_faces",
    "duplicate_faces",
    "watertight",
)


def measure(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> dict[str, int | bool]:
    """Counts of the mesh (V, 3), (F, 3), named as in MEASURES; MeshTable's columns say what each means."""
    import tokenizer_rs

    measures = tokenizer_rs.measure(
        np.ascontiguousarray(vertices, dtype=np.float64), np.ascontiguousarray(faces, dtype=np.int32)
    )
    return cast(dict[str, int | bool], dict(measures))


def bounding_box_diagonal(vertices: NDArray[np.float64]) -> float:
    """Length of the diagonal of the box around all vertices (V, 3), in their unit."""
    return float(np.linalg.norm(vertices.max(axis=0) - vertices.min(axis=0)))
