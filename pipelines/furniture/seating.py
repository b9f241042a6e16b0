"""Chairs, stools, benches, sofas."""

import numpy as np
from numpy.random import Generator

from pipelines.furniture.solids import Solid, box, cushion, join, lathe, pole, sheet, tube


def chair(rng: Generator) -> Solid:
    """Four legs, a seat, and a back of slats, spindles, one panel, or one sheet without thickness."""
    width, depth, seat = rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.5), rng.uniform(0.42, 0.48)
    back, leg, sides = rng.uniform(0.35, 0.6), rng.uniform(0.018, 0.028), int(rng.choice([4, 6, 8]))
    splay, thickness = rng.uniform(0, 0.05), rng.uniform(0.03, 0.06)
    x, z, top = width / 2 - leg * 1.5, depth / 2 - leg * 1.5, seat + back
    parts = [
        pole((i * (x + splay), 0, j * (z + splay)), (i * x, seat, j * z), leg * 0.7, leg, sides)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    low, high = (-width / 2, seat, -depth / 2), (width / 2, seat + thickness, depth / 2)
    parts.append(cushion(low, high, thickness * 0.4) if rng.random() < 0.5 else box(low, high))
    lean = rng.uniform(0.02, 0.1)
    parts += [
        pole((i * x, seat + thickness, -z), (i * x, top, -z - lean), leg, leg * 0.8, sides) for i in (-1, 1)
    ]
    match rng.choice(["slats", "spindles", "panel", "sheet"]):
        case "slats":
            for share in np.linspace(0.35, 0.95, int(rng.integers(2, 5))):
                y, behind = seat + back * share, -z - lean * share
                parts.append(box((-x, y - 0.03, behind - 0.01), (x, y + 0.03, behind + 0.01)))
        case "spindles":
            parts.append(
                box((-x - leg, top - 0.03, -z - lean - 0.02), (x + leg, top + 0.03, -z - lean + 0.02))
            )
            for i in np.linspace(-x, x, int(rng.integers(5, 8)))[1:-1]:
                parts.append(pole((i, seat + thickness, -z), (i, top - 0.03, -z - lean), 0.008, 0.008, 5))
        case "panel":
            y = seat + back * rng.uniform(0.3, 0.5)
            parts.append(cushion((-x, y, -z - lean - 0.015), (x, top, -z - lean * 0.5 + 0.015), 0.01))
        case "sheet":  # woven: no thickness, so its rim is open
            y = seat + back * 0.3
            parts.append(sheet((-x, y, -z - lean * 0.3), (2 * x, 0, 0), (0, top - y, -lean * 0.7), 4, 3))
    if rng.random() < 0.3:  # arm rests
        arm = seat + rng.uniform(0.18, 0.24)
        for i in (-1, 1):
            parts.append(pole((i * x, seat + thickness, z), (i * x, arm, z), leg * 0.8, leg * 0.8, sides))
            parts.append(box((i * x - 0.025, arm, -z - 0.02), (i * x + 0.025, arm + 0.025, z + 0.03)))
    return join(parts)


def stool(rng: Generator) -> Solid:
    """A round or square seat on three or four legs with a ring between them, or on one foot."""
    radius, height = rng.uniform(0.16, 0.22), rng.uniform(0.42, 0.8)
    sides, thickness = int(rng.choice([8, 10, 12, 16])), rng.uniform(0.03, 0.07)
    bevel, base = thickness * 0.3, height - thickness
    parts = [
        lathe(
            [(0, base), (radius, base), (radius, height - bevel), (radius - bevel, height), (0, height)],
            sides,
        )
    ]
    if rng.random() < 0.3:  # bar stool: a turned foot
        foot = radius * rng.uniform(0.9, 1.1)
        profile = [(0, 0), (foot, 0), (foot, 0.02), (0.04, 0.06), (0.03, base * 0.5), (0.04, base), (0, base)]
        parts.append(lathe(profile, sides))
        rest = 0.35 * height
    else:
        n_legs, splay = int(rng.integers(3, 5)), rng.uniform(0.0, 0.12)
        for angle in np.arange(n_legs) * np.pi * 2 / n_legs + np.pi / 4:
            direction = np.array([np.sin(angle), 0, np.cos(angle)])
            near, far = direction * radius * 0.75, direction * (radius * 0.75 + splay)
            parts.append(pole((far[0], 0, far[2]), (near[0], base, near[2]), 0.014, 0.02, 6))
        rest = rng.uniform(0.2, 0.35) * height
        radius = radius * 0.75 + splay * (1 - rest / base)
    if rng.random() < 0.6:  # foot rest: a ring of genus 1
        angles = np.pi * 2 * np.arange(sides) / sides
        ring = np.column_stack([np.sin(angles), np.full(sides, 0), np.cos(angles)]) * radius
        parts.append(tube(ring, 0.01, 5, is_closed=True).moved((0, rest, 0)))
    return join(parts)


def bench(rng: Generator) -> Solid:
    """A park bench: slats on two frames, with or without a back."""
    width, seat, depth = rng.uniform(1.1, 1.9), rng.uniform(0.4, 0.47), rng.uniform(0.36, 0.5)
    n_slats, gap = int(rng.integers(3, 6)), rng.uniform(0.01, 0.025)
    slat = (depth - gap * (n_slats - 1)) / n_slats
    parts = []
    for i in range(n_slats):
        z = -depth / 2 + i * (slat + gap)
        parts.append(box((-width / 2, seat, z), (width / 2, seat + 0.03, z + slat)))
    n_frames = 3 if width > 1.6 else 2
    for x in np.linspace(-width / 2 + 0.12, width / 2 - 0.12, n_frames):
        parts.append(box((x - 0.03, seat - 0.05, -depth / 2), (x + 0.03, seat, depth / 2)))
        parts += [
            box((x - 0.03, 0, j - 0.03), (x + 0.03, seat - 0.05, j + 0.03))
            for j in (-depth / 2 + 0.03, depth / 2 - 0.03)
        ]
    if rng.random() < 0.65:
        rise, lean = rng.uniform(0.35, 0.5), rng.uniform(0.08, 0.18)
        for x in np.linspace(-width / 2 + 0.12, width / 2 - 0.12, n_frames):
            parts.append(pole((x, seat, -depth / 2), (x, seat + rise, -depth / 2 - lean), 0.03, 0.025, 4))
        for share in np.linspace(0.35, 0.95, int(rng.integers(2, 5))):
            y, z = seat + rise * share, -depth / 2 - lean * share + 0.035
            parts.append(box((-width / 2, y - 0.04, z - 0.012), (width / 2, y + 0.04, z + 0.012)))
    return join(parts)


def sofa(rng: Generator) -> Solid:
    """Upholstered: base, arms, back, one to three seat cushions, sometimes a chaise or loose pillows."""
    n_seats, seat_width = int(rng.integers(1, 4)), rng.uniform(0.58, 0.72)
    arm, depth, seat, back = (
        rng.uniform(0.12, 0.22),
        rng.uniform(0.75, 0.95),
        rng.uniform(0.28, 0.34),
        rng.uniform(0.7, 0.9),
    )
    half, foot, bevel = n_seats * seat_width / 2, rng.uniform(0.06, 0.14), rng.uniform(0.03, 0.06)
    parts = [box((-half, foot, -depth / 2), (half, seat, depth / 2))]
    parts += [
        pole((i * (half + arm / 2), 0, j), (i * (half + arm / 2), foot, j), 0.02, 0.03, 6)
        for i in (-1, 1)
        for j in (-depth / 2 + 0.08, depth / 2 - 0.08)
    ]
    arm_height = seat + rng.uniform(0.2, 0.3)
    for low, high in ((-half - arm, -half), (half, half + arm)):
        parts.append(cushion((low, foot, -depth / 2), (high, arm_height, depth / 2), bevel))
    parts.append(cushion((-half, seat, -depth / 2), (half, back, -depth / 2 + 0.22), bevel))
    has_chaise = n_seats > 1 and rng.random() < 0.4
    for i in range(n_seats):
        left = -half + i * seat_width
        front = depth / 2 + (0.6 if has_chaise and i == 0 else 0.02)
        parts.append(cushion((left, seat, -depth / 2 + 0.2), (left + seat_width, seat + 0.14, front), bevel))
        if has_chaise and i == 0:
            parts.append(box((left, foot, depth / 2), (left + seat_width, seat, front - 0.02)))
    if rng.random() < 0.5:
        pillow = cushion((-0.2, 0, -0.06), (0.2, 0.4, 0.06), 0.055).turned(rng.uniform(-0.3, 0.3))
        parts.append(pillow.moved((half - 0.25, seat + 0.15, -depth / 2 + 0.32)))
    return join(parts)
