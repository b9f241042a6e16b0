"""Loom's scheme V with 128 bins in plain Python, from `docs/loom-1.md`: a part of the plain loop.

Encoder and decoder drive the same rings (`plain_rings.py`). Nothing is checked of tokens that are decoded.
"""

from itertools import product

import numpy as np
from plain_grid import GridMesh, Ints
from plain_rings import Position, Rings

R, HALF = 128, 64
K = 560
CLASSES = range(4, 9)
FIRST_DIGITS, LATER_DIGITS = 512, 4096
LATER = len(CLASSES) * (K + FIRST_DIGITS)
VALENCE_3 = LATER + LATER_DIGITS
VALENCE_9 = VALENCE_3 + 1
FAR_VALENCE = VALENCE_9 + 56
LOOP_3 = FAR_VALENCE + 1
FAR_LOOP = LOOP_3 + 64
SPLIT_2 = FAR_LOOP + 1
FAR_AHEAD = SPLIT_2 + 11 * 4
FAR_BEHIND, MERGE = FAR_AHEAD + 1, FAR_AHEAD + 2
NUMBER = MERGE + 2


def _slots() -> list[tuple[str, Position]]:
    """The first K slots of the built-in table; it has no others than those of these three shapes."""
    cube = list(product(range(-3, 3), repeat=3))
    steps = range(-16, 17)
    axis = [at for n in steps for at in ((n, 0, 0), (0, n, 0), (0, 0, n))]
    found: dict[tuple[str, Position], None] = {}
    for predictor, shape in (("A", axis), ("Q", cube), ("A", cube), ("P", axis)):
        largest_first = sorted(shape, key=lambda r: (max(map(abs, r)), sum(map(abs, r)), r))
        found |= {(predictor, residual): None for residual in largest_first}
    return list(found)[:K]


_SLOTS = _slots()
_SLOT_OF = {slot: i for i, slot in enumerate(_SLOTS)}


def _at_start(corners: list[Position]) -> dict[str, Position]:
    """Where the next corner of a component's first face is expected."""
    return dict(zip("AQP", (corners[0], corners[-1], corners[0]), strict=True)) if corners else {}


def encode_loom(mesh: GridMesh) -> list[int]:
    """Tokens of a mesh; raises RefusedError."""
    mesh.refuse_double_edges()
    return _Encoder(mesh).written


