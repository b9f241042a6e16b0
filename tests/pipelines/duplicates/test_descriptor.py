"""Descriptors that do not move when a mesh does."""

import numpy as np
import pytest
import trimesh

from pipelines.duplicates import NoSurfaceError, describe
from pipelines.duplicates.descriptor import DEGREES, LANDMARKS, SHELLS, SIZE, UNIT
from pipelines.furniture import build
from tests.pipelines.duplicates.copies import Mesh, mirrored, moved, renumbered, subdivided


def furniture(family: str, index: int) -> Mesh:
    solid = build(family, index)
    return np.asarray(solid.vertices, dtype=np.float64), np.asarray(solid.faces, dtype=np.int64)


@pytest.mark.parametrize("family", ["chair", "mug", "bed"])
def test_no_motion_and_no_order_changes_it(family):
    generator = np.random.default_rng(0)
    mesh = furniture(family, 2)
    original = describe(*mesh)
    for copy in (moved, renumbered, mirrored):
        assert original.distance(describe(*copy(mesh, generator))) < 1e-4
    assert original.distance(describe(*subdivided(mesh))) < 3e-3
    assert original.distance(describe(*furniture(family, 7))) > 3e-3


def test_a_sphere_is_mass_in_one_shell_and_no_direction():
    sphere = trimesh.creation.icosphere(subdivisions=4)
    found = describe(np.asarray(sphere.vertices), np.asarray(sphere.faces)).descriptor * UNIT
    shells = found[: SHELLS * DEGREES].reshape(SHELLS, DEGREES)
    # radius 1 lies between the shells at 0.9 and 1.2: cos(pi / 6) squared of it belongs to the first
    assert shells[:, 0] == pytest.approx([0, 0, 0, 0.75, 0.25, 0, 0, 0, 0], abs=0.01)
    assert shells[:, 1:].max() < 1e-3
    assert found[SHELLS * DEGREES :].max() < 1e-3
    assert len(found) == SIZE


def test_two_points_far_out_fill_every_even_degree():
    small = trimesh.creation.icosphere(subdivisions=1, radius=0.001)
    two = trimesh.util.concatenate([small.copy().apply_translation([0, x, 0]) for x in (-1, 1)])
    found = describe(np.asarray(two.vertices), np.asarray(two.faces)).descriptor * UNIT
    shells = found[: SHELLS * DEGREES].reshape(SHELLS, DEGREES)
    assert shells[3, 0::2] == pytest.approx([0.75] * 5, abs=0.01)
    assert shells[3, 1::2] == pytest.approx([0] * 4, abs=0.01)


def test_landmarks_are_the_farthest_vertices():
    sphere = trimesh.creation.icosphere(subdivisions=4)
    vertices = np.asarray(sphere.vertices) * np.linspace(1, 2, len(sphere.vertices))[:, None]
    landmarks = describe(vertices, np.asarray(sphere.faces)).landmarks.astype(float)
    assert landmarks.shape == (LANDMARKS, 3)
    radii = np.linalg.norm(landmarks, axis=1)
    assert (np.diff(radii) <= 0).all()


@pytest.mark.parametrize("scale", [1e-140, 1e-30, 1e30, 1e140])
def test_sizes_at_the_ends_of_float64(scale):
    vertices, faces = furniture("stool", 1)
    assert describe(vertices, faces).distance(describe(vertices * scale, faces)) < 1e-4


@pytest.mark.parametrize(
    "vertices", [np.ones((3, 3)), np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])], ids=["point", "line"]
)
def test_what_has_no_surface_is_refused(vertices):
    with pytest.raises(NoSurfaceError):
        describe(vertices, np.array([[0, 1, 2]]))
