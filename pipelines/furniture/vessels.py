"""Turned things: vases and bowls, mugs, planters, lamps."""

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from pipelines.furniture.solids import Solid, join, lathe, pole, sheet, tube


def vase(rng: Generator) -> Solid:
    """A vase, bottle or bowl: closed with an inside, or one open sheet."""
    sides, n_rings = int(rng.integers(8, 25)), int(rng.integers(5, 11))
    if rng.random() < 0.35:  # bowl
        radius, height, power = rng.uniform(0.1, 0.2), rng.uniform(0.06, 0.12), rng.uniform(1.5, 3)
        foot = radius * rng.uniform(0.3, 0.5)
        shares = np.linspace(0, 1, n_rings)
        outside = [(foot + (radius - foot) * s ** (1 / power), height * s) for s in shares]
    else:
        height, belly = rng.uniform(0.2, 0.6), rng.uniform(0.06, 0.14)
        knots = [0, rng.uniform(0.25, 0.5), rng.uniform(0.65, 0.85), 1]
        widths = [
            belly * rng.uniform(0.4, 0.8),
            belly,
            belly * rng.uniform(0.25, 0.6),
            belly * rng.uniform(0.35, 0.9),
        ]
        fit = np.polynomial.Polynomial.fit(knots, widths, 3)
        outside = [(max(float(fit(s)), belly * 0.15), height * s) for s in np.linspace(0, 1, n_rings)]
    if rng.random() < 0.4:
        return lathe([(0, 0), *outside], sides)
    wall = min(radius for radius, _ in outside) * rng.uniform(0.12, 0.3)
    inside = [(radius - wall, y) for radius, y in outside[::-1] if y > wall]
    return lathe([(0, 0), *outside, *inside, (0, wall)], sides)


