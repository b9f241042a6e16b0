"""Topology of triangles: manifoldness, boundary, orientation, components, genus.

With m(e) the number of faces at the undirected edge e: boundary m = 1, non-manifold m > 2, inconsistent m = 2
with both faces going the same way. Only referenced vertices count. Merge vertices and drop degenerate and
duplicate faces first (`clean_faces`), since both change m(e).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Topology:
    """Counts of one mesh."""

    n_vertices: int
    n_edges: int
    n_faces: int
    n_boundary_edges: int
    n_nonmanifold_edges: int
    n_nonmanifold_vertices: int  # not one fan, or on a non-manifold edge
    n_nonmanifold_vertices_fan_only: int
    n_inconsistent_edges: int
    n_components_edge: int  # faces connected through shared edges
    n_components_vertex: int  # faces connected through shared vertices

    @property
    def euler(self) -> int:
        """V - E + F."""
        return self.n_vertices - self.n_edges + self.n_faces

    @property
    def boundary_edge_ratio(self) -> float:
        """Boundary edges / edges; 0 without edges."""
        return self.n_boundary_edges / self.n_edges if self.n_edges else 0.0

    @property
    def is_edge_manifold(self) -> bool:
        """No edge has more than two faces."""
        return self.n_nonmanifold_edges == 0

    @property
    def is_vertex_manifold(self) -> bool:
        """Around every vertex there is one fan of faces."""
        return self.n_nonmanifold_vertices == 0

    @property
    def is_manifold(self) -> bool:
        """At edges and at vertices."""
        return self.is_edge_manifold and self.is_vertex_manifold

    @property
    def is_watertight(self) -> bool:
        """Every edge has exactly two faces, and there is a face."""
        return self.n_faces > 0 and self.n_boundary_edges == 0 and self.n_nonmanifold_edges == 0

    @property
    def is_consistent(self) -> bool:
        """Neighbouring faces are oriented alike."""
        return self.n_inconsistent_edges == 0

    @property
    def genus(self) -> float | None:
        """1 - euler / 2 of one closed, manifold, consistently oriented component; else None."""
        is_closed = self.is_watertight and self.is_manifold and self.is_consistent
        return 1 - self.euler / 2 if is_closed and self.n_components_edge == 1 else None


def measure_topology(faces: ArrayLike) -> Topology:
    """Count everything of faces (F, 3) of vertex indices, without degenerate ones."""
    referenced, index = np.unique(np.asarray(faces, dtype=np.int64), return_inverse=True)
    corners = index.reshape(-1, 3)
    n_faces = len(corners)
    tails, heads = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
    ends = np.sort(np.stack([tails, heads], axis=1), axis=1)
    edges, edge_of, multiplicity = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    edge_of = edge_of.ravel()
    goes_up = np.bincount(edge_of, weights=tails < heads, minlength=len(edges))
    on_nonmanifold = np.unique(edges[multiplicity > 2])
    face_of = np.repeat(np.arange(n_faces), 3)
    in_two_fans = _vertices_of_several_fans(corners, ends, edge_of, len(referenced))
    return Topology(
        n_vertices=len(referenced),
        n_edges=len(edges),
        n_faces=n_faces,
        n_boundary_edges=int((multiplicity == 1).sum()),
        n_nonmanifold_edges=int((multiplicity > 2).sum()),
        n_nonmanifold_vertices=len(np.union1d(in_two_fans, on_nonmanifold)),
        n_nonmanifold_vertices_fan_only=len(in_two_fans),
        n_inconsistent_edges=int(((multiplicity == 2) & (goes_up != 1)).sum()),
        n_components_edge=_count_components(face_of, edge_of, n_faces, len(edges)),
        n_components_vertex=_count_components(face_of, corners.ravel(), n_faces, len(referenced)),
    )


def clean_faces(vertices: ArrayLike, faces: ArrayLike) -> NDArray[np.int64]:
    """Faces (F', 3) after merging equal positions and dropping degenerate, then duplicate faces.

    Degenerate: a repeated index, or an area below 1e-12 of the squared bounding diagonal.
    """
    points = np.asarray(vertices, dtype=np.float64).reshape(-1, 3)
    indices = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    if len(indices) == 0:
        return indices
    merged, merged_index = np.unique(points, axis=0, return_inverse=True)
    indices = merged_index.ravel()[indices]
    corners = merged[indices]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    diagonal = np.linalg.norm(np.ptp(merged, axis=0))
    indices = indices[areas >= 1e-12 * diagonal**2]
    indices = indices[(indices != np.roll(indices, 1, axis=1)).all(axis=1)]
    _, first = np.unique(np.sort(indices, axis=1), axis=0, return_index=True)
    return indices[np.sort(first)]


def _vertices_of_several_fans(
    faces: NDArray[np.int64], ends: NDArray[np.int64], edge_of: NDArray[np.int64], n_vertices: int
) -> NDArray[np.int64]:
    """Vertices whose corners are not connected through shared edges.

    Nodes are corners (face, vertex) and edge ends (edge, vertex); a corner meets both edges of its face.
    """
    n_corners = faces.size
    if n_corners == 0:
        return np.zeros(0, dtype=np.int64)
    half = np.arange(n_corners)  # half-edge h runs from corner h to the next corner of its face
    following = np.arange(n_corners).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    tails, heads = faces.ravel(), faces.ravel()[following]
    at_tail = n_corners + 2 * edge_of + (tails != ends[:, 0])
    at_head = n_corners + 2 * edge_of + (heads != ends[:, 0])
    rows = np.concatenate([half, following])
    columns = np.concatenate([at_tail, at_head])
    size = n_corners + 2 * (int(edge_of.max()) + 1)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    fans = np.unique(np.stack([tails, labels[:n_corners]], axis=1), axis=0)
    return np.flatnonzero(np.bincount(fans[:, 0], minlength=n_vertices) > 1)


def _count_components(left: NDArray[np.int64], right: NDArray[np.int64], n_left: int, n_right: int) -> int:
    if n_left == 0:
        return 0
    size = n_left + n_right
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, n_left + right)), shape=(size, size))
    return int(connected_components(graph, directed=False)[0])
