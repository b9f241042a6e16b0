"""Measures of quality in plain Python: slow and obvious, to hold the fast ones against."""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations

import networkx
import numpy as np

STEPS = 2**19


def weld(vertices, faces):
    """Positions (V, 3) in single precision, and faces that name the first of equal ones."""
    positions = np.asarray(vertices, dtype=np.float32) + np.float32(0)
    first = {}
    names = [first.setdefault(tuple(p), i) for i, p in enumerate(positions.tolist())]
    return positions.astype(np.float64), np.array(names)[np.asarray(faces)]


def shape(vertices, faces):
    """What `measure_shape` counts, by graphs of corners, faces and edges."""
    positions, faces = weld(vertices, faces)
    proper = [tuple(face) for face in faces.tolist() if len(set(face)) == 3]
    sides = defaultdict(list)  # edge -> (face, from, to)
    for f, (a, b, c) in enumerate(proper):
        for start, end in ((a, b), (b, c), (c, a)):
            sides[frozenset((start, end))].append((f, start, end))
    counts = Counter(len(on_edge) for on_edge in sides.values())
    pairs = [on_edge for on_edge in sides.values() if len(on_edge) == 2]
    n_consistent = sum(one[1] != other[1] for one, other in pairs)

    corners, pieces, turned = networkx.Graph(), networkx.Graph(), networkx.Graph()
    for f, face in enumerate(proper):
        corners.add_nodes_from((f, v) for v in face)
        pieces.add_node(f)
        turned.add_nodes_from([(f, False), (f, True)])
    for edge, on_edge in sides.items():
        for (f, *_), (g, *_) in combinations(on_edge, 2):
            corners.add_edges_from(((f, v), (g, v)) for v in edge)
            pieces.add_edge(f, g)
    for (f, start, _), (g, other_start, _) in pairs:
        is_same_way = start == other_start
        turned.add_edges_from(((f, t), (g, t != is_same_way)) for t in (False, True))
    fans = {corner: i for i, fan in enumerate(networkx.connected_components(corners)) for corner in fan}
    loops = networkx.Graph()
    loops.add_edges_from(
        (fans[f, a], fans[f, b]) for ((f, a, b),) in (s for s in sides.values() if len(s) == 1)
    )
    sides_of_sheet = {
        node: i for i, nodes in enumerate(networkx.connected_components(turned)) for node in nodes
    }
    is_orientable = all(sides_of_sheet[f, True] != sides_of_sheet[f, False] for f in range(len(proper)))
    n_components, n_loops = (
        networkx.number_connected_components(pieces),
        networkx.number_connected_components(loops),
    )
    n_crowded = sum(count for n, count in counts.items() if n > 2)
    genus = None
    if is_orientable and not n_crowded:
        n_fans = len(set(fans.values()))
        twice = 2 * n_components - n_loops - (n_fans - len(sides) + len(proper))
        assert twice % 2 == 0
        genus = twice // 2

    valence = Counter(v for edge in sides for v in edge)
    inner = set(valence) - {v for edge, on_edge in sides.items() if len(on_edge) != 2 for v in edge}
    triangles = positions[faces]
    lengths = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)
    area = (
        np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
        / 2
    )
    squares = (lengths**2).sum(axis=1)
    quality = np.divide(4 * np.sqrt(3) * area, squares, out=np.zeros(len(faces)), where=squares > 0)
    volume = float(
        sum(np.linalg.det(positions[list(face)] - positions[proper[0][0]]) for face in proper) / 6
        if proper
        else 0
    )
    kinds = (
        ("empty", not proper),
        ("nonmanifold", n_crowded),
        ("open", counts[1]),
        ("twisted", n_consistent < len(pairs)),
        ("inverted", volume <= 0),
        ("solid", True),
    )
    kind = next(name for name, holds in kinds if holds)
    return {
        "kind": kind,
        "is_orientable": is_orientable,
        "consistent_share": n_consistent / len(pairs) if pairs else 1.0,
        "genus": genus,
        "boundary_loops": n_loops,
        "components": n_components,
        "valences": [sum(min(n, 15) == i for n in valence.values()) for i in range(16)],
        "regular_share": sum(valence[v] == 6 for v in inner) / len(inner) if inner else None,
        "area": float(area.sum()),
        "volume": volume if kind in ("inverted", "solid") else None,
        "extents": sorted(np.ptp(positions[faces.ravel()], axis=0).tolist()),
        "mean_quality": float(quality.mean()),
        "sliver_share": float((quality < 0.1).mean()),
    }


