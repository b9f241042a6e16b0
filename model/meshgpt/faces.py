"""Meshes in the order that MeshGPT reads them, and corners of faces back to a mesh.

Positions are the centres of the bins of `tokenizer_rs.FaceSequence`, on its axes (z, x, y of a mesh whose y
is up), so that what a network sees is what it can write.
"""

from typing import NamedTuple

import numpy as np
import tokenizer_rs
from numpy.typing import ArrayLike, NDArray

from model.systems import SampleError

CORNERS = 3


class OrderedFaces(NamedTuple):
    """A mesh in its order, and which of its faces are neighbours."""

    vertices: NDArray[np.float32]
    """(V, 3), in [-1, 1]."""
    faces: NDArray[np.int64]
    """(F, 3)"""
    pairs: NDArray[np.int64]
    """(E, 2) ordered pairs of neighbouring faces, each face with itself included."""


def ordered_faces(vertices: ArrayLike, faces: ArrayLike, n_bins: int) -> OrderedFaces:
    """Quantise, repair and sort a mesh.

    Raises tokenizer_rs.MeshError, or SampleError where no face is left.
    """
    sequence = tokenizer_rs.FaceSequence(n_bins)
    bins = np.asarray(sequence.encode(np.asarray(vertices, np.float64), faces).tokens).reshape(-1, 3)
    if len(bins) == 0:
        raise SampleError(f"no face has three different vertices on a grid of {n_bins}")
    # Vertices in ascending order of their last axis, then the one before: as a sequence of faces is sorted.
    unique, indices = np.unique(bins[:, ::-1], axis=0, return_inverse=True)
    centres = (unique[:, ::-1].astype(np.float32) + 0.5) / n_bins * 2 - 1
    corners = indices.reshape(-1, CORNERS).astype(np.int64)
    return OrderedFaces(
        np.ascontiguousarray(centres), corners, np.asarray(tokenizer_rs.face_edges(corners), dtype=np.int64)
    )


def mesh_of_corners(
    corners: NDArray[np.floating], n_bins: int, repaired: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (V, 3), y up, and faces (F, 3) of corners (F, 3, 3) in [-1, 1]; equal positions become one.

    With `repaired`, non-manifold edges and vertices are cut and faces turned, so that the result is manifold
    and oriented. Raises tokenizer_rs.MeshError where no face is left.
    """
    bins = np.clip(np.rint((corners + 1) / 2 * n_bins - 0.5), 0, n_bins - 1).astype(np.int32)
    vertices, faces = tokenizer_rs.FaceSequence(n_bins).decode(bins.ravel())
    if repaired:
        mesh = tokenizer_rs.repair(vertices, faces)
        vertices, faces = mesh.vertices, mesh.faces
    return np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)
