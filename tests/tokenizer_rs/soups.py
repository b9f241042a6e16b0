"""Random meshes, reorderings and sampled sequences, for the tests of all families."""

import numpy as np
from hypothesis import strategies as st

coordinate = st.integers(0, 5).map(lambda i: i / 3 - 0.85)
soups = st.integers(3, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=n, max_size=n),
        st.lists(st.tuples(*[st.integers(0, n - 1)] * 3), min_size=1, max_size=60),
    )
)
"""Vertices on a coarse grid, so that many coincide, and faces between any of them."""


def shuffled(vertices, faces, seed):
    """The same oriented triangles under other numbers, in another order, corners rotated."""
    random = np.random.default_rng(seed)
    vertices, faces = np.asarray(vertices), np.asarray(faces)
    place = random.permutation(len(vertices))
    moved = np.empty_like(vertices)
    moved[place] = vertices
    turns = (np.arange(3) + random.integers(3, size=(len(faces), 1))) % 3
    rotated = np.take_along_axis(place[faces], turns, axis=1)
    return moved, rotated[random.permutation(len(faces))]


def triangles(vertices, faces):
    """Positions of every face, lowest corner first, sorted: numbering does not matter."""
    rows = np.asarray(vertices)[faces].tolist()
    return sorted(min(r, r[1:] + r[:1], r[2:] + r[:2]) for r in rows)


def on_grid(vertices, resolution):
    """Bins of decoded positions."""
    return np.round((vertices + 1) * resolution / 2 - 0.5).astype(int)


def sampled(tokenizer, n_tokens, seed):
    """A random sequence of at most about `n_tokens` tokens that the grammar allows and lets end."""
    random = np.random.default_rng(seed)
    batch = tokenizer.grammar_batch(1)
    tokens = []
    while True:
        allowed = batch.allowed(max(n_tokens - len(tokens), int(batch.tokens_to_end()[0]) + 1))[0]
        token = int(random.choice(np.flatnonzero(allowed)))
        if token == tokenizer.eos_id:
            return tokens
        batch.advance([token])
        tokens.append(token)


def sphere(n_times):
    """A closed sphere of 8 * 4 ** n_times faces: an octahedron, divided and blown up."""
    vertices = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=float)
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    for _ in range(n_times):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges, middle = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = middle.reshape(-1, 3).T + len(vertices)
        a, b, c = faces.T
        vertices = np.concatenate([vertices, vertices[edges].mean(axis=1)])
        faces = np.concatenate(
            [np.stack(f, axis=1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
    return 0.95 * vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces


def holed_grid(n, every):
    """An open grid of about 2 * n * n faces; of every `every`-th square one face is missing."""
    index = np.arange((n + 1) * (n + 1)).reshape(n + 1, n + 1)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    faces = np.stack([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)], axis=1)
    keep = np.ones(faces.shape[:2], dtype=bool)
    keep[::every, 0] = False
    x, y = np.meshgrid(np.linspace(-0.95, 0.95, n + 1), np.linspace(-0.95, 0.95, n + 1))
    return np.stack([x, y, 0.3 * x * y], axis=-1).reshape(-1, 3), faces[keep]
