"""Picture frames, stairs, ladders, arches."""

import numpy as np
from numpy.random import Generator

from pipelines.furniture.solids import Solid, band, box, join, lathe, pole, sheet


def frame(rng: Generator) -> Solid:
    """A picture or mirror frame, rectangular, round or pointed: genus 1 around a sheet."""
    width, height, border, depth = (
        rng.uniform(0.3, 1.0),
        rng.uniform(0.3, 1.0),
        rng.uniform(0.03, 0.09),
        rng.uniform(0.02, 0.05),
    )
    if rng.random() < 0.5:
        n_u, n_v = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        u, v = np.linspace(-1, 1, n_u + 1)[:-1], np.linspace(-1, 1, n_v + 1)[:-1]
        sides = [*((a, -1) for a in u), *((1, b) for b in v), *((-a, 1) for a in u), *((-1, -b) for b in v)]
        loop = np.array(sides)
        picture = sheet(
            (-width / 2 + border, -height / 2 + border, depth * 0.3),
            (width - 2 * border, 0, 0),
            (0, height - 2 * border, 0),
            2,
            2,
        )
    else:
        n = int(rng.choice([8, 12, 16, 24]))
        angles = np.pi * 2 * np.arange(n) / n
        loop = np.column_stack([np.cos(angles), np.sin(angles)])
        disc = lathe([(0, 0), (1, 0)], n)
        flat = np.column_stack(
            [
                disc.vertices[:, 2] * (width / 2 - border),
                disc.vertices[:, 0] * (height / 2 - border),
                np.full(n + 1, depth * 0.3),
            ]
        )
        picture = Solid(flat, disc.faces)
    outer, inner = loop * (width / 2, height / 2), loop * (width / 2 - border, height / 2 - border)
    parts = [band(outer, inner, 0, depth, is_closed=True), picture]
    if rng.random() < 0.4:  # a second, finer moulding on top
        parts.append(band(outer * 0.97, inner * 1.03, depth, depth * 1.4, is_closed=True))
    if rng.random() < 0.5:  # a strut behind, as photographs on a desk have
        parts.append(pole((0, height * 0.2, 0), (0, -height / 2, -height * 0.35), 0.012, 0.02, 4))
    return join(parts).moved((0, height / 2, 0))


def stairs(rng: Generator) -> Solid:
    """A flight of solid steps that touch along edges, open treads on stringers, or a spiral."""
    n_steps, rise, going, width = (
        int(rng.integers(4, 11)),
        rng.uniform(0.15, 0.2),
        rng.uniform(0.22, 0.3),
        rng.uniform(0.7, 1.2),
    )
    parts = []
    match rng.choice(["blocks", "solid", "open", "spiral"]):
        case "blocks":  # each block meets the next in one edge, where four faces end: not a manifold
            for i in range(n_steps):
                parts.append(box((0, i * rise, -i * going), (width, (i + 1) * rise, -(i - 1) * going)))
        case "solid":
            for i in range(n_steps):
                parts.append(box((0, 0, -(i + 1) * going), (width, (i + 1) * rise, -i * going)))
        case "open":
            for i in range(n_steps):
                parts.append(
                    box(
                        (0, (i + 1) * rise - 0.04, -(i + 1) * going - 0.02),
                        (width, (i + 1) * rise, -i * going),
                    )
                )
            for x in (-0.04, width):
                line = np.array([[0, 0], [n_steps * going, n_steps * rise]])
                stringer = band(line + np.array([0, 0.04]), line - np.array([0, 0.22]), x, x + 0.04)
                parts.append(Solid(stringer.vertices[:, [2, 1, 0]] * (1, 1, -1), stringer.faces))
        case "spiral":
            parts.append(pole((0, 0, 0), (0, n_steps * rise + 0.9, 0), 0.05, 0.05, 8))
            for i in range(n_steps):
                tread = band([(0.04, 0.05), (width, 0.18)], [(0.04, -0.05), (width, -0.18)], 0, 0.04)
                tread = Solid(tread.vertices[:, [0, 2, 1]], tread.faces[:, ::-1])
                parts.append(tread.turned(-0.42 * i).moved((0, (i + 1) * rise - 0.04, 0)))
            return join(parts)
    if rng.random() < 0.6:  # a hand rail
        for i in range(n_steps):
            parts.append(
                pole(
                    (width - 0.04, (i + 1) * rise, -(i + 0.5) * going),
                    (width - 0.04, (i + 1) * rise + 0.85, -(i + 0.5) * going),
                    0.012,
                    0.012,
                    4,
                )
            )
        last = n_steps - 0.5
        parts.append(
            pole(
                (width - 0.04, rise + 0.85, -0.5 * going),
                (width - 0.04, n_steps * rise + 0.85, -last * going),
                0.025,
                0.025,
                6,
            )
        )
    return join(parts)