class _Encoder:
    def __init__(self, mesh: GridMesh) -> None:
        self.written: list[int] = []
        self.third, n = _closed(mesh)
        self.valence = np.bincount([a for a, _ in self.third], minlength=n).tolist()
        self.grid: list[Position | None] = [(x, y, z) for x, y, z in mesh.grid.tolist()]
        self.grid += [None] * (n - len(self.grid))
        self.number = [-1] * n
        """Of each vertex in the order of the sequence."""
        self.own: list[int] = []
        """The vertex of each number."""
        self.rings = Rings()
        for corners in _by_key(mesh):
            if self.number[corners[0]] < 0:
                self.component(corners)

    def component(self, corners: list[int]) -> None:
        rings = self.rings
        for i, v in enumerate(corners):
            self.vertex(v, _at_start([self.grid[u] for u in corners[:i]]))  # type: ignore[misc]
        rings.start(self.number[corners[0]], [self.valence[v] for v in corners])
        while rings.gates:
            p, f = rings.gate()
            u = self.third[self.own[rings.vertex[f]], self.own[rings.vertex[p]]]
            if self.number[u] < 0:
                self.vertex(u, rings.predictors() if self.grid[u] else {})
                rings.add(self.number[u], self.valence[u])
            else:
                self.meet(u, p, f)

    def vertex(self, v: int, predictors: dict[str, Position]) -> None:
        """Write a new vertex, or a dummy, with its valence."""
        self.number[v] = len(self.own)
        self.own.append(v)
        at, valence = self.grid[v], self.valence[v]
        self.rings.place.append(at)
        if at is None:
            if valence <= 66:
                self.written.append(LOOP_3 + valence - 3)
            else:
                self.written.append(FAR_LOOP)
                self.count(valence - 67)
            return
        base = (valence - 4) * (K + FIRST_DIGITS)
        if valence not in CLASSES:
            base = 0
            if valence > 64:
                self.written.append(FAR_VALENCE)
                self.count(valence - 65)
            else:
                self.written.append(VALENCE_3 if valence == 3 else VALENCE_9 + valence - 9)
        x, y, z = at
        slot = K
        for name, (i, j, k) in predictors.items():
            slot = min(slot, _SLOT_OF.get((name, (x - i, y - j, z - k)), K))
        if slot < K:
            self.written.append(base + slot)
            return
        i, j, k = predictors.get("A", (HALF, HALF, HALF))
        x, y, z = (x - i + HALF) % R, (y - j + HALF) % R, (z - k + HALF) % R
        self.written.append(base + K + (x >> 4 << 6 | y >> 4 << 3 | z >> 4))
        self.written.append(LATER + ((x & 15) << 8 | (y & 15) << 4 | z & 15))

    def meet(self, u: int, p: int, f: int) -> None:
        """Write a split or a merge with a vertex that stands in a ring."""
        rings = self.rings
        nodes = {self.own[rings.vertex[rings.previous[n]]]: n for n in rings.nodes[self.number[u]]}
        ahead, near = 0, self.third[self.own[rings.vertex[f]], u]
        while near not in nodes:
            ahead, near = ahead + 1, self.third[near, u]
        node = nodes[near]
        steps, at = 0, f
        while at not in (node, p):
            steps, at = steps + 1, rings.next[at]
        if at == node:
            if 2 <= steps <= 12 and ahead <= 3:
                self.written.append(SPLIT_2 + (steps - 2) * 4 + ahead)
            else:
                behind, at = 0, p
                while at != node and behind < steps:
                    behind, at = behind + 1, rings.previous[at]
                self.written.append(FAR_AHEAD if steps <= behind else FAR_BEHIND)
                self.count(min(steps, behind))
                self.count(ahead)
            rings.split(node, ahead)
            return
        for depth, gate in enumerate(reversed(rings.gates[:-1])):
            steps, at = 0, rings.next[gate]
            while at not in (node, gate):
                steps, at = steps + 1, rings.next[at]
            if at == node:
                self.written.append(MERGE)
                for number in (depth, steps, ahead):
                    self.count(number)
                rings.merge(node, ahead, depth)
                return

    def count(self, n: int) -> None:
        self.written += [NUMBER + 255] * (n // 255) + [NUMBER + n % 255]


def _closed(mesh: GridMesh) -> tuple[dict[tuple[int, int], int], int]:
    """The third vertex across each directed edge, boundary loops closed by dummies; how many vertices."""
    a, b, c = mesh.faces.T
    start, end, other = (np.concatenate(columns).tolist() for columns in ((a, b, c), (b, c, a), (c, a, b)))
    third = dict(zip(zip(start, end, strict=True), other, strict=True))
    sides = np.flatnonzero(mesh.twin < 0)
    corner = mesh.faces.ravel()
    ends = corner[sides - sides % 3 + (sides + 1) % 3]
    after = dict(zip(corner[sides].tolist(), ends.tolist(), strict=True))
    n = len(mesh.grid)
    while after:
        v, following = after.popitem()
        while following is not None:
            third[following, v], third[v, n], third[n, following] = n, following, v
            v, following = following, after.pop(following, None)
        n += 1
    return third, n


def _by_key(mesh: GridMesh) -> list[list[int]]:
    """Faces from their least corner, by the positions of their corners in the order y, z, x."""
    height = mesh.grid @ [1, R * R, R]
    keys = height[mesh.faces]
    first = keys.argmin(axis=1)
    turn = (first[:, None] + np.arange(3)) % 3
    keys = np.take_along_axis(keys, turn, axis=1)
    turned = np.take_along_axis(mesh.faces, turn, axis=1)
    ordered: list[list[int]] = turned[np.lexsort(keys.T[::-1])].tolist()
    return ordered


def decode_loom(written: list[int]) -> Ints:
    """Corners (F, 3, 3)."""
    decoder = _Decoder(written)
    place = np.array([at or (-1, -1, -1) for at in decoder.rings.place])
    corners = place[np.array(decoder.rings.faces)]
    return corners[(corners >= 0).all(axis=(1, 2))]


class _Decoder:
    def __init__(self, written: list[int]) -> None:
        self.written, self.i = written, 0
        self.rings = rings = Rings()
        while self.i < len(written):
            first = len(rings.place)
            valences = [self.vertex(_at_start(rings.place[first:])) for _ in range(3)]  # type: ignore[arg-type]
            rings.start(first, valences)
            while rings.gates:
                self.operation()

    def operation(self) -> None:
        rings = self.rings
        p, f = rings.gate()
        token = self.written[self.i]
        if token < LOOP_3:
            valence = self.vertex(rings.predictors())
            rings.add(len(rings.place) - 1, valence)
            return
        self.i += 1
        if token <= FAR_LOOP:
            rings.place.append(None)
            rings.add(len(rings.place) - 1, 67 + self.number() if token == FAR_LOOP else token - LOOP_3 + 3)
        elif token < FAR_AHEAD:
            steps, ahead = divmod(token - SPLIT_2, 4)
            rings.split(self.walk(f, steps + 2), ahead)
        elif token == FAR_AHEAD:
            rings.split(self.walk(f, self.number()), self.number())
        elif token == FAR_BEHIND:
            rings.split(self.walk(p, -self.number()), self.number())
        elif token == MERGE:
            depth = self.number()
            node = self.walk(rings.next[rings.gates[-2 - depth]], self.number())
            rings.merge(node, self.number(), depth)

    def walk(self, node: int, steps: int) -> int:
        way = self.rings.next if steps > 0 else self.rings.previous
        for _ in range(abs(steps)):
            node = way[node]
        return node

    def number(self) -> int:
        n = 0
        while self.written[self.i] == NUMBER + 255:
            n, self.i = n + 255, self.i + 1
        n, self.i = n + self.written[self.i] - NUMBER, self.i + 1
        return n

    def vertex(self, predictors: dict[str, Position]) -> int:
        """Read the position of a vertex; its valence."""
        token, valence = self.written[self.i], 0
        self.i += 1
        if token >= VALENCE_3:
            if token == FAR_VALENCE:
                valence = 65 + self.number()
            else:
                valence = 3 if token == VALENCE_3 else token - VALENCE_9 + 9
            token, self.i = self.written[self.i], self.i + 1
        of_class, slot = divmod(token, K + FIRST_DIGITS)
        if slot < K:
            name, (x, y, z) = _SLOTS[slot]
            i, j, k = predictors[name]
            self.rings.place.append((i + x, j + y, k + z))
        else:
            first, last = slot - K, self.written[self.i] - LATER
            self.i += 1
            i, j, k = predictors.get("A", (HALF, HALF, HALF))
            x = (first >> 6) << 4 | last >> 8
            y = (first >> 3 & 7) << 4 | last >> 4 & 15
            z = (first & 7) << 4 | last & 15
            self.rings.place.append(((x + i - HALF) % R, (y + j - HALF) % R, (z + k - HALF) % R))
        return valence or of_class + 4
