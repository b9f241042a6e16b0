"""Topology counts of small meshes."""

import numpy as np
import pytest
import tokenizer_rs

from tests.tokenizer_rs.meshes import box


def test_a_box_is_watertight_even_as_a_soup():
    vertices, faces = box()
    expected = {
        "vertices": 8, "faces": 12, "edges": 18, "boundary_edges": 0, "nonmanifold_edges": 0,
        "inconsistent_edges": 0, "nonmanifold_vertices": 0, "components": 1, "degenerate_faces": 0,
        "duplicate_faces": 0, "watertight": True,
    }  # fmt: skip
    assert tokenizer_rs.measure(vertices, faces) == expected
    soup = vertices[faces].reshape(-1, 3), np.arange(36).reshape(-1, 3)
    assert tokenizer_rs.measure(*soup) == expected


def test_an_opened_and_turned_box():
    vertices, faces = box()
    faces = faces[1:]
    faces[4] = faces[4][::-1]
    counts = tokenizer_rs.measure(vertices, faces)
    assert (counts["boundary_edges"], counts["inconsistent_edges"], counts["watertight"]) == (3, 3, False)


def test_degenerate_and_repeated_faces_are_counted():
    vertices = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0], [0.5, 0, 0], [9, 9, 9]]
    faces = [[0, 1, 2], [2, 3, 1], [0, 3, 1], [0, 4, 1], [2, 2, 2]]
    counts = tokenizer_rs.measure(vertices, faces)
    assert counts["vertices"] == 4
    assert counts["degenerate_faces"] == 3
    assert counts["duplicate_faces"] == 1
    assert counts["components"] == 1


def test_two_tetrahedra_at_a_vertex():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    one = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    other = np.where(one == 0, 0, one + 3)
    counts = tokenizer_rs.measure(vertices, np.concatenate([one, other]))
    assert (counts["nonmanifold_vertices"], counts["components"], counts["watertight"]) == (1, 1, True)


def test_bad_input():
    with pytest.raises(tokenizer_rs.MeshError):
        tokenizer_rs.measure([[0, 0, np.nan]], [[0, 0, 0]])
    with pytest.raises(tokenizer_rs.MeshError):
        tokenizer_rs.measure([[0, 0, 1e300]], [[0, 0, 0]])
    assert tokenizer_rs.measure(np.zeros((0, 3)), np.zeros((0, 3), dtype=int))["watertight"] is False
