"""Topology counts in plain numpy and scipy: slow and obvious, to hold the fast ones against."""

from collections import Counter

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def measure(vertices: np.ndarray, faces: np.ndarray) -> dict:
    """Counts after welding equal float32 positions, -0 = +0."""
    used = np.unique(faces)
    positions = vertices[used].astype(np.float32) + np.float32(0)
    _, welded = np.unique(positions, axis=0, return_inverse=True)
    rename = np.zeros(len(vertices), dtype=np.int64)
    rename[used] = welded.ravel()
    corners = rename[faces]
    n_vertices = int(welded.max()) + 1
    edges = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    counts: Counter = Counter()
    forward: Counter = Counter()
    for a, b, c in corners.tolist():
        if len({a, b, c}) == 3:  # a collapsed face has no sides
            sides = [(a, b), (b, c), (c, a)]
            counts.update(tuple(sorted(side)) for side in sides)
            forward.update(sides)
    inconsistent = sum(
        1 for (a, b), count in counts.items() if count == 2 and (forward[a, b] == 2 or forward[b, a] == 2)
    )
    triangles = vertices.astype(np.float32).astype(np.float64)[faces]
    area = (
        np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
        / 2
    )
    diagonal = np.linalg.norm(np.ptp(positions.astype(np.float64), axis=0))
    repeated = (
        (corners[:, 0] == corners[:, 1]) | (corners[:, 1] == corners[:, 2]) | (corners[:, 0] == corners[:, 2])
    )
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n_vertices, n_vertices))
    return {
        "vertices": n_vertices,
        "faces": len(faces),
        "edges": len(counts),
        "boundary_edges": sum(count == 1 for count in counts.values()),
        "nonmanifold_edges": sum(count > 2 for count in counts.values()),
        "inconsistent_edges": inconsistent,
        "components": int(connected_components(graph, directed=False)[0]),
        "degenerate_faces": int((repeated | (area <= 1e-12 * diagonal**2)).sum()),
        "duplicate_faces": len(corners) - len(np.unique(np.sort(corners, axis=1), axis=0)),
        "watertight": bool(counts) and all(count == 2 for count in counts.values()),
    }
