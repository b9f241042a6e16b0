"""Sets of points: which lie near each other, and how one is laid on the other."""

import numpy as np
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_neighbours_are_those_of_a_tree_of_scipy(seed):
    random = np.random.default_rng(seed)
    points, others = random.random((random.integers(1, 60), 3)), random.random((random.integers(1, 90), 3))
    within = random.choice([0.05, 0.3, np.inf])
    distances, expected = cKDTree(others).query(points, distance_upper_bound=within)
    found = tokenizer_rs.nearest_points(points, others, within)
    assert found.dtype == np.int64
    assert found.tolist() == np.where(np.isfinite(distances), expected, -1).tolist()
    spacing = tokenizer_rs.point_spacing(others)
    assert spacing.tolist() == cKDTree(others).query(others, k=2)[0][:, 1].tolist()


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_turned_or_mirrored_set_is_laid_on_the_first(seed, is_mirrored):
    random = np.random.default_rng(seed)
    points = random.normal(size=(random.integers(8, 200), 3)) * [1.0, 0.8, 0.6]
    points /= np.sqrt((points**2).sum(axis=1).mean())
    points = points[np.argsort(-np.linalg.norm(points, axis=1))]
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    if (np.linalg.det(turn) < 0) != is_mirrored:
        turn[:, 0] *= -1
    matrix = tokenizer_rs.best_alignment(points, points @ turn, 0.02)
    assert matrix is not None
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    # The search ends where 95 % of the points that it looks at coincide.
    assert (tokenizer_rs.nearest_points(points @ matrix, points @ turn, 0.02) >= 0).mean() > 0.8


def test_faults_of_the_input():
    wrong, right = [[np.nan, 0, 0]], [[0.0, 0, 0]]
    for call in (
        lambda: tokenizer_rs.nearest_points(wrong, right),
        lambda: tokenizer_rs.nearest_points(right, wrong),
        lambda: tokenizer_rs.nearest_points(right, right, 0.0),
        lambda: tokenizer_rs.point_spacing(wrong),
        lambda: tokenizer_rs.best_alignment(wrong, right, 0.02),
    ):
        with pytest.raises(tokenizer_rs.MeshError) as raised:
            call()
        assert raised.value.code == "INVALID_INPUT"
