"""The generated furniture: enough of it, all different, the same every time, and of every topology."""

import io

import numpy as np
import pytest
import trimesh

from pipelines.furniture import FAMILIES, VARIANTS_PER_FAMILY, build
from pipelines.sources.builtin import BuiltinSource


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    source = BuiltinSource()
    return {
        file.mesh_id: source.read_bytes(file)
        for shard in source.shards()
        for file in source.list_files(shard)
    }


@pytest.fixture(scope="module")
def meshes(contents) -> dict[str, trimesh.Trimesh]:
    return {name: _load(content) for name, content in contents.items()}


def _load(content: bytes) -> trimesh.Trimesh:
    loaded = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh", process=False)
    loaded.merge_vertices(digits_vertex=6)
    return loaded


def test_there_are_hundreds_of_different_meshes(contents):
    assert len(FAMILIES) >= 12
    assert len(contents) == len(FAMILIES) * VARIANTS_PER_FAMILY >= 400
    assert len(set(contents.values())) == len(contents)


def test_every_mesh_loads_and_is_low_poly(meshes):
    n_faces = np.array([len(mesh.faces) for mesh in meshes.values()])
    assert n_faces.min() >= 40
    assert n_faces.max() <= 1500
    assert (n_faces < 400).mean() > 0.5
    assert all(np.isfinite(mesh.vertices).all() for mesh in meshes.values())


def test_no_face_is_degenerate(meshes):
    assert min(mesh.area_faces.min() for mesh in meshes.values()) > 1e-9


def test_the_bytes_are_the_same_each_time(contents):
    source = BuiltinSource()
    for shard in source.shards():
        file = source.list_files(shard)[11]
        assert source.read_bytes(file) == contents[file.mesh_id]


def test_topology_varies(meshes):
    def edge_counts(mesh: trimesh.Trimesh) -> np.ndarray:
        return np.unique(mesh.edges_sorted, axis=0, return_counts=True)[1]

    counts = {name: edge_counts(mesh) for name, mesh in meshes.items()}
    assert sum((count == 1).any() for count in counts.values()) >= 50  # open
    assert sum((count > 2).any() for count in counts.values()) >= 30  # edges of more than two faces
    assert sum(mesh.is_watertight for mesh in meshes.values()) >= 50
    assert sum(mesh.body_count > 1 for mesh in meshes.values()) >= 100
    closed_once = [mesh for mesh in meshes.values() if mesh.is_watertight and mesh.body_count == 1]
    assert any(mesh.euler_number == 0 for mesh in closed_once)  # a mug with its handle grown on
    assert any(mesh.euler_number == 2 for mesh in closed_once)


def test_a_shard_is_a_family():
    source = BuiltinSource()
    assert source.shards() == sorted(FAMILIES)
    first = source.list_files("chair")[0]
    assert (first.uri, first.mesh_id, first.shard) == ("builtin:chair/000", "builtin-chair-000", "chair")
    assert (first.source, first.format, first.path, first.category) == ("builtin", "glb", None, "chair")
    assert (first.licence, first.author) == ("CC0-1.0", "Meshloom contributors")
    assert source.list_files("spaceship") == []


def test_things_stand_upright():
    for family in ("chair", "table", "lamp", "ladder"):
        for index in range(5):
            low, high = build(family, index).vertices.min(axis=0), build(family, index).vertices.max(axis=0)
            assert high[1] - low[1] > 0.2


def test_a_uri_of_another_source_is_refused():
    source = BuiltinSource()
    file = source.list_files("chair")[0]
    for uri in ("builtin:spaceship/000", "builtin:chair/x", "file:///chair/000"):
        with pytest.raises(ValueError, match="is not builtin:FAMILY/NUMBER"):
            source.read_bytes(type(file)(**{**vars(file), "uri": uri}))
