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


def n_edge_components(faces: NDArray[np.int32]) -> int:
    """Number of sets of faces (F, 3) that are connected through shared edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_faces = len(faces)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, edge_of_side = np.unique(edges, axis=0, return_inverse=True)
    face_of_side = np.repeat(np.arange(n_faces), 3)
    # faces and edges as the nodes of one graph: every component of it holds a face
    n_nodes = n_faces + 3 * n_faces
    sides = (np.ones(3 * n_faces, dtype=bool), (face_of_side, n_faces + edge_of_side.ravel()))
    n_all, _ = connected_components(coo_array(sides, shape=(n_nodes, n_nodes)), directed=False)
    n_unused = 3 * n_faces - (int(edge_of_side.max()) + 1 if n_faces else 0)
    return int(n_all) - n_unused
