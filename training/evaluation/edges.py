"""Points on the sharp edges of a mesh, for the edge Chamfer distance."""

import numpy as np
from numpy.typing import NDArray

from training.surface import Mesh, face_cross_products

SHARP_DEGREES = 30.0


def edge_points(mesh: Mesh, count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Points (count, 3) spread by length over the sharp edges; (0, 3) where no edge is sharp.

    Sharp are edges whose two faces turn by more than 30 degrees, and those without exactly two faces.
    """
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    ends = vertices[sharp_edges(mesh)]
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    if not lengths.sum() > 0:
        return np.zeros((0, 3))
    chosen = random.choice(len(ends), size=count, p=lengths / lengths.sum())
    along = random.random((count, 1))
    return ends[chosen, 0] * (1 - along) + ends[chosen, 1] * along


def sharp_edges(mesh: Mesh) -> NDArray[np.int64]:
    """Vertex indices (E, 2) of the sharp edges."""
    faces = np.asarray(mesh.faces, dtype=np.int64)
    if len(faces) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    edges, edge_of, multiplicity = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    by_edge = np.argsort(edge_of.ravel(), kind="stable")
    first = np.cumsum(multiplicity) - multiplicity
    crosses = face_cross_products(mesh)
    lengths = np.linalg.norm(crosses, axis=1, keepdims=True)
    normals = np.divide(crosses, lengths, out=np.zeros_like(crosses), where=lengths > 0)
    is_sharp = multiplicity != 2
    between = np.flatnonzero(multiplicity == 2)
    a, b = by_edge[first[between]], by_edge[first[between] + 1]
    # Neighbours that go the same way along their edge are oriented against each other.
    goes_up = (faces < np.roll(faces, -1, axis=1)).ravel()
    sign = np.where(goes_up[a] == goes_up[b], -1.0, 1.0)
    cosine = sign * (normals[a // 3] * normals[b // 3]).sum(axis=1)
    is_sharp[between] = cosine < np.cos(np.deg2rad(SHARP_DEGREES))
    return edges[is_sharp]