def crossing_faces(vertices, faces):
    """Which faces (F,) cross another: all pairs, sections as fractions along the line of both planes."""
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces)
    used = vertices[faces.ravel()]
    low, longest = used.min(axis=0), np.ptp(used, axis=0).max()
    grid = np.floor((vertices - low) / longest * STEPS + 0.5).astype(int).tolist()
    triangles = [[grid[v] for v in face] for face in faces.tolist()]
    crosses = np.zeros(len(faces), dtype=bool)
    for f, g in combinations(range(len(faces)), 2):
        if _cross(triangles[f], triangles[g]):
            crosses[[f, g]] = True
    return crosses


def _cross(p, q):
    line = _vector(_normal(p), _normal(q))
    of_p, of_q = _section(p, q, line), _section(q, p, line)
    return bool(of_p and of_q and of_p[0] < of_q[1] and of_q[0] < of_p[1])


def _section(t, other, line):
    heights = [_dot(_normal(other), _minus(corner, other[0])) for corner in t]
    if not min(heights) < 0 < max(heights):
        return None
    found = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        if min(heights[i], heights[j]) <= 0 <= max(heights[i], heights[j]) and heights[i] != heights[j]:
            share = Fraction(heights[i], heights[i] - heights[j])
            found.append(_dot(line, t[i]) * (1 - share) + _dot(line, t[j]) * share)
    return min(found), max(found)


def _normal(t):
    return _vector(_minus(t[1], t[0]), _minus(t[2], t[0]))


def _minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def _dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def _vector(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def to_surface(points, vertices, faces):
    """Distance of each point (N, 3) to the nearest of all triangles, which may have no area."""
    nearest = np.full(len(points), np.inf)
    for a, b, c in np.asarray(vertices)[np.asarray(faces)]:
        nearest = np.minimum(nearest, _to_triangle(points, a, b, c))
    return nearest


def _to_triangle(points, a, b, c):
    best = np.full(len(points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        along = end - start
        length = along @ along
        share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
        best = np.minimum(best, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    edges = np.stack([b - a, c - a], axis=1)
    if np.linalg.norm(np.cross(b - a, c - a)):
        coordinates = np.linalg.lstsq(edges, (points - a).T, rcond=None)[0]
        foot = (edges @ coordinates).T + a
        is_inside = (coordinates >= 0).all(axis=0) & (coordinates.sum(axis=0) <= 1)
        best = np.where(is_inside, np.minimum(best, np.linalg.norm(points - foot, axis=1)), best)
    return best


def quantization_damage(vertices, faces, bits):
    """What `quantization_damage` measures at one resolution."""
    positions, faces = weld(vertices, faces)
    used, faces = np.unique(faces, return_inverse=True)
    positions, faces = positions[used], faces.reshape(-1, 3)
    low, high = positions.min(axis=0), positions.max(axis=0)
    positions = (positions - (low / 2 + high / 2)) * (1.9 / (high - low).max())
    n_bins = 2**bits
    bins = np.clip(((positions + 1) * n_bins / 2).astype(int), 0, n_bins - 1)
    centers = (bins + 0.5) / n_bins * 2 - 1
    cell = [tuple(row) for row in bins.tolist()]

    def distinct(names):
        return {frozenset(names[v] for v in face) for face in faces.tolist()}

    before = [face for face in distinct(range(len(positions))) if len(face) == 3]
    after = [face for face in distinct(cell) if len(face) == 3]
    distance = None
    if after:
        at = {c: center for c, center in zip(cell, centers, strict=True)}
        left = np.array([[at[corner] for corner in face] for face in after]).reshape(-1, 3)
        numbers = np.arange(len(left)).reshape(-1, 3)
        distance = max(to_surface(positions, left, numbers).max(), to_surface(left, positions, faces).max())
        distance /= np.linalg.norm(positions.max(axis=0) - positions.min(axis=0))
    return {
        "merged_vertices": len(positions) - len(set(cell)),
        "dropped_faces": len(before) - len(after),
        "distance": distance,
    }
