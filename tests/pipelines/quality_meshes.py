"""One mesh for each reason of a rule, and a rule that it breaks; and a good one that breaks none."""

from pathlib import Path

import numpy as np
import trimesh

from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.soups import sphere

RULES = {
    "RULE_FACES": "n_faces >= 40",
    "RULE_COMPONENTS": "n_components <= 100",
    "RULE_TOKENS": "n_tokens <= 3000",
    "RULE_LAYER_VERTICES": "max_layer_vertices <= 40",
    "RULE_COMPRESSION": "compression_ratio <= 0.4",
    "RULE_EXACT": "exact",
    "RULE_LICENCE": "licence IN ('cc0', 'by')",
    "RULE_SURFACE": "duplicate_share <= 0.25 AND winding_consistency >= 0.9",
    "RULE_SLIVERS": "sliver_share <= 0.5",
    "RULE_INTERSECTIONS": "intersecting_share <= 0.1",
    "RULE_QUANTIZATION": "quantization_distance_7bit <= 0.02",
    "RULE_EXTENT": "middle_extent_ratio >= 0.02",
    "RULE_NEVER": "n_faces < 0",
}
DROPS_ALL = ("RULE_LICENCE", "RULE_NEVER")
"""Rules that a folder of files without a stated licence cannot meet."""
GOOD = "good"


def meshes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Vertices (V, 3) and faces (F, 3), by the reason that each is rejected for."""
    ball = sphere(2)
    many = sphere(4)
    grid = [_moved(box(), 0.2, [x, y, z]) for x in range(5) for y in range(5) for z in range(5)]
    rod = ball[0] * [1, 0.01, 0.008], ball[1]
    tube = trimesh.creation.cylinder(0.3, 10, sections=64)
    is_wall = np.abs(tube.face_normals[:, 2]) < 0.5
    return {
        GOOD: ball,
        "RULE_FACES": box(),
        "RULE_COMPONENTS": _joined(*grid),
        "RULE_TOKENS": many,
        "RULE_LAYER_VERTICES": many,
        "RULE_COMPRESSION": _joined(*(_moved(triangles(), 0.3, [x, 0, 0]) for x in range(20))),
        "RULE_EXACT": many,  # the published tokens lose some of its faces
        "RULE_LICENCE": ball,
        "RULE_SURFACE": (ball[0], np.concatenate([ball[1], ball[1][:, ::-1]])),
        "RULE_SLIVERS": (np.array(tube.vertices), np.array(tube.faces)[is_wall]),
        "RULE_INTERSECTIONS": _joined(ball, _moved(ball, 0.7, [0.6, 0.01, 0.02])),
        "RULE_QUANTIZATION": _joined(ball, _moved(ball, 0.001, [0.5, 9, 0.25])),
        "RULE_EXTENT": rod,
        "RULE_NEVER": ball,
    }


def triangles() -> tuple[np.ndarray, np.ndarray]:
    """Three faces, which cost many tokens each."""
    return np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]]), np.array(
        [[0, 1, 2], [0, 2, 3], [2, 1, 4]]
    )


def write_meshes(folder: Path) -> None:
    """Write each as `<reason>.obj`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (vertices, faces) in meshes().items():
        trimesh.Trimesh(vertices, faces, process=False).export(folder / f"{name}.obj")


def _moved(mesh, scale, offset):
    return mesh[0] * scale + np.array(offset), mesh[1]


def _joined(*parts):
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    faces = [faces + start for (_, faces), start in zip(parts, starts[:-1], strict=True)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces)
