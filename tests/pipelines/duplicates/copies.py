"""Copies of a mesh as they occur in collections: moved, exported again, renumbered, cut or thinned."""

from collections.abc import Callable

import numpy as np
import pymeshlab
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pipelines.reading import read_mesh

Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]
Generator = np.random.Generator


def moved(mesh: Mesh, generator: Generator) -> Mesh:
    """Turned by any angle, scaled, shifted, and rounded to float32."""
    return _placed(mesh, Rotation.random(random_state=generator).as_matrix(), generator)


def on_other_axes(mesh: Mesh, generator: Generator) -> Mesh:
    """Axes exchanged and reversed, perhaps mirrored; scaled, shifted, and rounded to float32."""
    axes = np.eye(3)[generator.permutation(3)] * generator.choice([-1, 1], 3)[:, None]
    return _placed(mesh, axes, generator)


def exported(mesh: Mesh, file_type: str) -> Mesh:
    """Written by trimesh and read again."""
    content = trimesh.Trimesh(*mesh, process=False).export(file_type=file_type)
    loaded = read_mesh(content.encode() if isinstance(content, str) else content, file_type)
    return loaded.vertices, loaded.faces.astype(np.int64)


def renumbered(mesh: Mesh, generator: Generator) -> Mesh:
    """Vertices, faces and the corners of faces in another order; every third vertex doubled, some unused."""
    vertices, faces = mesh
    order = generator.permutation(len(vertices))
    faces = np.argsort(order)[faces][generator.permutation(len(faces))]
    turn = (generator.integers(0, 3, len(faces))[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turn, axis=1)
    doubled = (faces % 3 == 0) & (generator.random(faces.shape) < 0.5)
    twice = np.concatenate([vertices[order], vertices[order]])
    return twice, np.where(doubled, faces + len(vertices), faces)


def mirrored(mesh: Mesh, generator: Generator) -> Mesh:
    """Reflected, with its faces turned so that they still look outwards."""
    vertices, faces = mesh
    return vertices * [-1, 1, 1], faces[:, ::-1]


def decimated(mesh: Mesh, share: float) -> Mesh:
    """Without that share of its faces, by MeshLab's quadric edge collapse."""
    welded = trimesh.Trimesh(*mesh, process=False)
    welded.merge_vertices()
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(np.asarray(welded.vertices), np.asarray(welded.faces, dtype=np.int32)))
    meshes.meshing_decimation_quadric_edge_collapse(
        targetfacenum=int(len(mesh[1]) * (1 - share)),
        preservenormal=True,
        preserveboundary=True,
        planarquadric=True,
    )
    thinned = meshes.current_mesh()
    return thinned.vertex_matrix(), thinned.face_matrix().astype(np.int64)


def subdivided(mesh: Mesh) -> Mesh:
    """Each triangle cut into four."""
    vertices, faces = trimesh.remesh.subdivide(*mesh)
    return vertices, faces


COPIES: dict[str, Callable[[Mesh, Generator], Mesh]] = {
    "moved, obj": lambda mesh, generator: exported(moved(mesh, generator), "obj"),
    "moved, ply": lambda mesh, generator: exported(moved(mesh, generator), "ply"),
    "other axes, stl": lambda mesh, generator: exported(on_other_axes(mesh, generator), "stl"),
    "renumbered, glb": lambda mesh, generator: exported(renumbered(mesh, generator), "glb"),
    "mirrored, moved": lambda mesh, generator: moved(mirrored(mesh, generator), generator),
    "subdivided, moved": lambda mesh, generator: moved(subdivided(mesh), generator),
    "5 % decimated, moved": lambda mesh, generator: moved(decimated(mesh, 0.05), generator),
    "10 % decimated, moved": lambda mesh, generator: moved(decimated(mesh, 0.10), generator),
}


def _placed(mesh: Mesh, turn: NDArray[np.float64], generator: Generator) -> Mesh:
    vertices, faces = mesh
    size = np.linalg.norm(np.ptp(vertices, axis=0))
    placed = vertices @ turn.T * generator.uniform(0.1, 20) + generator.normal(size=3) * size
    return placed.astype(np.float32).astype(np.float64), faces
