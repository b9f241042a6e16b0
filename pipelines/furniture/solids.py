"""The few solids that furniture is put together from. Metres; y is up, z is front.

from pipelines.furniture.solids import box, join, pole
table = join([box((0, 0.7, 0), (1.2, 0.74, 0.8)), pole((0.1, 0, 0.1), (0.1, 0.7, 0.1), 0.03, 0.03, 6)])
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import tau

import numpy as np
from numpy.typing import ArrayLike, NDArray

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Solid:
    """A triangle mesh: vertices (V, 3) float64, faces (F, 3) int64, counter-clockwise seen from outside."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    def moved(self, offset: ArrayLike) -> "Solid":
        """Shift by (x, y, z)."""
        return Solid(self.vertices + np.asarray(offset, dtype=float), self.faces)

    def turned(self, radians: float) -> "Solid":
        """Turn about the y axis."""
        cosine, sine = np.cos(radians), np.sin(radians)
        rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        return Solid(self.vertices @ rotation.T, self.faces)

    def without(self, vertices: Collection[int]) -> "Solid":
        """Drop the faces whose three corners are all among `vertices`; the vertices stay."""
        inside = np.isin(self.faces, list(vertices)).all(axis=1)
        return Solid(self.vertices, self.faces[~inside])


def join(parts: Sequence[Solid]) -> Solid:
    """Put solids side by side in one mesh; nothing is cut or welded."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    return Solid(vertices, faces)


_BOX_SIDES = {
    "bottom": (0, 1, 3, 2),
    "top": (4, 6, 7, 5),
    "back": (0, 4, 5, 1),
    "front": (2, 3, 7, 6),
    "left": (0, 2, 6, 4),
    "right": (1, 5, 7, 3),
}


def box(low: Point, high: Point, open_sides: Collection[str] = ()) -> Solid:
    """Box between two corners; `open_sides` of bottom, top, back, front, left, right are left out."""
    corners = [[(low, high)[i & 1][0], (low, high)[i >> 2][1], (low, high)[i >> 1 & 1][2]] for i in range(8)]
    quads = [quad for side, quad in _BOX_SIDES.items() if side not in open_sides]
    return Solid(np.array(corners, dtype=float), _triangles(quads))


def cushion(low: Point, high: Point, bevel: float) -> Solid:
    """Box with its edges and corners cut off at `bevel`: 24 vertices, 44 faces."""
    middle, half = (np.array(low) + high) / 2, (np.array(high) - low) / 2
    number: dict[tuple[int, tuple[int, ...]], int] = {}
    points: list[NDArray[np.float64]] = []
    for signs in np.ndindex(2, 2, 2):
        for axis in range(3):  # three vertices at each corner, each flush with one side
            reach = np.where(np.arange(3) == axis, half, half - bevel)
            number[axis, signs] = len(points)
            points.append(middle + reach * (np.array(signs) * 2 - 1))
    polygons = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for sign in (0, 1):

            def corner(on: int, at: dict[int, int]) -> int:
                return number[on, tuple(at[i] for i in range(3))]

            around = [(0, 0), (1, 0), (1, 1), (0, 1)]
            polygons.append([corner(axis, {axis: sign, u: a, v: b}) for a, b in around])
            for other in (0, 1):  # the strip between side `axis` and side `u`
                low_end, high_end = {axis: sign, u: other, v: 0}, {axis: sign, u: other, v: 1}
                polygons.append(
                    [corner(axis, low_end), corner(u, low_end), corner(u, high_end), corner(axis, high_end)]
                )
    polygons += [[number[axis, signs] for axis in range(3)] for signs in np.ndindex(2, 2, 2)]
    return _turned_outward(Solid(np.array(points), _triangles(polygons)), middle)


def pole(
    start: Point, end: Point, start_radius: float, end_radius: float, sides: int, is_capped: bool = True
) -> Solid:
    """Straight rod, leg or cone between two points, its first side facing the axes when `sides` is 4."""
    return tube(np.array([start, end], dtype=float), [start_radius, end_radius], sides, is_capped)


def tube(
    path: NDArray[np.float64],
    radius: float | Sequence[float],
    sides: int,
    is_capped: bool = True,
    is_closed: bool = False,
) -> Solid:
    """Sweep a regular polygon along `path` (K, 3); a closed path gives a ring of genus 1."""
    n = len(path)
    radii = np.broadcast_to(np.asarray(radius, dtype=float), (n,))
    if is_closed:
        tangents = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    # One fixed reference keeps the rings from twisting; furniture's paths are flat curves.
    _, _, axes = np.linalg.svd(path - path.mean(axis=0))
    reference = axes[2] if n > 2 else np.array([0.0, 0.0, 1.0])
    if n == 2 and abs(tangents[0] @ reference) > 0.9:
        reference = np.array([1.0, 0.0, 0.0])
    reference = reference * np.sign(reference[np.abs(reference).argmax()])
    across = np.cross(tangents, reference)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    along = np.cross(tangents, across)
    angles = tau * (np.arange(sides) + 0.5) / sides
    rings = (
        path[:, None]
        + radii[:, None, None] * np.cos(angles)[None, :, None] * across[:, None]
        + radii[:, None, None] * np.sin(angles)[None, :, None] * along[:, None]
    )
    polygons = _wall_quads(n, sides, is_closed)
    if is_capped and not is_closed:
        polygons += [list(range(sides))[::-1], list(range((n - 1) * sides, n * sides))]
    return Solid(rings.reshape(-1, 3), _triangles(polygons))


def lathe(profile: Sequence[tuple[float, float]], sides: int, is_closed: bool = False) -> Solid:
    """Turn a profile of (radius, height) about the y axis; radius 0 is a single vertex.

    A profile walked with the material on its left faces outward: up along the outside, down inside.
    """
    rings: list[list[int]] = []
    points: list[Point] = []
    for radius, height in profile:
        count = sides if radius > 0 else 1
        start = len(points)
        angles = tau * np.arange(count) / sides
        points += [(radius * np.sin(a), height, radius * np.cos(a)) for a in angles]
        rings.append([start + i % count for i in range(sides + 1)])
    pairs = list(zip(rings, rings[1:] + rings[:1], strict=True))
    quads = [
        [lower[i], lower[i + 1], upper[i + 1], upper[i]]
        for lower, upper in (pairs if is_closed else pairs[:-1])
        for i in range(sides)
    ]
    return Solid(np.array(points), _triangles(quads))


def band(outer: ArrayLike, inner: ArrayLike, back: float, front: float, is_closed: bool = False) -> Solid:
    """Strip between two curves (K, 2) in x, y, given thickness in z; closed curves give genus 1."""
    outer, inner = np.asarray(outer, dtype=float), np.asarray(inner, dtype=float)
    n = len(outer)
    rings = [(outer, front), (inner, front), (inner, back), (outer, back)]
    points = np.stack([np.column_stack([curve, np.full(n, z)]) for curve, z in rings], axis=1).reshape(-1, 3)
    polygons = _wall_quads(n, 4, is_closed)
    if not is_closed:
        polygons += [[3, 2, 1, 0], [4 * n - 4, 4 * n - 3, 4 * n - 2, 4 * n - 1]]
    solid = Solid(points, _triangles(polygons))
    return solid if _volume(solid) > 0 else Solid(points, solid.faces[:, ::-1])


def sheet(corner: Point, across: Point, along: Point, n_across: int = 1, n_along: int = 1) -> Solid:
    """Flat grid of quads without thickness, spanned from `corner` by two edges."""
    u, v = np.meshgrid(np.linspace(0, 1, n_across + 1), np.linspace(0, 1, n_along + 1))
    points = np.array(corner) + u.reshape(-1, 1) * np.array(across) + v.reshape(-1, 1) * np.array(along)
    row = n_across + 1
    quads = [
        [j * row + i, j * row + i + 1, (j + 1) * row + i + 1, (j + 1) * row + i]
        for j in range(n_along)
        for i in range(n_across)
    ]
    return Solid(points, _triangles(quads))


def weld(solid: Solid) -> Solid:
    """Join vertices at equal places; drops no face."""
    vertices, inverse = np.unique(np.round(solid.vertices, 6), axis=0, return_inverse=True)
    return Solid(vertices, inverse.reshape(-1)[solid.faces])


def _wall_quads(n_rings: int, sides: int, is_closed: bool) -> list[list[int]]:
    quads = []
    for j in range(n_rings if is_closed else n_rings - 1):
        near, far = j * sides, (j + 1) % n_rings * sides
        quads += [[near + i, near + (i + 1) % sides, far + (i + 1) % sides, far + i] for i in range(sides)]
    return quads


def _triangles(polygons: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Fan each polygon; triangles that repeat a vertex (at a pole) vanish."""
    fans = [
        (polygon[0], polygon[i], polygon[i + 1]) for polygon in polygons for i in range(1, len(polygon) - 1)
    ]
    return np.array([fan for fan in fans if len(set(fan)) == 3], dtype=np.int64)


def _turned_outward(solid: Solid, middle: NDArray[np.float64]) -> Solid:
    """Orient the faces of a convex solid away from its middle."""
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    is_inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c - 3 * middle) < 0
    return Solid(solid.vertices, np.where(is_inward[:, None], solid.faces[:, ::-1], solid.faces))


def _volume(solid: Solid) -> float:
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
