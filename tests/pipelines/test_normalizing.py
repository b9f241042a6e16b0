"""The cube and the pre-clean, as the specification measured them."""

import subprocess
import sys

import numpy as np
import polars as pl
import pymeshlab
import pytest

from pipelines.normalizing import ZeroExtentError, normalize, pre_clean
from pipelines.reading import read_mesh
from tests.shared_data import shared_path


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


def meshlab_cleaned(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What MeshLab's own filters leave; its percentage runs to a hundredth of the diagonal: 1 means 1e-4."""
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
    meshes.meshing_remove_unreferenced_vertices()
    meshes.meshing_merge_close_vertices(threshold=pymeshlab.PercentageValue(1))
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    meshes.current_mesh().compact()
    return meshes.current_mesh().vertex_matrix(), meshes.current_mesh().face_matrix()


def corners_of(faces: np.ndarray) -> list[list[int]]:
    """Faces whatever their order and that of their corners: of equal faces MeshLab may keep any."""
    return sorted(map(sorted, faces.tolist()))


def test_the_pre_clean_is_that_of_meshlab():
    random, n_merged, n_dropped = np.random.default_rng(5), 0, 0
    for _ in range(60):
        vertices = random.uniform(-1, 1, (80, 3)).round(1)
        near = random.integers(0, 80, 80)
        vertices = np.concatenate([vertices, vertices[near] + random.normal(0, 1.2e-4, (80, 3))])
        faces = random.integers(0, 150, (200, 3)).astype(np.int32)
        faces = np.concatenate([faces, faces[:20, ::-1]])
        cleaned, left = pre_clean(vertices, faces)
        expected, expected_faces = meshlab_cleaned(vertices, faces)
        assert cleaned.tolist() == expected.tolist()
        assert corners_of(left) == corners_of(expected_faces)
        n_merged += len(np.unique(faces)) - len(cleaned)
        n_dropped += len(faces) - len(left)
    assert n_merged > 1000
    assert n_dropped > 1000


def test_the_pre_clean_of_the_corpus_is_that_of_meshlab():
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("set") != "messy").sort("path")
    for row in rows.unique("sha256", maintain_order=True).sample(80, seed=2).iter_rows(named=True):
        mesh = read_mesh(corpus / row["path"], row["format"])
        cleaned, left = pre_clean(normalize(mesh.vertices), mesh.faces)
        expected, expected_faces = meshlab_cleaned(normalize(mesh.vertices), mesh.faces)
        assert cleaned.tolist() == expected.tolist(), row["path"]
        assert corners_of(left) == corners_of(expected_faces), row["path"]


def test_positions_keep_their_precision():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1 / 3, 1 / 7, 1 / 11]])
    assert pre_clean(vertices, np.array([[0, 1, 2]]))[0].tolist() == vertices.tolist()


def test_meshlab_is_loaded_only_when_used():
    program = "import sys, pipelines.mesh_steps; print('pymeshlab' in sys.modules, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
