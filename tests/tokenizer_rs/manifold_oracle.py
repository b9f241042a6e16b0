"""What a repaired mesh must be, in plain numpy and scipy: slow and obvious."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def assert_manifold(n_vertices, faces):
    """At most two faces an edge, in opposite directions; one fan a vertex; no face or vertex too many."""
    faces = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    assert np.array_equal(np.unique(faces), np.arange(n_vertices)), "a vertex missing or not used"
    assert np.all(np.diff(np.sort(faces, axis=1), axis=1) > 0), "a corner twice"
    assert len(np.unique(np.sort(faces, axis=1), axis=0)) == len(faces), "two faces with the same corners"
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    directed = start * n_vertices + end
    assert len(np.unique(directed)) == len(directed), "two faces run alike"
    # Two corners at a vertex belong to one fan if their faces share an edge there.
    edges = np.minimum(start, end) * n_vertices + np.maximum(start, end)
    order = np.argsort(edges, kind="stable")
    first = np.flatnonzero(edges[order][:-1] == edges[order][1:])
    g, h = order[first], order[first + 1]
    following = np.arange(faces.size).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    pairs = np.concatenate([np.stack([g, following[h]]), np.stack([following[g], h])], axis=1)
    shape = (faces.size, faces.size)
    n_fans, _ = connected_components(
        coo_matrix((np.ones(pairs.shape[1]), pairs), shape=shape), directed=False
    )
    assert n_fans == n_vertices, "several fans at a vertex"


def triangles(vertices, faces):
    """Positions (F, 3, 3) of the corners of each face, the least first, direction kept."""
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces).reshape(-1, 3)
    _, rank = np.unique(vertices.reshape(-1, 3) + 0.0, axis=0, return_inverse=True)
    least = np.argmin(rank.reshape(-1)[faces], axis=1) if len(faces) else np.zeros(0, dtype=np.int64)
    rotated = np.take_along_axis(faces, (least[:, None] + np.arange(3)) % 3, axis=1)
    return vertices.reshape(-1, 3)[rotated]


def assert_faithful(vertices, faces, repaired):
    """Each triangle of the input is there once, at the place it was; the log accounts for all others."""
    faces, log = np.asarray(faces).reshape(-1, 3), repaired.log
    dropped = [log["degenerate_faces"], log["collinear_faces"], log["duplicate_faces"][:, 0]]
    accounted = np.sort(np.concatenate([repaired.source_face, *dropped]))
    assert np.array_equal(accounted, np.arange(len(faces)))
    turned = faces.copy()
    turned[log["flipped_faces"]] = turned[log["flipped_faces"]][:, [0, 2, 1]]
    found = triangles(repaired.vertices, repaired.faces)
    assert np.array_equal(found, triangles(vertices, turned[repaired.source_face]))
    unique = np.unique(np.sort(_numbered(vertices)[faces], axis=1), axis=0)
    proper = unique[np.all(np.diff(unique, axis=1) > 0, axis=1)]
    assert len(proper) - len(log["collinear_faces"]) <= len(found) <= len(proper)


def _numbered(vertices):
    return np.unique(np.asarray(vertices) + 0.0, axis=0, return_inverse=True)[1].reshape(-1)
