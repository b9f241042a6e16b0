"""Triangles of a glTF scene in world coordinates.

World matrices are computed once, from the roots down, so that a chain of a thousand nodes costs a thousand
products. glTF asks for a forest: a node below two parents, or below itself, is an error.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.reading.gltf_accessors import Buffers, item
from pipelines.reading.loaded import MeshReadError, check_indices
from pipelines.reasons import Reason

TRIANGLES, STRIP, FAN = 4, 5, 6
Triangles = tuple[NDArray[np.float64], NDArray[np.int64]]


def scene_triangles(
    document: dict[str, Any], buffers: Buffers
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Vertices (V, 3), faces (F, 3) and the number of distinct primitives of the default scene."""
    primitives_by_mesh: dict[int, list[Triangles]] = {}
    vertices: list[NDArray[np.float64]] = [np.zeros((0, 3))]
    faces: list[NDArray[np.int64]] = [np.zeros((0, 3), dtype=np.int64)]
    n_vertices = 0
    for mesh_index, world in _placed_meshes(document):
        if mesh_index not in primitives_by_mesh:
            mesh = item(document.get("meshes"), mesh_index, "mesh")
            primitives_by_mesh[mesh_index] = _primitives(mesh, buffers)
        is_mirrored = np.linalg.det(world[:3, :3]) < 0
        for points, corners in primitives_by_mesh[mesh_index]:
            vertices.append(points @ world[:3, :3].T + world[:3, 3])
            # a mirror turns every face inside out
            faces.append((corners[:, ::-1] if is_mirrored else corners) + n_vertices)
            n_vertices += len(points)
    n_geometries = sum(len(primitives) for primitives in primitives_by_mesh.values())
    return np.concatenate(vertices), np.concatenate(faces), n_geometries


def _placed_meshes(document: dict[str, Any]) -> list[tuple[int, NDArray[np.float64]]]:
    """Mesh index and world matrix of every node of the default scene that has a mesh, depth first."""
    nodes = document.get("nodes", [])
    placed = []
    seen: set[int] = set()
    waiting = [(index, np.eye(4)) for index in reversed(_roots(document, nodes))]
    while waiting:
        index, above = waiting.pop()
        node = item(nodes, index, "node")
        if index in seen:
            raise MeshReadError(
                Reason.LOAD, f"node {index} lies below two nodes or below itself; export it again"
            )
        seen.add(index)
        world = above @ _local_matrix(node)
        if "mesh" in node:
            if "EXT_mesh_gpu_instancing" in node.get("extensions", {}):
                raise MeshReadError(Reason.NEEDS_DECODER, "uses EXT_mesh_gpu_instancing; export it without")
            placed.append((node["mesh"], world))
        waiting += [(child, world) for child in reversed(node.get("children", []))]
    return placed


def _roots(document: dict[str, Any], nodes: list[Any]) -> list[int]:
    """Nodes of the default scene; of the first where none is named; all roots where there is no scene."""
    scenes = document.get("scenes")
    if scenes or "scene" in document:
        return item(scenes, document.get("scene", 0), "scene").get("nodes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in range(len(nodes)) if index not in children]


def _local_matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """Matrix (4, 4) of one node, from its matrix or its translation, rotation and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
    length = x * x + y * y + z * z + w * w
    # an all-zero quaternion means no rotation to every viewer
    s = 2 / length if length > 0 else 0.0
    matrix[:3, :3] = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), dtype=np.float64).reshape(3)
    matrix[:3, 3] = np.array(node.get("translation", (0, 0, 0)), dtype=np.float64).reshape(3)
    return matrix


def _primitives(mesh: dict[str, Any], buffers: Buffers) -> list[Triangles]:
    """Vertices and faces of the primitives of one mesh that are made of triangles."""
    primitives = []
    for primitive in mesh.get("primitives", []):
        mode = primitive.get("mode", TRIANGLES)
        position = primitive.get("attributes", {}).get("POSITION")
        if mode not in {TRIANGLES, STRIP, FAN} or position is None:
            continue
        _check_fallback(primitive, buffers)
        points = buffers.positions(position)
        place = primitive.get("indices")
        indices = np.arange(len(points)) if place is None else buffers.indices(place)
        check_indices(indices, len(points))
        primitives.append((points, _faces(indices, mode)))
    return primitives


def _check_fallback(primitive: dict[str, Any], buffers: Buffers) -> None:
    """Raise NEEDS_DECODER where a primitive exists in Draco's form only, which its file should say."""
    if "KHR_draco_mesh_compression" not in primitive.get("extensions", {}):
        return
    if "bufferView" not in item(buffers.accessors, primitive["attributes"]["POSITION"], "accessor"):
        raise MeshReadError(Reason.NEEDS_DECODER, "its triangles need KHR_draco_mesh_compression")


def _faces(indices: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Triangles (F, 3) of a list, strip or fan of indices; a rest too short for a triangle is dropped."""
    if mode == TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.zeros((0, 3), dtype=np.int64)
    if mode == FAN:
        return np.column_stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]])
    strip = np.column_stack([indices[:-2], indices[1:-1], indices[2:]])
    strip[1::2] = strip[1::2, [1, 0, 2]]
    # strips are glued together by triangles without area
    repeated = (strip[:, 0] == strip[:, 1]) | (strip[:, 1] == strip[:, 2]) | (strip[:, 0] == strip[:, 2])
    return strip[~repeated]
