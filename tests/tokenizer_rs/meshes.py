"""Small meshes for the tests of the tokenizer."""

import numpy as np


def box(low=(-0.5, -0.5, -0.5), high=(0.5, 0.5, 0.5)):
    """A closed box of twelve faces."""
    corners = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)])
    vertices = np.where(corners == 1, high, low).astype(np.float64)
    faces = [
        [1, 3, 0], [4, 1, 0], [0, 3, 2], [2, 4, 0], [1, 7, 3], [5, 1, 4],
        [5, 7, 1], [3, 7, 2], [6, 4, 2], [2, 7, 6], [6, 5, 4], [7, 5, 6],
    ]  # fmt: skip
    return vertices, np.array(faces, dtype=np.int32)


def cone_over_complete_graph(n):
    """An apex joined to every edge of a complete graph: a link with exponentially many cycles."""
    angles = np.arange(n) * 2 * np.pi / n
    base = np.stack([0.9 * np.cos(angles), np.full(n, -0.9), 0.9 * np.sin(angles)], axis=1)
    faces = [[0, i + 1, j + 1] for i in range(n) for j in range(i)]
    return np.concatenate([[[0.0, 0.9, 0.0]], base]), np.array(faces)