def ladder(rng: Generator) -> Solid:
    """Two rails and rungs; single, or a step ladder with a second leg."""
    height, width, n_rungs = rng.uniform(1.4, 3.0), rng.uniform(0.35, 0.5), int(rng.integers(4, 11))
    taper, lean, sides = rng.uniform(0.6, 1.0), rng.uniform(0.15, 0.45), int(rng.choice([4, 6, 8]))
    rail, rung = rng.uniform(0.02, 0.035), rng.uniform(0.012, 0.018)
    is_double = rng.random() < 0.45
    parts = []
    for direction in (1, -1) if is_double else (1,):
        for i in (-1, 1):
            bottom, top = (
                (i * width / 2, 0, direction * lean),
                (i * width * taper / 2, height, direction * 0.03),
            )
            parts.append(pole(bottom, top, rail, rail, 4 if is_double else sides))
        for share in np.linspace(0.1, 0.92, n_rungs if direction > 0 else 2):
            x = width / 2 * (1 - share + taper * share)
            y, z = height * share, direction * (lean * (1 - share) + 0.03 * share)
            if is_double and direction > 0:
                parts.append(box((-x, y - 0.01, z - 0.04), (x, y + 0.01, z + 0.04)))
            else:
                parts.append(pole((-x, y, z), (x, y, z), rung, rung, sides))
    if is_double:
        parts.append(
            box((-width * taper / 2 - 0.02, height, -0.1), (width * taper / 2 + 0.02, height + 0.03, 0.1))
        )
    return join(parts)


def arch(rng: Generator) -> Solid:
    """A doorway: two pillars under a round, pointed or flat arch; sometimes a row of them."""
    span, rise, thickness, depth = (
        rng.uniform(0.9, 1.6),
        rng.uniform(1.2, 2.0),
        rng.uniform(0.15, 0.3),
        rng.uniform(0.2, 0.5),
    )
    n, power = int(rng.integers(7, 16)), rng.choice([1.0, 0.6, 1.5])
    angles = np.linspace(0, np.pi, n)
    crown = rng.uniform(0.35, 0.6) * span
    curve = np.column_stack([np.cos(angles), np.sin(angles) ** power])
    inner = curve * (span / 2, crown) + (0, rise)
    outer = curve * (span / 2 + thickness, crown + thickness) + (0, rise)
    pitch = span + thickness
    parts = []
    n_arches = int(rng.integers(1, 4))
    for i in range(n_arches):
        parts.append(band(outer, inner, -depth / 2, depth / 2).moved((i * pitch, 0, 0)))
    for i in range(n_arches + 1):
        x = (i - 0.5) * pitch
        if rng.random() < 0.5:
            parts.append(box((x - thickness / 2, 0, -depth / 2), (x + thickness / 2, rise, depth / 2)))
        else:
            radius = min(thickness, depth) * 0.5
            column = [
                (0, 0),
                (radius * 1.3, 0),
                (radius * 1.3, 0.08),
                (radius, 0.12),
                (radius * 0.85, rise - 0.1),
                (radius * 1.3, rise),
                (0, rise),
            ]
            parts.append(lathe(column, 10).moved((x, 0, 0)))
    if rng.random() < 0.4:
        low, high = -pitch / 2 - thickness, (n_arches - 0.5) * pitch + thickness
        parts.append(box((low, -0.12, -depth), (high, 0, depth)))
    return join(parts)
