"""What `meshloom curate` does with a mesh, as a plain Python script does it: the baseline of `throughput.py`.

`trimesh.load`, pymeshlab's cleaning filters, and the statistics of the tables `mesh_table`, `quality`,
`tokens` and `descriptors` in numpy, scipy, trimesh and pymeshlab. It does less: no repair, two of four token
families, one of them not decoded, no comparison of candidate pairs, and it writes nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pymeshlab
import trimesh
from numpy.typing import NDArray
from plain_descriptor import describe
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BITS = (7, 8, 9, 10)
SLIVER = 0.1
Points = NDArray[np.float64]
Faces = NDArray[np.int32]


def load_and_measure(path: Path) -> dict[str, Any] | None:
    """The loop's work on one file; None where it gives no mesh."""
    try:
        mesh = trimesh.load(path, force="mesh")
        if not len(mesh.faces):
            return None
        vertices, faces, n_crossing = clean(mesh)
        return {
            "crossing": n_crossing,
            **topology(mesh),
            **shape(mesh),
            **quantization(vertices, faces),
            **tokens(vertices, faces),
            "description": describe(mesh.vertices, mesh.faces),
        }
    except Exception:  # trimesh and pymeshlab raise anything on a damaged file
        return None


def clean(mesh: trimesh.Trimesh) -> tuple[NDArray[np.float64], NDArray[np.int32], int]:
    """pymeshlab's filters as the tokens stage applies them, and its count of faces that cross others."""
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices, mesh.faces.astype(np.int32)))
    meshes.compute_selection_by_self_intersections_per_face()
    n_crossing = meshes.current_mesh().selected_face_number()
    meshes.meshing_remove_unreferenced_vertices()
    meshes.meshing_merge_close_vertices(threshold=pymeshlab.PercentageValue(1))
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    cleaned = meshes.current_mesh()
    cleaned.compact()
    return cleaned.vertex_matrix(), cleaned.face_matrix(), n_crossing


