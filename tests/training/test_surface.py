import numpy as np
import pytest

from tests.shared_data import shared_path
from tests.training.conftest import make_box
from training.surface import (
    Mesh,
    NoSurfaceError,
    condition_cloud,
    face_probabilities,
    generator,
    normalize_half_extent,
    rotate_azimuth,
    sample_surface,
)


def test_area_weights_of_the_golden_case() -> None:
    import json

    case = json.loads(shared_path("golden", "evaluation", "cases.json").read_text())["area_weights"]
    mesh = Mesh(np.array(case["vertices"]), np.array(case["faces"]))
    np.testing.assert_allclose(face_probabilities(mesh), case["prob"], atol=1e-12)


def test_points_lie_on_the_surface_with_the_normals_of_their_faces() -> None:
    box = make_box([1, 1, 1])
    points, normals = sample_surface(box, 5000, generator(0, "box"))
    np.testing.assert_allclose(np.abs(points).max(axis=1), 0.95, atol=1e-6)
    np.testing.assert_allclose((points * normals).sum(axis=1), 0.95, atol=1e-6)
    side_shares = np.array([(normals @ axis > 0.5).mean() for axis in [*np.eye(3), *-np.eye(3)]])
    np.testing.assert_allclose(side_shares, 1 / 6, atol=0.02)


def test_a_triangle_is_covered_evenly() -> None:
    triangle = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    points, _ = sample_surface(triangle, 20_000, generator(0, "triangle"))
    np.testing.assert_allclose(points.mean(axis=0), [1 / 3, 1 / 3, 0], atol=0.01)
    assert ((points[:, 0] + points[:, 1] < 0.5).mean()) == pytest.approx(0.25, abs=0.02)


def test_a_cloud_is_seeded_and_rounded_to_half_precision() -> None:
    box = make_box([1, 0.5, 0.7])
    cloud = condition_cloud(box, 100, generator(3, "a"))
    assert cloud.dtype == np.float32
    assert cloud.shape == (100, 6)
    np.testing.assert_array_equal(cloud, cloud.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(cloud, condition_cloud(box, 100, generator(3, "a")))
    assert (cloud != condition_cloud(box, 100, generator(3, "b"))).any()


def test_a_pool_gives_distinct_points() -> None:
    cloud = condition_cloud(make_box([1, 1, 1]), 100, generator(0), pool=120)
    assert len(np.unique(cloud, axis=0)) == 100


def test_noise_moves_points_but_not_normals() -> None:
    box = make_box([1, 1, 1])
    cloud = condition_cloud(box, 4000, generator(0), noise_sigma=0.01)
    off = np.abs(cloud[:, :3] * np.abs(cloud[:, 3:])).sum(axis=1) - 0.95
    assert off.std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_allclose(np.linalg.norm(cloud[:, 3:], axis=1), 1, atol=1e-3)


@pytest.mark.parametrize(
    "vertices", [np.zeros((3, 3)), np.full((3, 3), np.nan)], ids=["one point", "not finite"]
)
def test_without_area_there_is_nothing_to_sample(vertices: np.ndarray) -> None:
    with pytest.raises(NoSurfaceError):
        sample_surface(Mesh(vertices, np.array([[0, 1, 2]])), 10, generator(0))


def test_without_faces_there_is_nothing_to_sample() -> None:
    with pytest.raises(NoSurfaceError):
        sample_surface(Mesh(np.eye(3), np.zeros((0, 3), dtype=np.int64)), 10, generator(0))


def test_rotation_turns_by_minus_the_azimuth_about_y() -> None:
    turned = rotate_azimuth(np.array([[1.0, 2.0, 0.0]]), 90)
    np.testing.assert_allclose(turned, [[0, 2, 1]], atol=1e-12)


def test_normalisation_centres_and_scales() -> None:
    vertices = normalize_half_extent(np.array([[0.0, 0, 0], [2, 1, 1]]), 0.95)
    np.testing.assert_allclose(vertices, [[-0.95, -0.475, -0.475], [0.95, 0.475, 0.475]])
