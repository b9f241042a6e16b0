"""A mesh of too many faces is simplified where its shape allows it, else rejected with the reason."""

import numpy as np
import pytest
import tokenizer_rs
import trimesh

from pipelines.curation import curate
from pipelines.decimating import DecimationError, decimate
from pipelines.measuring import bounding_box_diagonal, measure
from pipelines.normalizing import normalize, pre_clean
from pipelines.settings import CurationSettings, DecimationSettings, WorkerLimits
from pipelines.storage import DataFolder
from tests.tokenizer_rs.soups import sphere

TETRAHEDRON = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]
SETTINGS = DecimationSettings(faces=800, distance=0.01)


def divided_box():
    """A box of 12288 faces, which twelve could say as well."""
    mesh = trimesh.creation.box((1, 2, 3))
    for _ in range(5):
        mesh = mesh.subdivide()
    return pre_clean(normalize(np.array(mesh.vertices)), np.array(mesh.faces, dtype=np.int32))


def spikes():
    """A thousand small tetrahedra far from each other: none can be left out unseen."""
    corners = np.vstack([np.zeros(3), np.eye(3)]) * 0.2
    parts = [
        trimesh.Trimesh(corners + np.array([x, y, z]), TETRAHEDRON)
        for x in range(10) for y in range(10) for z in range(10)
    ]  # fmt: skip
    mesh = trimesh.util.concatenate(parts)
    return pre_clean(normalize(np.array(mesh.vertices)), np.array(mesh.faces, dtype=np.int32))


def test_flat_regions_go_first_and_the_shape_stays():
    vertices, faces = divided_box()
    simplified = decimate(vertices, faces, SETTINGS)
    assert 12 <= len(simplified[1]) <= 800 < len(faces)
    distance = tokenizer_rs.vertex_distance((vertices, faces), simplified)
    assert distance <= 1e-3 * bounding_box_diagonal(vertices)
    assert measure(*simplified)["watertight"]
    again = decimate(vertices, faces, SETTINGS)
    assert np.array_equal(again[0], simplified[0])
    assert np.array_equal(again[1], simplified[1])


def test_a_mesh_that_is_small_enough_stays_as_it_is():
    vertices, faces = sphere(2)
    same = decimate(vertices, faces, SETTINGS)
    assert same[0] is vertices
    assert same[1] is faces
    ball = sphere(4)
    fewer = decimate(*ball, SETTINGS)
    assert 400 < len(fewer[1]) <= 800 < len(ball[1])
    assert 0 < tokenizer_rs.vertex_distance(ball, fewer) / bounding_box_diagonal(ball[0]) <= 0.01


def test_a_shape_that_would_be_lost_is_refused():
    with pytest.raises(DecimationError, match=r"at a distance of 0\.\d+ of the diagonal, more than 1e-05"):
        decimate(*sphere(4), DecimationSettings(faces=100, distance=1e-5))
    with pytest.raises(DecimationError, match="4000 faces became"):
        decimate(*spikes(), SETTINGS)


def test_the_data_set_has_the_simplified_mesh_and_the_reason(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for name, (vertices, faces) in {"box": divided_box(), "ball": sphere(2), "spikes": spikes()}.items():
        trimesh.Trimesh(vertices, faces, process=False).export(folder / f"{name}.obj")
    settings = CurationSettings(
        tokenizer={"name": "face_sequence"},
        preset="meshgpt",
        decimate=SETTINGS,
        limits=WorkerLimits(workers=1),
    )
    report = curate([f"local:{folder}"], tmp_path / "data", settings)
    assert report.reasons == {"DECIMATION": 1}
    data = DataFolder(tmp_path / "data")
    assert data.scan("tokens").collect()["n_faces"].max() <= 800
    assert data.scan("mesh_table").collect()["n_faces"].max() == 12288
    plain = settings.model_copy(update={"decimate": None})
    report = curate([f"local:{folder}"], tmp_path / "data", plain)
    assert report.reasons == {"RULE_FACES": 2}
