"""What `meshloom curate` does with a mesh, as a plain Python script does it: the baseline of `throughput.py`.

`trimesh.load`, pymeshlab's cleaning filters, and the statistics of the tables `mesh_table`, `quality`,
`tokens` and `descriptors` in numpy, scipy, trimesh and pymeshlab. What it does not do:

- repair: what is not manifold is cut before it is tokenised, and `plain_tokens.py` says what else is simpler;
- crossings on an exact grid: pymeshlab's filter counts faces that only touch as well;
- `has_textures`, `has_animations`, `has_skins`, `n_geometries`, `n_vertices_raw`;
- of `tokens` anything but their number and whether they come back: not the counts of Silksong's repair;
- hashes of the files, licences, rules, the comparison of candidate pairs, splits;
- limits of time and memory, and reasons for what is left out;
- anything written: no table, no shard.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pymeshlab
import trimesh
from numpy.typing import NDArray
from plain_descriptor import describe
from plain_grid import HALF_SIDE, Ints, bins_of, codes_of, positions_of
from plain_tokens import tokens
from plain_topology import topology

from pipelines.quality import QUANTIZATION_BITS
from pipelines.settings import CurationSettings

SLIVER = 0.1
FLAT = 1e-12
MOST_FACES = CurationSettings().faces_limit
Points = NDArray[np.float64]
Faces = NDArray[np.int32]


def load_and_measure(path: Path) -> dict[str, Any] | None:
    """The loop's work on one file; None where it gives no mesh."""
    try:
        mesh = load(path)
        if not len(mesh.faces):
            return None
        vertices, faces, n_crossing = clean(mesh)
        return {
            "crossing": n_crossing,
            "crossing_share": n_crossing / len(mesh.faces),
            **shape(mesh),
            **topology(mesh.faces, len(mesh.vertices), mesh.volume),
            **quantization(mesh),
            "tokens": tokens(vertices, faces) if len(mesh.faces) <= MOST_FACES else None,
            "description": describe(mesh.vertices, mesh.faces),
        }
    except Exception:  # trimesh and pymeshlab raise anything on a damaged file
        return None


def load(path: Path) -> trimesh.Trimesh:
    """All geometries of a file as one mesh, equal positions (to 1e-8) welded across seams."""
    mesh: Any = trimesh.load(path, force="mesh", process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def clean(mesh: trimesh.Trimesh) -> tuple[Points, Faces, int]:
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


def shape(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Area, volume, extents, quality of the triangles."""
    sides = np.linalg.norm(mesh.triangles - np.roll(mesh.triangles, 1, axis=1), axis=2)
    squares = np.maximum((sides**2).sum(axis=1), np.finfo(float).tiny)
    quality = 4 * np.sqrt(3) * mesh.area_faces / squares
    shortest, middle, longest = np.sort(mesh.extents).tolist()
    corners = np.sort(mesh.faces, axis=1)
    is_flat = mesh.area_faces <= FLAT * (mesh.extents**2).sum()
    n = len(mesh.vertices)
    n_distinct = len(np.unique(corners.astype(np.int64) @ np.array([n * n, n, 1])))
    return {
        "vertices": n,
        "faces": len(mesh.faces),
        "area": mesh.area,
        "volume": mesh.volume,
        "diagonal": float(np.linalg.norm(mesh.extents)),
        "middle_extent": middle / longest if longest else None,
        "shortest_extent": shortest / longest if longest else None,
        "quality": float(quality.mean()),
        "slivers": float((quality < SLIVER).mean()),
        "degenerate": int((is_flat | (corners[:, 1:] == corners[:, :-1]).any(axis=1)).sum()),
        "duplicate": len(corners) - n_distinct,
    }


def quantization(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """What grids of 7 to 10 bits merge, drop and move, the latter by pymeshlab's distance over vertices."""
    n_before = len(_whole(mesh.faces, len(mesh.vertices)))
    low, high = mesh.bounds
    scale = 2 * HALF_SIDE / (high - low).max()
    cube = (mesh.vertices - (low + high) / 2) * scale
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(cube, mesh.faces.astype(np.int32)))
    damage: dict[str, Any] = {}
    for number, bits in enumerate(QUANTIZATION_BITS, start=1):
        codes, cell = np.unique(codes_of(bins_of(cube, 1 << bits), 1 << bits), return_inverse=True)
        left = _whole(cell.reshape(-1)[mesh.faces], len(codes))
        damage[f"merged_{bits}"] = len(cube) - len(codes)
        damage[f"dropped_{bits}"] = n_before - len(left)
        used, corners = np.unique(left, return_inverse=True)
        centers = (positions_of(codes[used], 1 << bits) + 0.5) / (1 << bits) * 2 - 1
        meshes.add_mesh(pymeshlab.Mesh(centers, corners.reshape(-1, 3).astype(np.int32)))
        farthest = distance(meshes, 0, number) if len(left) else None
        damage[f"distance_{bits}"] = farthest and farthest / (scale * np.linalg.norm(high - low))
    return damage


def distance(meshes: pymeshlab.MeshSet, one: int, other: int) -> float:
    """Greatest distance of a vertex of either mesh to the other's surface; `samplenum` caps the vertices."""
    return max(
        meshes.get_hausdorff_distance(
            sampledmesh=sampled,
            targetmesh=target,
            samplenum=meshes.mesh(sampled).vertex_number(),
            maxdist=pymeshlab.PercentageValue(100),
        )["max"]
        for sampled, target in ((one, other), (other, one))
    )


def _whole(faces: NDArray[np.integer[Any]], n: int) -> Ints:
    """Faces (F, 3) of three distinct corners, each set of corners once."""
    corners = np.sort(faces.astype(np.int64), axis=1)
    corners = corners[(corners[:, 1:] != corners[:, :-1]).all(axis=1)]
    return corners[np.unique(corners @ np.array([n * n, n, 1]), return_index=True)[1]]
