import math

import numpy as np
import pytest

from tests.training.conftest import make_box
from training.evaluation.edges import sharp_edges
from training.evaluation.protocol import PROTOCOLS
from training.evaluation.topology import clean_faces, measure_topology
from training.surface import Mesh

PAIRED, SELF = PROTOCOLS["paired-10k"], PROTOCOLS["paired-1k-self"]


def test_the_truth_scores_at_its_floor_not_at_zero() -> None:
    box = make_box([1, 0.6, 0.4])
    scores, floor = PAIRED.score("box", box, box), PAIRED.floor("box", box)
    assert scores["cd_l2_sum"] == pytest.approx(floor["cd_l2_sum"], rel=0.05)
    assert 0.005 < floor["cd_l2_sum"] < 0.03
    assert scores["nc"] > 0.95
    assert scores["f_005"] == 1


def test_scores_depend_on_mesh_and_seed_alone() -> None:
    a, b = make_box([1, 0.6, 0.4]), make_box([1, 0.5, 0.4])
    assert PAIRED.score("a", a, b) == PAIRED.score("a", a, b)
    assert PAIRED.score("a", a, b) != PAIRED.score("a", a, b, seed=1)
    assert PAIRED.score("a", a, b) != PAIRED.score("b", a, b)


def test_scale_and_place_count_in_one_protocol_and_not_in_the_other() -> None:
    box = make_box([1, 0.6, 0.4])
    moved = Mesh(box.vertices * 0.5 + 0.2, box.faces)
    assert PAIRED.score("box", moved, box)["cd_l2_sum"] > 10 * PAIRED.floor("box", box)["cd_l2_sum"]
    assert SELF.score("box", moved, box)["cd_l2_sum"] == pytest.approx(
        SELF.floor("box", box)["cd_l2_sum"], rel=0.2
    )
    assert set(SELF.score("box", box, box)) == {"cd_l2_sum", "hd"}


def test_distances_are_in_units_of_the_longest_side() -> None:
    box = make_box([1, 0.6, 0.4])
    taller = Mesh(box.vertices * [1, 1, 1.5], box.faces)
    assert PAIRED.score("box", taller, box)["hd"] == pytest.approx(0.1, abs=0.01)


def test_flipped_faces_show_in_the_signed_consistency_only() -> None:
    box = make_box([1, 1, 1])
    scores = PAIRED.score("box", Mesh(box.vertices, box.faces[:, ::-1]), box)
    assert scores["nc"] < -0.95
    assert scores["nc_abs"] > 0.95


def test_an_empty_prediction_costs_the_diagonal() -> None:
    box = make_box([1, 1, 1])
    penalty = PAIRED.penalty(box)
    assert penalty["cd_l2_sum"] == penalty["hd"] == pytest.approx(math.sqrt(3))
    assert penalty["f_001"] == penalty["nc"] == 0


def test_sharp_edges_of_a_box_are_its_twelve() -> None:
    box = make_box([1, 1, 1])
    assert len(sharp_edges(box)) == 12
    turned = box.faces.copy()
    turned[::2] = turned[::2, ::-1]
    assert len(sharp_edges(Mesh(box.vertices, turned))) == 12


def test_edges_of_only_one_of_two_meshes_are_infinitely_far() -> None:
    box = make_box([1, 1, 1])
    smooth = _sphere()
    assert len(sharp_edges(smooth)) == 0
    assert PAIRED.score("a", smooth, box)["ecd"] == math.inf
    assert PAIRED.score("a", smooth, smooth)["ecd"] == 0
    assert PAIRED.score("a", box, box)["ecd"] < 0.01


def test_cleaning_merges_then_drops() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0.5, 0, 0]])
    faces = [[0, 1, 2], [3, 0, 1], [2, 3, 0], [0, 4, 1]]
    cleaned = clean_faces(vertices, faces)
    assert len(cleaned) == 1
    assert measure_topology(cleaned).n_boundary_edges == 3
    assert measure_topology(clean_faces(vertices, np.zeros((0, 3)))).n_faces == 0


def _sphere() -> Mesh:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=3)
    return Mesh(np.asarray(sphere.vertices), np.asarray(sphere.faces))
