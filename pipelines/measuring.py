"""Topology counts of a mesh, after welding exactly equal float32 positions."""

from dataclasses import dataclass
from typing import Any, cast

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


def measure_by_index(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> dict[str, int | bool]:
    """The same counts where vertices (V, 3) of equal position stay apart, as a repair has made them."""
    apart = np.zeros((len(vertices), 3))
    apart[:, 0] = np.arange(len(vertices))
    return {**measure(apart, faces), "degenerate_faces": measure(vertices, faces)["degenerate_faces"]}


def bounding_box(vertices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner (3,) of the box around all vertices (V, 3)."""
    axes = np.ascontiguousarray(vertices.T)  # numpy is faster along the last axis, even with the copy
    return axes.min(axis=1), axes.max(axis=1)


def bounding_box_diagonal(vertices: NDArray[np.float64]) -> float:
    """Length of the diagonal of the box around all vertices (V, 3), in their unit."""
    low, high = bounding_box(vertices)
    return float(np.linalg.norm(high - low))


def edge_components(faces: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Component (F,) of each face (F, 3): faces that share an edge are in the same one; numbered from 0."""
    import tokenizer_rs

    return tokenizer_rs.edge_components(faces)


@dataclass(frozen=True)
class EdgeDefects:
    """Edges at fault, each by two indices of vertices (N, 2); `measure` counts the same ones."""

    boundary: NDArray[np.int64]
    """Of one face."""
    nonmanifold: NDArray[np.int64]
    """Of three or more."""
    inconsistent: NDArray[np.int64]
    """Of two that traverse it in the same direction."""


def edge_defects(vertices: NDArray[np.float64], faces: NDArray[np.integer[Any]]) -> EdgeDefects:
    """Find the edges at fault of a mesh (V, 3), (F, 3) after welding exactly equal float32 positions."""
    positions = vertices.astype(np.float32) + np.float32(0)  # -0 is 0
    _, representative, welded = np.unique(positions, axis=0, return_index=True, return_inverse=True)
    corners = welded.ravel()[faces]
    is_triangle = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    sides = corners[is_triangle][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    is_forward = sides[:, 0] < sides[:, 1]
    edges, edge_of_side, n_sides = np.unique(
        np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    n_forward = np.bincount(edge_of_side.ravel(), weights=is_forward, minlength=len(edges))
    named = representative[edges].astype(np.int64)
    return EdgeDefects(
        boundary=named[n_sides == 1],
        nonmanifold=named[n_sides > 2],
        inconsistent=named[(n_sides == 2) & (n_forward != 1)],
    )