def topology(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Edges, loops, components, valences, orientation."""
    edges, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    boundary = edges[uses == 1]
    n = len(mesh.vertices)
    sides = coo_array((np.ones(len(boundary)), tuple(boundary.T)), shape=(n, n))
    loops = connected_components(sides, directed=False)[1][np.unique(boundary)]
    return {
        "edges": len(edges),
        "boundary": len(boundary),
        "loops": len(np.unique(loops)),
        "nonmanifold": int((uses > 2).sum()),
        "components": mesh.body_count,
        "euler": mesh.euler_number,
        "watertight": mesh.is_watertight,
        "consistent": mesh.is_winding_consistent,
        "valences": np.bincount(mesh.vertex_degree).tolist(),
        "degenerate": int((~mesh.nondegenerate_faces()).sum()),
        "duplicate": len(mesh.faces) - len(np.unique(np.sort(mesh.faces, axis=1), axis=0)),
    }


def shape(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Area, volume, extents, quality of the triangles."""
    sides = np.linalg.norm(mesh.triangles - np.roll(mesh.triangles, 1, axis=1), axis=2)
    squares = np.maximum((sides**2).sum(axis=1), np.finfo(float).tiny)
    quality = 4 * np.sqrt(3) * mesh.area_faces / squares
    return {
        "area": mesh.area,
        "volume": mesh.volume,
        "extents": np.sort(mesh.extents).tolist(),
        "quality": float(quality.mean()),
        "slivers": float((quality < SLIVER).mean()),
    }


def quantization(vertices: Points, faces: Faces) -> dict[str, Any]:
    """What grids of 7 to 10 bits merge, drop and move, the latter by pymeshlab's distance over vertices."""
    low = vertices.min(axis=0)
    longest = (vertices.max(axis=0) - low).max()
    damage: dict[str, Any] = {}
    for bits in BITS:
        step = longest / (2**bits - 1)
        cells, cell = np.unique(np.rint((vertices - low) / step), axis=0, return_inverse=True)
        corners = np.sort(cell.reshape(-1)[faces], axis=1)
        whole = corners[(corners[:, 1:] != corners[:, :-1]).all(axis=1)]
        left = np.unique(whole, axis=0)
        damage[f"merged_{bits}"] = len(vertices) - len(cells)
        damage[f"dropped_{bits}"] = len(faces) - len(left)
        damage[f"distance_{bits}"] = (
            distance(vertices, faces, cells * step + low, left) if len(left) else None
        )
    return damage


def distance(vertices: Points, faces: Faces, other_vertices: Points, other_faces: Faces) -> float:
    """Greatest distance of a vertex of either mesh to the other's surface."""
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
    meshes.add_mesh(pymeshlab.Mesh(other_vertices, other_faces.astype(np.int32)))
    both = [
        meshes.get_hausdorff_distance(sampledmesh=i, targetmesh=1 - i, samplenum=1)["max"] for i in (0, 1)
    ]
    return float(max(both))


def tokens(vertices: Points, faces: Faces) -> dict[str, Any]:
    """Tokens of two of the four families, and whether the sorted faces decode to the same triangles."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    cube = (vertices - (low + high) / 2) * (1.9 / (high - low).max())
    grid = ((cube + 1) * 64).astype(np.int64).clip(0, 127)
    written = face_sequence(grid, faces)
    decoded = np.sort(written.reshape(-1, 3, 3) @ [1 << 14, 1 << 7, 1], axis=1)
    given = np.sort(grid[faces][..., [2, 0, 1]] @ [1 << 14, 1 << 7, 1], axis=1)
    return {
        "face_sequence": len(written),
        "face_sequence_exact": bool((np.unique(decoded, axis=0) == np.unique(given, axis=0)).all()),
        "edgerunner": len(
            edgerunner(((cube + 1) * 256).astype(np.int64).clip(0, 511).tolist(), faces.tolist())
        ),
    }


def face_sequence(grid: NDArray[np.int64], faces: Faces) -> NDArray[np.int64]:
    """Nine coordinates a face, vertices by height, then faces by their vertices (MeshGPT, section 3.1)."""
    points = grid[:, [2, 0, 1]]
    order = np.lexsort(points.T)
    rank = np.empty(len(points), dtype=np.int64)
    rank[order] = np.arange(len(points))
    ranked = rank[faces]
    first = ranked.argmin(axis=1)
    turned = np.take_along_axis(ranked, (first[:, None] + np.arange(3)) % 3, axis=1)
    turned = turned[np.lexsort(np.sort(turned, axis=1).T[::-1])]
    return points[order][turned].ravel()


def edgerunner(grid: list[list[int]], faces: list[list[int]]) -> list[int]:
    """EdgeRunner's walk over half-edges with absolute coordinates (arXiv 2409.18114), in plain Python.

    Without its choices of a first edge and of the shorter side at a branch: slightly longer.
    """
    twin: dict[int, int] = {}
    waiting: dict[tuple[int, int], int] = {}
    for h in range(3 * len(faces)):
        start, end = faces[h // 3][(h + 1) % 3], faces[h // 3][(h + 2) % 3]
        other = waiting.pop((min(start, end), max(start, end)), None)
        if other is None:
            waiting[min(start, end), max(start, end)] = h
        else:
            twin[h], twin[other] = other, h

    def after(h: int) -> int:
        return h - h % 3 + (h + 1) % 3

    def before(h: int) -> int:
        return h - h % 3 + (h + 2) % 3

    def tip(h: int) -> int:
        return faces[h // 3][h % 3]

    seen = {v for h in waiting.values() for v in (tip(after(h)), tip(before(h)))}
    done = [False] * len(faces)
    written: list[int] = []
    sums = [[sum(grid[v][axis] for v in face) for axis in (1, 2, 0)] for face in faces]
    for f in sorted(range(len(faces)), key=lambda f: sums[f]):
        stack = [(3 * f, True)]
        while stack:
            h, is_first = stack.pop()
            if done[h // 3]:
                continue
            done[h // 3] = True
            if is_first:
                ends = (tip(h), tip(after(h)), tip(before(h)))
                written += [2, *(x + 3 for v in ends for x in grid[v])]
                seen.update(ends[1:])
            else:
                written += [x + 3 for x in grid[tip(h)]]
            right, left = twin.get(after(h)), twin.get(before(h))
            has_right = right is not None and not done[right // 3]
            has_left = left is not None and not done[left // 3]
            if tip(h) not in seen:
                seen.add(tip(h))
                written.append(0)
                if has_right:
                    stack.append((right, False))
                continue
            if has_right and has_left:
                stack.append((left, True))
            if has_right or has_left:
                written.append(0 if has_right else 1)
                stack.append((right if has_right else left, False))
    return written
