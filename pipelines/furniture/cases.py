"""Tables, shelves, cabinets, beds."""

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from pipelines.furniture.solids import Solid, box, cushion, join, lathe, pole, sheet, weld


def table(rng: Generator) -> Solid:
    """A round or rectangular top on legs, trestles or one turned column; sometimes under a cloth."""
    width, depth = rng.uniform(0.8, 2.0), rng.uniform(0.6, 0.95)
    height, thickness = rng.choice([0.42, 0.74, 1.05]) + rng.uniform(-0.03, 0.03), rng.uniform(0.02, 0.06)
    under = height - thickness
    if rng.random() < 0.35:
        radius, sides = depth * 0.6, int(rng.choice([12, 16, 20]))
        parts = [lathe([(0, under), (radius, under), (radius, height), (0, height)], sides)]
        waist = rng.uniform(0.03, 0.06)
        foot = radius * 0.6
        profile = [
            (0, 0),
            (foot, 0),
            (foot, 0.03),
            (waist * 1.5, 0.08),
            (waist, under * 0.5),
            (waist * 1.8, under),
        ]
        parts.append(lathe([*profile, (0, under)], max(8, sides // 2)))
        return join(parts)
    top = ((-width / 2, under, -depth / 2), (width / 2, height, depth / 2))
    parts = [cushion(*top, thickness * 0.35) if rng.random() < 0.4 else box(*top)]
    x, z, leg = width / 2 - 0.08, depth / 2 - 0.08, rng.uniform(0.025, 0.045)
    match rng.choice(["legs", "trestles", "drawers"]):
        case "legs":
            sides, foot = int(rng.choice([4, 8])), rng.uniform(0.5, 1)
            parts += [
                pole((i * x, 0, j * z), (i * x, under, j * z), leg * foot, leg, sides)
                for i in (-1, 1)
                for j in (-1, 1)
            ]
            apron = under - rng.uniform(0.06, 0.1)
            parts += [box((-x, apron, j * z - 0.01), (x, under, j * z + 0.01)) for j in (-1, 1)]
        case "trestles":
            for i in (-1, 1):
                parts += [pole((i * x, 0, j * z), (i * x, under, j * z * 0.3), leg, leg, 4) for j in (-1, 1)]
            parts.append(box((-x, under * 0.35, -0.02), (x, under * 0.35 + 0.06, 0.02)))
        case "drawers":
            side = width * rng.uniform(0.22, 0.3)
            n_drawers = int(rng.integers(2, 4))
            parts.append(box((x - side, 0.05, -z), (x, under, z)))
            for i in range(n_drawers):
                low, high = (0.05 + (under - 0.05) * (i + share) / n_drawers for share in (0.06, 0.94))
                parts.append(box((x - side + 0.02, low, z), (x - 0.02, high, z + 0.015)))
                parts.append(
                    box(
                        (x - side / 2 - 0.05, (low + high) / 2, z + 0.015),
                        (x - side / 2 + 0.05, (low + high) / 2 + 0.015, z + 0.03),
                    )
                )
            parts += [pole((-x, 0, j * z), (-x, under, j * z), leg, leg, 4) for j in (-1, 1)]
    if rng.random() < 0.2:  # a cloth without thickness
        drop = rng.uniform(0.12, 0.25)
        a, b, y = width / 2 + 0.005, depth / 2 + 0.005, height + 0.004
        cloth = [sheet((-a, y, b), (2 * a, 0, 0), (0, 0, -2 * b), 4, 3)]
        cloth += [
            sheet((-a, y - drop, b), (2 * a, 0, 0), (0, drop, 0), 4),
            sheet((a, y - drop, -b), (-2 * a, 0, 0), (0, drop, 0), 4),
        ]
        parts.append(weld(join(cloth)))
    return join(parts)


def shelf(rng: Generator) -> Solid:
    """A bookcase: boards between uprights, or sheets without thickness that meet three at an edge."""
    width, height, depth = rng.uniform(0.6, 1.4), rng.uniform(0.8, 2.1), rng.uniform(0.24, 0.4)
    n_rows, n_columns = int(rng.integers(3, 6)), int(rng.integers(1, 4))
    xs, ys = np.linspace(-width / 2, width / 2, n_columns + 1), np.linspace(0.05, height, n_rows + 1)
    if rng.random() < 0.3:
        parts = [sheet((-width / 2, 0.05, 0), (width, 0, 0), (0, height - 0.05, 0), n_columns, n_rows)]
        parts += [sheet((-width / 2, y, depth), (width, 0, 0), (0, 0, -depth), n_columns, 2) for y in ys]
        parts += [sheet((x, 0.05, depth), (0, 0, -depth), (0, height - 0.05, 0), 2, n_rows) for x in xs]
        return weld(join(parts))
    board = rng.uniform(0.018, 0.035)
    parts = [box((x - board / 2, 0, 0), (x + board / 2, height + board, depth)) for x in xs]
    for y in ys:
        for left, right in pairwise(xs):
            if n_columns == 1 or y in (ys[0], ys[-1]) or rng.random() < 0.85:
                parts.append(box((left + board / 2, y, 0), (right - board / 2, y + board, depth)))
    if rng.random() < 0.5:
        parts.append(box((-width / 2, 0, -0.008), (width / 2, height, 0)))
    if rng.random() < 0.6:  # books in one compartment
        x, row = xs[0] + board, int(rng.integers(0, n_rows))
        room = (height - 0.05) / n_rows - board
        for _ in range(int(rng.integers(3, 9))):
            thick, tall = rng.uniform(0.02, 0.05), min(rng.uniform(0.6, 0.95) * room, 0.32)
            if x + thick > xs[1] - board:
                break
            parts.append(box((x, ys[row] + board, 0.02), (x + thick, ys[row] + board + tall, depth * 0.8)))
            x += thick + 0.002
    return join(parts)


def cabinet(rng: Generator) -> Solid:
    """A carcass with an open front, boards inside, doors ajar or drawers, on feet."""
    width, height, depth = rng.uniform(0.5, 1.4), rng.uniform(0.6, 1.9), rng.uniform(0.35, 0.55)
    foot, wall = rng.uniform(0.04, 0.14), rng.uniform(0.02, 0.03)
    x, top = width / 2, foot + height
    parts = [
        box((-x, foot, 0), (x, top, depth), open_sides=["front"]),
        box((-x + wall, foot + wall, wall), (x - wall, top - wall, depth), open_sides=["front"]),
    ]
    inside = parts.pop()  # its faces look into the cabinet
    parts.append(Solid(inside.vertices, inside.faces[:, ::-1]))
    rim = [
        (-x, foot, x, foot + wall),
        (-x, top - wall, x, top),
        (-x, foot + wall, -x + wall, top - wall),
        (x - wall, foot + wall, x, top - wall),
    ]
    parts += [sheet((a, b, depth), (c - a, 0, 0), (0, d - b, 0)) for a, b, c, d in rim]
    parts += [
        pole((i * (x - 0.05), 0, j), (i * (x - 0.05), foot, j), 0.02, 0.03, 6)
        for i in (-1, 1)
        for j in (0.05, depth - 0.05)
    ]
    n_boards = int(rng.integers(1, 5))
    for y in np.linspace(foot, top, n_boards + 2)[1:-1]:
        parts.append(box((-x + wall, y, wall), (x - wall, y + wall * 0.7, depth - 0.03)))
    match rng.choice(["open", "doors", "drawers"]):
        case "doors":
            for side in (-1, 1):
                door = join(
                    [
                        box((0, 0, 0), (x - 0.005, height - 0.01, 0.02)),
                        pole(
                            (x - 0.05, height * 0.45, 0.02), (x - 0.05, height * 0.45, 0.05), 0.012, 0.018, 8
                        ),
                    ]
                )
                ajar = rng.uniform(0.1, 1.6)
                if side > 0:
                    door = Solid(door.vertices * (-1, 1, 1), door.faces[:, ::-1])
                parts.append(door.turned(side * ajar).moved((side * x, foot + 0.005, depth + 0.002)))
        case "drawers":
            ys = np.linspace(foot + wall, top - wall, n_boards + 2)
            for low, high in pairwise(ys):
                out = rng.choice([0.0, rng.uniform(0.05, 0.25)])
                front = depth + out
                parts.append(
                    box(
                        (-x + wall, low + 0.03, wall * 2 + out),
                        (x - wall, high - 0.02, front),
                        open_sides=["top"],
                    )
                )
                parts.append(
                    box(
                        (-0.06, (low + high) / 2 - 0.01, front), (0.06, (low + high) / 2 + 0.01, front + 0.03)
                    )
                )
    return join(parts)


def bed(rng: Generator) -> Solid:
    """Frame, mattress, pillows, head board, sometimes four posts or a second storey."""
    width, length, base = rng.choice([0.9, 1.4, 1.8]), rng.uniform(1.9, 2.1), rng.uniform(0.22, 0.36)
    x, z, head = width / 2, length / 2, rng.uniform(0.75, 1.2)
    is_bunk, has_posts = width < 1 and rng.random() < 0.6, rng.random() < 0.35
    parts = []
    for y in (base, base + 1.15) if is_bunk else (base,):
        parts += [
            box((-x, y - 0.12, -z), (x, y, z)),
            cushion((-x + 0.02, y, -z + 0.02), (x - 0.02, y + 0.2, z - 0.02), 0.05),
        ]
        n_pillows = 1 if width < 1.2 else 2
        for i in range(n_pillows):
            centre = -x + width * (i + 0.5) / n_pillows
            parts.append(
                cushion((centre - 0.3, y + 0.2, -z + 0.08), (centre + 0.3, y + 0.31, -z + 0.5), 0.05)
            )
        if not is_bunk and rng.random() < 0.6:
            reach = rng.uniform(-0.5, 0.1)
            parts.append(cushion((-x - 0.01, y + 0.1, -z * -reach), (x + 0.01, y + 0.23, z + 0.01), 0.03))
    tall = base
    if is_bunk:
        tall = base + 1.6
    elif has_posts:
        tall = rng.uniform(1.7, 2.1)
    parts += [
        pole((i * x, 0, j * z), (i * x, tall, j * z), 0.035, 0.03, 4 if is_bunk else 8)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    if is_bunk:
        for rail in (z * 0.5 - 0.14, z * 0.5 + 0.14):
            parts.append(pole((x + 0.03, 0, rail), (x + 0.03, tall, rail), 0.018, 0.018, 4))
        parts += [
            pole((x + 0.03, y, z * 0.5 - 0.14), (x + 0.03, y, z * 0.5 + 0.14), 0.014, 0.014, 4)
            for y in np.arange(0.25, tall, 0.25)
        ]
    else:
        parts.append(cushion((-x, base, -z - 0.06), (x, head, -z), 0.025))
        if has_posts:
            parts += [box((i * x - 0.02, tall - 0.05, -z), (i * x + 0.02, tall - 0.01, z)) for i in (-1, 1)]
            parts += [box((-x, tall - 0.05, j * z - 0.02), (x, tall - 0.01, j * z + 0.02)) for j in (-1, 1)]
    return join(parts)
