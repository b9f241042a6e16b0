"""The machine-readable cases of the evaluation standard."""

import json
from typing import Any

import numpy as np
import pytest

from tests.shared_data import shared_path
from training.evaluation import distances
from training.evaluation.normalization import Normalization
from training.evaluation.topology import measure_topology
from training.evaluation.triangles import bits_per_face, compression_ratio, triangle_quality

TOPOLOGIES = (
    "tetrahedron",
    "open_tetrahedron",
    "two_tets_sharing_edge",
    "two_tets_sharing_vertex",
    "flipped_face_tet",
    "two_triangles",
    "mobius_5",
    "torus_7",
    "bowtie",
    "cube",
)


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    return json.loads(shared_path("golden", "evaluation", "cases.json").read_text())


@pytest.fixture(scope="module")
def neighbours(cases: dict[str, Any]) -> distances.Neighbours:
    return distances.find_neighbours(cases["chamfer"]["P"], cases["chamfer"]["Q"])


@pytest.mark.parametrize("name", ["cd_l2_sum", "cd_l2_half", "cd_l2sq_sum", "cd_l2sq_half", "cd_l2_max"])
def test_chamfer(cases: dict[str, Any], neighbours: distances.Neighbours, name: str) -> None:
    assert getattr(distances, name)(neighbours) == pytest.approx(cases["chamfer"][name], abs=1e-12)


def test_chamfer_distances(cases: dict[str, Any], neighbours: distances.Neighbours) -> None:
    case = cases["chamfer"]
    np.testing.assert_allclose(neighbours.p_to_q, case["d_PQ"])
    np.testing.assert_allclose(neighbours.q_to_p, case["d_QP"])
    assert distances.cd_manhattan_sum(case["P"], case["Q"]) == pytest.approx(case["cd_manhattan_sum"])


def test_hausdorff(cases: dict[str, Any], neighbours: distances.Neighbours) -> None:
    case = cases["hausdorff"]
    assert distances.hausdorff(neighbours) == case["symmetric"]
    percentiles = distances.hausdorff_percentile(neighbours)
    assert percentiles == pytest.approx((case["percentile90_PQ"], case["percentile90_QP"]))


def test_f_score(cases: dict[str, Any], neighbours: distances.Neighbours) -> None:
    for case in (cases["fscore"], cases["fscore"]["tau_half_strict"]):
        scores = distances.f_score(neighbours, case["tau"])
        assert scores == pytest.approx((case["precision"], case["recall"], case["f"]))
    assert distances.f_score(distances.find_neighbours([[0, 0, 0]], [[1, 0, 0]]), 0.5) == (0, 0, 0)


def test_normal_consistency(cases: dict[str, Any], neighbours: distances.Neighbours) -> None:
    case = cases["normal_consistency"]
    assert neighbours.p_to_q_index.tolist() == case["nn_PQ"]
    assert neighbours.q_to_p_index.tolist() == case["nn_QP"]
    signed, absolute = distances.normal_consistency(neighbours, case["nP"], case["nQ"])
    assert signed == pytest.approx(case["nc_signed"])
    assert absolute == pytest.approx(case["nc_abs"])


def test_ties_go_to_the_lowest_index() -> None:
    corners = [[1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0]]
    assert distances.find_neighbours([[0.0, 0, 0]], corners).p_to_q_index.tolist() == [0]
    assert distances.find_neighbours([[0.0, 0, 0]], corners[::-1]).p_to_q_index.tolist() == [0]


def test_empty_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        distances.find_neighbours(np.zeros((0, 3)), [[0, 0, 0]])


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_topology(cases: dict[str, Any], name: str) -> None:
    case = cases["topology"][name]
    measured = measure_topology(case["faces"])
    assert {
        "V": measured.n_vertices,
        "E": measured.n_edges,
        "F": measured.n_faces,
        "euler": measured.euler,
        "boundary_edges": measured.n_boundary_edges,
        "boundary_edge_ratio": measured.boundary_edge_ratio,
        "nonmanifold_edges": measured.n_nonmanifold_edges,
        "nonmanifold_vertices": measured.n_nonmanifold_vertices,
        "nonmanifold_vertices_fan_only": measured.n_nonmanifold_vertices_fan_only,
        "inconsistent_edges": measured.n_inconsistent_edges,
        "components_edge": measured.n_components_edge,
        "components_vertex": measured.n_components_vertex,
        "edge_manifold": measured.is_edge_manifold,
        "vertex_manifold": measured.is_vertex_manifold,
        "watertight": measured.is_watertight,
        "genus": measured.genus,
    } == {key: value for key, value in case.items() if key != "faces"}


def test_every_topology_of_the_cases_is_tested(cases: dict[str, Any]) -> None:
    assert set(cases["topology"]) == set(TOPOLOGIES)


def test_triangle_quality(cases: dict[str, Any]) -> None:
    triangles = {
        "right_isosceles": [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
        "equilateral": [[0, 0, 0], [1, 0, 0], [0.5, 3**0.5 / 2, 0]],
        "sliver_1_to_10": [[0, 0, 0], [10, 0, 0], [5, 0.5, 0]],
    }
    assert triangles.keys() == cases["triangle_quality"].keys()
    for name, corners in triangles.items():
        expected = cases["triangle_quality"][name]
        assert triangle_quality(corners, [[0, 1, 2]])[0] == pytest.approx(expected, abs=1e-12)
    assert triangle_quality(np.zeros((3, 3)), [[0, 1, 2]])[0] == 0


def test_compression(cases: dict[str, Any]) -> None:
    for case in cases["compression"].values():
        per_face = case["tokens_per_face"]
        assert compression_ratio(per_face * 10, 10) == pytest.approx(case["compression_ratio"])
        assert bits_per_face(per_face * 10, 10, case["vocab"]) == pytest.approx(case["bits_per_face"])


def test_normalisation(cases: dict[str, Any]) -> None:
    case = cases["normalisation"]
    box = case["bbox"]
    np.testing.assert_allclose(Normalization.unit_longest_side(box).apply(box), case["unit_longest_side"])
    np.testing.assert_allclose(Normalization.unit_sphere(box).apply(box), case["unit_sphere_by_bbox_corner"])
    np.testing.assert_allclose(Normalization.half_extent(box, 0.95).apply(box), case["half_extent_0_95"])