def mug(rng: Generator) -> Solid:
    """A cup with a handle: grown into the wall (genus 1), or a torus or a bent rod stuck into it."""
    radius, height, sides = rng.uniform(0.035, 0.055), rng.uniform(0.06, 0.12), int(rng.choice([12, 16, 20]))
    taper, wall, n_rings = rng.uniform(0.75, 1.1), rng.uniform(0.003, 0.006), int(rng.integers(5, 8))
    shares = np.linspace(0, 1, n_rings)
    outside = [(radius * (taper + (1 - taper) * s), height * s) for s in shares]
    inside = [(r - wall, y) for r, y in (outside[-1], outside[n_rings // 2])]
    cup = lathe([(0, 0), *outside, *inside, (outside[0][0] - wall, wall * 2), (0, wall * 2)], sides)
    low, high, reach = height * 0.25, height * 0.75, radius * rng.uniform(0.5, 0.8)
    thick = rng.uniform(0.004, 0.007)
    match rng.choice(["grown", "torus", "rod"]):
        case "grown":
            return _with_handle(cup, n_rings, sides, reach)
        case "torus":
            angles = np.pi * 2 * np.arange(sides) / sides
            ring = np.column_stack([np.cos(angles) * reach, np.sin(angles) * (high - low) / 2, 0 * angles])
            return join([cup, tube(ring, thick, 6, is_closed=True).moved((radius, height / 2, 0))])
    angles = np.linspace(-np.pi / 2, np.pi / 2, int(rng.integers(6, 11)))
    curve = np.column_stack([np.cos(angles) * reach, np.sin(angles) * (high - low) / 2, 0 * angles])
    return join([cup, tube(curve, thick, 6, is_capped=False).moved((radius * 0.93, height / 2, 0))])


def _with_handle(cup: Solid, n_rings: int, sides: int, reach: float) -> Solid:
    """Open one quad near the foot and one near the rim of the outer wall, and bridge them."""

    def quad(row: int) -> list[int]:  # vertex 0 is the middle of the foot; ring 0 follows
        ring = 1 + row * sides
        return [ring, ring + 1, ring + sides + 1, ring + sides]

    lower, upper = quad(0 if n_rings < 6 else 1), quad(n_rings - 2)
    opened = cup.without(lower).without(upper)
    points, faces = list(opened.vertices), list(map(tuple, opened.faces))
    start, end = opened.vertices[lower], opened.vertices[upper[3:1:-1] + upper[1::-1]]
    outward = start.mean(axis=0) * (1, 0, 1)
    outward /= np.linalg.norm(outward)
    loops = [lower]
    n = 5
    for i in range(1, n):  # the section turns by half a circle on its way
        share = i / n
        angle = np.pi * share
        middle = start.mean(axis=0) * (1 - share) + end.mean(axis=0) * share + outward * reach * np.sin(angle)
        up = np.array([0, 1, 0]) * np.cos(angle) - outward * np.sin(angle)
        half_width, half_height = (start[1] - start[0]) * 0.4, np.ptp(start[:, 1]) * 0.3
        loops.append(list(range(len(points), len(points) + 4)))
        points += [
            middle - half_width - up * half_height,
            middle + half_width - up * half_height,
            middle + half_width + up * half_height,
            middle - half_width + up * half_height,
        ]
    loops.append(upper[3:1:-1] + upper[1::-1])
    for near, far in pairwise(loops):
        for i in range(4):
            a, b, c, d = near[i], near[(i + 1) % 4], far[(i + 1) % 4], far[i]
            faces += [(a, b, c), (a, c, d)]
    return Solid(np.array(points), np.array(faces, dtype=np.int64))


def planter(rng: Generator) -> Solid:
    """A pot with a plant of flat leaves: open sheets that share the root."""
    sides, radius, height = int(rng.integers(6, 17)), rng.uniform(0.1, 0.2), rng.uniform(0.15, 0.35)
    foot, wall = radius * rng.uniform(0.6, 0.95), radius * 0.12
    pot = [
        (0, 0),
        (foot, 0),
        (radius, height),
        (radius - wall, height),
        (radius - wall, height * 0.85),
        (0, height * 0.85),
    ]
    parts = [lathe(pot, sides)]
    n_leaves, length = int(rng.integers(5, 15)), rng.uniform(0.25, 0.6)
    for i in range(n_leaves):
        span, width, droop = (
            length * rng.uniform(0.7, 1),
            length * rng.uniform(0.08, 0.16),
            rng.uniform(0.3, 1.2),
        )
        n = int(rng.integers(3, 6))
        leaf = sheet((-0.5, 0, 0), (1, 0, 0), (0, 0, 1), 2, n)
        share = leaf.vertices[:, 2]
        x = leaf.vertices[:, 0] * width * np.sin(np.pi * np.clip(share * 0.9 + 0.08, 0, 1)) * 2
        y = span * (share - droop * share**2 * 0.6) + np.abs(x) * 0.4
        z = span * share**1.5 * 0.8
        angle = np.pi * 2 * (i + rng.uniform(-0.2, 0.2)) / n_leaves
        parts.append(Solid(np.column_stack([x, y, z]), leaf.faces).turned(angle).moved((0, height * 0.85, 0)))
    if rng.random() < 0.4:
        saucer = radius * 1.15
        parts.append(lathe([(0, -0.02), (saucer * 0.9, -0.02), (saucer, 0), (0, 0)], sides))
    return join(parts)


def lamp(rng: Generator) -> Solid:
    """Floor, table or hanging lamp: a stem and a shade open at both ends."""
    sides, shade = int(rng.choice([8, 10, 12, 16])), rng.uniform(0.12, 0.22)
    tall, top = rng.uniform(0.14, 0.28), rng.uniform(0.3, 0.9)
    match rng.choice(["floor", "table", "hanging", "arc"]):
        case "table":
            height, belly = rng.uniform(0.3, 0.45), rng.uniform(0.05, 0.1)
            body = [
                (0, 0),
                (belly * 0.8, 0),
                (belly, height * 0.25),
                (belly * 0.8, height * 0.5),
                (0.015, height * 0.7),
                (0.015, height),
                (0, height),
            ]
            parts = [lathe(body, sides)]
            centre = np.array([0, height - tall * 0.2, 0])
        case "floor":
            height = rng.uniform(1.2, 1.6)
            foot = rng.uniform(0.12, 0.18)
            parts = [lathe([(0, 0), (foot, 0), (foot, 0.015), (0.02, 0.05), (0, 0.05)], sides)]
            parts.append(pole((0, 0.05, 0), (0, height, 0), 0.012, 0.01, 6))
            centre = np.array([0, height - tall * 0.4, 0])
        case "hanging":
            height = rng.uniform(0.4, 0.9)
            parts = [pole((0, tall * 0.8, 0), (0, tall + height, 0), 0.006, 0.006, 5)]
            parts.append(
                lathe(
                    [
                        (0, tall + height),
                        (0.05, tall + height),
                        (0.03, tall + height + 0.03),
                        (0, tall + height + 0.03),
                    ],
                    sides,
                )
            )
            centre = np.zeros(3)
        case _:
            angles = np.linspace(np.pi, 0.2 * np.pi, int(rng.integers(8, 13)))
            reach, height = rng.uniform(0.35, 0.6), rng.uniform(0.8, 1.2)
            arc = np.column_stack(
                [np.cos(angles) * reach + reach, np.sin(angles) * reach * 0.8 + height, 0 * angles]
            )
            parts = [tube(np.concatenate([[[0, 0.04, 0]], arc]), 0.014, 6)]
            parts.append(lathe([(0, 0), (0.17, 0), (0.17, 0.04), (0, 0.04)], sides))
            centre = arc[-1] - np.array([0, tall, 0])
    cone = [(shade, 0.0), (shade * (0.4 + 0.6 * top), tall * 0.6), (shade * top, tall)]
    if rng.random() < 0.5:  # with thickness: a closed ring, genus 1
        cone += [(radius * 0.95, y) for radius, y in cone[::-1]]
        parts.append(lathe(cone, sides, is_closed=True).moved(centre))
    else:
        parts.append(lathe(cone, sides).moved(centre))
    parts.append(
        lathe([(0, 0), (0.03, 0.02), (0.03, 0.06), (0.012, 0.09), (0, 0.09)], 8).moved(
            centre + np.array([0, tall * 0.3, 0])
        )
    )
    return join(parts)
