"""One name for the same triangles, another for others."""

from itertools import permutations, product

import numpy as np
import pytest

from pipelines.duplicates import geometry_hash
from pipelines.furniture import build
from tests.pipelines.duplicates.copies import Mesh, decimated, exported, mirrored, renumbered


@pytest.fixture(scope="module")
def chair() -> Mesh:
    """A mesh without any symmetry: one leg is bent."""
    solid = build("chair", 3)
    vertices = np.array(solid.vertices, dtype=np.float64)
    vertices[vertices[:, 1].argmin()] += [0.11, -0.03, 0.07]
    return vertices, np.asarray(solid.faces, dtype=np.int64)


def test_the_24_rotations_and_the_mirror_images(chair):
    vertices, faces = chair
    names: dict[bool, set[str]] = {True: set(), False: set()}
    names_without_mirrors: dict[bool, set[str]] = {True: set(), False: set()}
    for axes in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            is_rotation = np.linalg.det(np.eye(3)[list(axes)]) * np.prod(signs) > 0
            posed = vertices[:, axes] * signs
            names[is_rotation].add(geometry_hash(posed, faces))
            names_without_mirrors[is_rotation].add(geometry_hash(posed, faces, mirror_images=False))
    assert names[True] == names[False]
    assert len(names[True]) == 1
    assert len(names_without_mirrors[True]) == len(names_without_mirrors[False]) == 1
    assert names_without_mirrors[True] != names_without_mirrors[False]


def test_order_place_and_size_do_not_count(chair):
    generator = np.random.default_rng(3)
    vertices, faces = chair
    name = geometry_hash(vertices, faces)
    assert geometry_hash(*renumbered(chair, generator)) == name
    assert geometry_hash(*mirrored(chair, generator)) == name
    assert geometry_hash(vertices, faces[:, ::-1]) == name
    assert geometry_hash(vertices * 1000 + [5, -70, 3], faces) == name
    assert geometry_hash(vertices * 1e-30, faces) == name
    assert geometry_hash(np.concatenate([vertices, [[99.0, 0, 0]]]), faces) == name
    for file_type in ("obj", "ply", "stl", "glb"):
        assert geometry_hash(*exported(chair, file_type)) == name


def test_every_other_change_counts(chair):
    vertices, faces = chair
    nudged = vertices.copy()
    nudged[40] += 0.01 * np.ptp(vertices)
    others = [
        geometry_hash(vertices, faces),
        geometry_hash(nudged, faces),
        geometry_hash(vertices * [1, 1.1, 1], faces),
        geometry_hash(vertices, faces[1:]),
        geometry_hash(vertices, np.concatenate([faces, faces[:1]])),
        geometry_hash(vertices, np.concatenate([faces[1:], faces[[0]][:, [0, 1, 1]]])),
        geometry_hash(*decimated(chair, 0.05)),
    ]
    assert len(set(others)) == len(others)


def test_a_symmetric_mesh_has_one_name():
    generator = np.random.default_rng(4)
    cube = np.array(list(product((0.0, 1.0), repeat=3)))
    faces = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]])
    names = {geometry_hash(*renumbered((cube, faces), generator)) for _ in range(20)}
    assert len(names) == 1


def test_a_mesh_in_one_point_has_a_name():
    assert len(geometry_hash(np.ones((3, 3)), np.array([[0, 1, 2]]))) == 64
