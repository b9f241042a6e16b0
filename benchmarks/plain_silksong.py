"""Mesh Silksong (arXiv 2507.02477) with 128 bins in plain Python: a part of the plain loop.

As published but for the layers, which are the vertices at each distance, so that no edge is lost.
"""

from itertools import combinations, groupby

import numpy as np
from plain_grid import GridMesh, Ints, RefusedError

BLOCKS, BLOCK = 8, 16
IN_OFFSET, IN_HEAD, OUT, VERTEX = 3, 203, 459, 5659
OFFSET = VERTEX + BLOCKS**3
HEAD_BITS, WINDOW_BITS, WINDOWS = 8, 5, 26
MOST_IN_LAYER = 200


def _window_codes() -> tuple[list[tuple[int, int]], list[int]]:
    """For each window of five bits its code and the bits that it stands for; and those of each code."""
    bases = {True: (0, 2, 6, 12), False: (1, 16, 20)}
    windows, of_code = [], [0] * WINDOWS
    for bits in range(1 << WINDOW_BITS):
        ones = [bits >> i & 1 for i in range(WINDOW_BITS)]
        runs = [(value, len(list(run))) for value, run in groupby(ones)]
        base = bases[bool(ones[0])]
        kept = [value for value, length in runs[: len(base)] for _ in range(length)]
        kept += [0] * (WINDOW_BITS - len(kept))
        changes = tuple(i for i in range(1, WINDOW_BITS) if kept[i] != kept[i - 1])
        ranks = list(combinations(range(1, WINDOW_BITS), len(changes)))
        code = base[len(changes)] + ranks.index(changes)
        of_code[code] = sum(bit << i for i, bit in enumerate(kept))
        windows.append((code, of_code[code]))
    return windows, of_code


_WINDOWS, _OF_CODE = _window_codes()


