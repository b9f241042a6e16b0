"""The machine of Loom's scheme V (`docs/loom-1.md`), of which `plain_loom.py` writes and reads the tokens."""

Position = tuple[int, int, int]


class Rings:
    """The borders of the surface built so far: nodes in cyclic lists, known by the node of their gate."""

    def __init__(self) -> None:
        self.vertex: list[int] = []
        self.free: list[int] = []
        self.next: list[int] = []
        self.previous: list[int] = []
        self.nodes: dict[int, set[int]] = {}
        """Nodes of each vertex that stand in a ring."""
        self.third: dict[tuple[int, int], int] = {}
        self.faces: list[tuple[int, int, int]] = []
        self.gates: list[int] = []
        """Gates of the stack, the active ring's last."""
        self.place: list[Position | None] = []
        """Position of each vertex, none of a dummy."""

    def node(self, v: int, free: int) -> int:
        """A new node outside all rings."""
        self.vertex.append(v)
        self.free.append(free)
        self.next.append(-1)
        self.previous.append(-1)
        self.nodes.setdefault(v, set()).add(len(self.free) - 1)
        return len(self.free) - 1

    def join(self, a: int, b: int) -> None:
        """Put one node before another."""
        self.next[a], self.previous[b] = b, a

    def face(self, a: int, b: int, c: int) -> None:
        """Add a face of three vertices."""
        self.faces.append((a, b, c))
        self.third[a, b], self.third[b, c], self.third[c, a] = c, a, b

    def gate(self) -> tuple[int, int]:
        """The gate of the active ring, forward to the first edge of real vertices."""
        place, vertex, following = self.place, self.vertex, self.next
        start = p = self.gates[-1]
        while place[vertex[p]] is None or place[vertex[following[p]]] is None:
            p = following[p]
            if p == start:
                break
        self.gates[-1] = p
        return p, following[p]

    def start(self, first: int, valences: list[int]) -> None:
        """Begin a component with three vertices numbered from `first`."""
        a, b, c = (self.node(first + i, valence - 2) for i, valence in enumerate(valences))
        self.join(a, b)
        self.join(b, c)
        self.join(c, a)
        self.face(first, first + 1, first + 2)
        self.gates.append(c)

    def add(self, v: int, valence: int) -> None:
        """A new vertex at the gate."""
        p, f = self._open(v)
        u = self.node(v, valence - 2)
        self.join(p, u)
        self.join(u, f)
        self.gates[-1] = u
        self.close((p, f))

    def split(self, u: int, ahead: int) -> None:
        """The face at the gate ends in node `u` of its ring; `ahead` free edges go to the side of f."""
        p, f = self._open(self.vertex[u])
        new = self._divide(u, f, ahead)
        self.join(p, u)
        self.gates[-1] = p
        self.close((p, u))
        self.gates.append(new)
        self.close((new, f))

    def merge(self, u: int, ahead: int, depth: int) -> None:
        """The same where `u` is in a ring of the stack, which becomes one with the active ring."""
        del self.gates[-2 - depth]
        p, f = self._open(self.vertex[u])
        new = self._divide(u, f, ahead)
        self.join(p, u)
        self.gates[-1] = new
        self.close((p, u, new, f))

    def _open(self, v: int) -> tuple[int, int]:
        """Add the face at the gate."""
        p = self.gates[-1]
        f = self.next[p]
        self.free[p] -= 1
        self.free[f] -= 1
        self.face(self.vertex[f], self.vertex[p], v)
        return p, f

    def _divide(self, u: int, f: int, ahead: int) -> int:
        """A new node for the vertex of `u` between the one before it and `f`."""
        new = self.node(self.vertex[u], ahead)
        self.free[u] -= 2 + ahead
        self.join(self.previous[u], new)
        self.join(new, f)
        return new

    def close(self, touched: tuple[int, ...]) -> None:
        """Add what closes by itself in the ring of the last gate, and drop the ring where it is finished."""
        todo = list(touched)
        while todo:
            z = todo.pop()
            if self.free[z] or self.next[z] < 0:
                continue
            a, b = self.previous[z], self.next[z]
            self.face(self.vertex[z], self.vertex[a], self.vertex[b])
            if self.next[b] == a:
                for node in (z, a, b):
                    self.leave(node)
                self.gates.pop()
                return
            self.leave(z)
            self.join(a, b)
            self.free[a] -= 1
            self.free[b] -= 1
            if self.gates[-1] == z:
                self.gates[-1] = a
            todo += (a, b)

    def leave(self, node: int) -> None:
        """Take a node out of its ring."""
        self.next[node] = -1
        self.nodes[self.vertex[node]].discard(node)

    def predictors(self) -> dict[str, Position]:
        """Where a new vertex at the gate is expected."""
        p, f = self.gates[-1], self.next[self.gates[-1]]
        at_p, at_f = self.place[self.vertex[p]], self.place[self.vertex[f]]
        at_p, at_f = at_p or at_f, at_f or at_p
        assert at_p is not None
        assert at_f is not None
        at_x = self.place[self.third[self.vertex[p], self.vertex[f]]]
        at_s = self.place[self.vertex[self.next[f]]]
        found = {"A": _across(at_p, at_f, at_x) if at_x else at_p, "P": at_p}
        if at_s:
            found["Q"] = _across(at_p, at_s, at_f)
        return found


def _across(a: Position, b: Position, c: Position) -> Position:
    return a[0] + b[0] - c[0], a[1] + b[1] - c[1], a[2] + b[2] - c[2]
