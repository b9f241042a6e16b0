"""The cube and MeshLab's pre-clean, as the specification measured them."""

import subprocess
import sys

import numpy as np
import pytest

from pipelines.normalizing import ZeroExtentError, normalize, pre_clean


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 1e30, 1e300])
def test_the_longest_side_fills_the_cube(scale):
    vertices = normalize(np.array([[0, 0, 0], [4, 2, 1], [1, 1, 1.0]]) * scale)
    assert np.allclose(vertices.min(axis=0), [-0.95, -0.475, -0.2375])
    assert np.allclose(vertices.max(axis=0), [0.95, 0.475, 0.2375])
    assert np.allclose(np.abs(normalize(vertices, bound=0.5)).max(), 0.5)


def test_a_point_cannot_be_normalised():
    with pytest.raises(ZeroExtentError, match="a point"):
        normalize(np.ones((3, 3)))


@pytest.mark.parametrize(("distance", "n_vertices"), [(1.30e-4, 4), (1.50e-4, 5)])
def test_vertices_merge_within_a_ten_thousandth_of_the_diagonal(distance, n_vertices):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [1 - distance, 0, 0.0]])
    assert len(pre_clean(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 4, 3]]))[0]) == n_vertices


def test_stray_vertices_duplicate_and_flat_faces_go():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 0.9]])
    cleaned, faces = pre_clean(vertices, np.array([[0, 1, 2], [2, 1, 0], [0, 1, 1], [0, 2, 3]]))
    assert len(cleaned) == 4
    assert sorted(map(sorted, faces.tolist())) == [[0, 1, 2], [0, 2, 3]]
    assert (cleaned.dtype, faces.dtype) == (np.float64, np.int32)


def test_nothing_may_be_left():
    _, faces = pre_clean(np.eye(3), np.array([[0, 1, 1]]))
    assert len(faces) == 0


def test_positions_keep_their_precision():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1 / 3, 1 / 7, 1 / 11]])
    assert pre_clean(vertices, np.array([[0, 1, 2]]))[0].tolist() == vertices.tolist()


def test_meshlab_is_loaded_only_when_used():
    program = "import sys, pipelines.mesh_steps; print('pymeshlab' in sys.modules, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