def encode_silksong(mesh: GridMesh) -> list[int]:
    """Mesh Silksong (arXiv 2507.02477): layers of vertices by distance, with their adjacency matrices."""
    mesh.refuse_double_edges()
    sums = mesh.grid[mesh.faces].sum(axis=1)
    faces = mesh.faces[np.lexsort((sums[:, 0], sums[:, 2], sums[:, 1]))].tolist()
    after: list[dict[int, int]] = [{} for _ in mesh.grid]
    for a, b, c in faces:
        after[a][b], after[b][c], after[c][a] = c, a, b
    rings = [_ring(turns) for turns in after]
    block = ((mesh.grid // BLOCK) @ [BLOCKS**2, BLOCKS, 1] + VERTEX).tolist()
    offset = ((mesh.grid % BLOCK) @ [BLOCK**2, BLOCK, 1] + OFFSET).tolist()
    height = (mesh.grid @ [1, 128 * 128, 128]).tolist()
    layer_of = [-1] * len(rings)
    written: list[int] = []
    for face in faces:
        if layer_of[face[0]] >= 0:
            continue
        start = min(face, key=height.__getitem__)
        layer_of[start] = 0
        written += (0, block[start], offset[start])
        last, layer = [start], _next_layer([start], rings, layer_of, 1)
        depth = 1
        while layer:
            if len(layer) > MOST_IN_LAYER:
                raise RefusedError("a layer is too long")
            written.append(1)
            _write_layer(written, last, layer, depth, rings, layer_of, block, offset)
            depth += 1
            last, layer = layer, _next_layer(layer, rings, layer_of, depth)
        written.append(2)
    return written


def _ring(turns: dict[int, int]) -> list[int]:
    """Neighbours of a vertex counter-clockwise, from the boundary where there is one."""
    start = next(iter(turns.keys() - turns.values()), None)
    first = v = next(iter(turns)) if start is None else start
    ring = [v]
    while (v := turns.get(v, first)) != first:
        ring.append(v)
    return ring


def _next_layer(layer: list[int], rings: list[list[int]], layer_of: list[int], depth: int) -> list[int]:
    """Neighbours not yet in a layer, ring by ring; in a ring they begin after one that is in a layer."""
    found: list[int] = []
    for v in layer:
        ring = rings[v]
        is_new = [not 0 <= layer_of[u] < depth for u in ring]
        if not any(is_new):
            continue
        i = is_new.index(True)
        for u in ring[i:] + ring[:i]:
            if layer_of[u] < 0:
                layer_of[u] = depth
                found.append(u)
    return found


def _write_layer(
    written: list[int],
    last: list[int],
    layer: list[int],
    depth: int,
    rings: list[list[int]],
    layer_of: list[int],
    block: list[int],
    offset: list[int],
) -> None:
    """Each vertex of a layer with its row of both matrices."""
    n = len(layer)
    place = {v: i for i, v in enumerate(last)} | {v: i for i, v in enumerate(layer)}
    for i, v in enumerate(layer):
        head, extra, row = 0, [], 0
        for u in rings[v]:
            if layer_of[u] == depth:
                d = (place[u] - i - 1) % n
                if d < HEAD_BITS:
                    head |= 1 << d
                elif d < n - 1 - HEAD_BITS:
                    extra.append(d)
            elif layer_of[u] == depth - 1:
                row |= 1 << place[u]
        written += (block[v], offset[v], IN_HEAD + head)
        written += (IN_OFFSET + d for d in sorted(extra))
        while row:
            c = (row & -row).bit_length() - 1
            code, kept = _WINDOWS[row >> c + 1 & 31]
            written.append(OUT + c * WINDOWS + code)
            row ^= (1 | kept << 1) << c


def decode_silksong(written: list[int]) -> Ints:
    """Corners (F, 3, 3): the triangles within layers and between two, each once."""
    points: list[tuple[int, int, int]] = []
    found: set[tuple[int, int, int]] = set()
    rows: list[int] = []
    sides: list[set[int]] = []
    last, begin, block = range(0), 0, 0
    last_sides: list[set[int]] = []
    for token in written:
        if token >= OFFSET:
            x, y, z = block // BLOCKS**2, block // BLOCKS % BLOCKS, block % BLOCKS
            of = token - OFFSET
            points.append(
                (x * BLOCK + of // BLOCK**2, y * BLOCK + of // BLOCK % BLOCK, z * BLOCK + of % BLOCK)
            )
            rows.append(0)
            sides.append(set())
        elif token >= VERTEX:
            block = token - VERTEX
        elif token >= OUT:
            c, code = divmod(token - OUT, WINDOWS)
            rows[-1] |= (1 | _OF_CODE[code] << 1) << c
        elif token >= IN_HEAD:
            sides[-1].update(d for d in range(HEAD_BITS) if token - IN_HEAD >> d & 1)
        elif token >= IN_OFFSET:
            sides[-1].add(token - IN_OFFSET)
        elif rows:
            layer = range(begin, len(points))
            neighbours = _symmetric(sides)
            _close_layer(found, last, last_sides, layer, neighbours, rows)
            last, last_sides, begin, rows, sides = layer, neighbours, len(points), [], []
        if token == 0:
            last, last_sides = range(0), []
    return np.array(points)[np.array(sorted(found))]


def _symmetric(sides: list[set[int]]) -> list[set[int]]:
    """Neighbours of each place in a layer from the offsets of its row and of all others."""
    n = len(sides)
    neighbours: list[set[int]] = [set() for _ in sides]
    for i, offsets in enumerate(sides):
        for d in offsets:
            j = (i + 1 + d) % n
            if j != i:
                neighbours[i].add(j)
                neighbours[j].add(i)
    return neighbours


def _close_layer(
    found: set[tuple[int, int, int]],
    last: range,
    last_sides: list[set[int]],
    layer: range,
    sides: list[set[int]],
    rows: list[int],
) -> None:
    """Add the faces of a layer and those between it and the last one."""
    for i, near in enumerate(sides):
        for j in near:
            if j > i:
                found.update((layer[i], layer[j], layer[k]) for k in near & sides[j] if k > j)
    below = [[c for c in range(len(last)) if row >> c & 1] for row in rows]
    above: list[list[int]] = [[] for _ in last]
    for i, columns in enumerate(below):
        for c in columns:
            above[c].append(i)
    for own, others, rows_of, linked in ((layer, last, below, last_sides), (last, layer, above, sides)):
        for v, columns in zip(own, rows_of, strict=True):
            after = columns[1:] + (columns[:1] if len(columns) > 2 else [])
            for a, b in zip(columns, after, strict=False):
                if b in linked[a]:
                    face = sorted((v, others[a], others[b]))
                    found.add((face[0], face[1], face[2]))
