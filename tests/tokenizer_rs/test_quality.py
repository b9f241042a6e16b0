"""Shape, crossings and damage are those of slow oracles, MeshLab and trimesh, on soups and real meshes."""

import re

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.reading import read_mesh
from tests.shared_data import shared_path
from tests.tokenizer_rs import quality_oracle
from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.soups import shuffled, soups, sphere


def agrees(found, expected):
    """Exactly equal but for the last digits of sums."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        if isinstance(value, float | list):
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        else:
            assert found[name] == value, name


def corpus_meshes(n, max_faces):
    """Every so many meshes of the corpus of at most so many faces."""
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("set") != "messy") & pl.col("faces").is_between(1, max_faces)
    )
    for row in rows.gather_every(rows.height // n).iter_rows(named=True):
        mesh = read_mesh(corpus / row["path"], row["format"])
        yield row["path"], mesh.vertices, mesh.faces


@given(soups)
def test_the_shape_of_soups(soup):
    vertices, faces = np.array(soup[0]), np.array(soup[1])
    found, expected = tokenizer_rs.measure_shape(vertices, faces), quality_oracle.shape(vertices, faces)
    if expected["volume"] is not None and abs(expected["volume"]) < 1e-9:  # flat: its sign is rounding
        for name in ("kind", "volume"):
            found.pop(name), expected.pop(name)
    agrees(found, expected)


def test_the_shape_of_the_corpus():
    for path, vertices, faces in corpus_meshes(40, 4000):
        try:
            agrees(tokenizer_rs.measure_shape(vertices, faces), quality_oracle.shape(vertices, faces))
        except AssertionError as error:
            raise AssertionError(path) from error


def test_area_volume_and_winding_are_those_of_trimesh():
    for path, vertices, faces in corpus_meshes(40, 4000):
        welded = trimesh.Trimesh(*quality_oracle.weld(vertices, faces), process=False)
        found = tokenizer_rs.measure_shape(vertices, faces)
        assert found["area"] == pytest.approx(welded.area), path
        if found["volume"] is not None:
            assert welded.is_winding_consistent, path
            assert found["volume"] == pytest.approx(welded.volume), path
            if tokenizer_rs.measure(vertices, faces)["nonmanifold_vertices"] == 0:
                assert found["genus"] == found["components"] - welded.euler_number / 2, path


@pytest.mark.parametrize(
    ("mesh", "genus"),
    [
        (trimesh.creation.torus(1, 0.3), 1),
        (trimesh.creation.icosphere(2), 0),
        (trimesh.creation.annulus(0.5, 1, 1), 1),
        (trimesh.util.concatenate([trimesh.creation.torus(1, 0.3), trimesh.creation.annulus(4, 5, 1)]), 2),
    ],
)
def test_handles_of_known_solids(mesh, genus):
    found = tokenizer_rs.measure_shape(mesh.vertices, mesh.faces)
    assert (found["kind"], found["genus"]) == ("solid", genus)
    inverted = tokenizer_rs.measure_shape(mesh.vertices, mesh.faces[:, ::-1])
    assert (inverted["kind"], inverted["volume"]) == ("inverted", pytest.approx(-found["volume"]))
    opened = tokenizer_rs.measure_shape(mesh.vertices, mesh.faces[1:])
    assert (opened["kind"], opened["genus"], opened["boundary_loops"]) == ("open", genus, 1)


def test_a_sphere_of_an_octahedron_is_regular_but_for_its_six_corners():
    vertices, faces = sphere(3)
    found = tokenizer_rs.measure_shape(vertices, faces)
    assert found["valences"][4] == 6
    assert found["valences"][6] == len(vertices) - 6
    assert found["regular_share"] == 1 - 6 / len(vertices)


@given(soups)
@settings(max_examples=60)
def test_crossings_of_soups(soup):
    vertices, faces = np.array(soup[0]), np.array(soup[1])
    if np.ptp(vertices[faces.ravel()], axis=0).max() > 0:
        found = tokenizer_rs.crossing_faces(vertices, faces, 10**6)
        assert found.tolist() == quality_oracle.crossing_faces(vertices, faces).tolist()


def test_crossings_of_faces_in_general_position_are_those_of_meshlab():
    import pymeshlab

    n_crossing = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        centers = random.uniform(-1, 1, (60, 1, 3))
        vertices = (centers + random.uniform(-0.4, 0.4, (60, 3, 3))).reshape(-1, 3)
        faces = np.arange(180, dtype=np.int32).reshape(-1, 3)
        meshes = pymeshlab.MeshSet(verbose=False)
        meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
        meshes.compute_selection_by_self_intersections_per_face()
        expected = meshes.current_mesh().face_selection_array()
        found = tokenizer_rs.crossing_faces(vertices, faces, 10**6)
        assert found.tolist() == expected.tolist()
        n_crossing += found.sum()
    assert 200 < n_crossing < 1600


def test_a_closed_surface_does_not_cross_itself_and_two_interlocked_do():
    vertices, faces = sphere(3)
    assert not tokenizer_rs.crossing_faces(vertices, faces, 10**6).any()
    both = np.concatenate([vertices, vertices * 0.7 + [0.6, 0.01, 0.02]])
    crosses = tokenizer_rs.crossing_faces(both, np.concatenate([faces, faces + len(vertices)]), 10**6)
    assert 20 < crosses.sum() < len(faces)
    apart = np.concatenate([vertices, vertices + np.array([2, 0, 0])])
    assert not tokenizer_rs.crossing_faces(apart, np.concatenate([faces, faces + len(vertices)]), 10**6).any()


def test_the_search_for_crossings_ends_at_its_number_of_pairs():
    vertices, faces = sphere(3)
    counts = [n for n in range(0, 4000, 50) if tokenizer_rs.crossing_faces(vertices, faces, n) is None]
    assert counts == list(range(0, counts[-1] + 1, 50))
    assert 500 < counts[-1] < 3950
    moved = shuffled(vertices, faces, 1)
    assert tokenizer_rs.crossing_faces(*moved, counts[-1]) is None
    assert tokenizer_rs.crossing_faces(*moved, counts[-1] + 50) is not None


@given(soups)
@settings(max_examples=60)
def test_the_damage_of_quantisation_on_soups(soup):
    vertices, faces = np.array(soup[0]) * [1, 1.1, 0.9], np.array(soup[1])
    if np.ptp(vertices[faces.ravel()], axis=0).max() > 0:
        for bits, found in zip(
            (1, 2, 4), tokenizer_rs.quantization_damage(vertices, faces, (1, 2, 4)), strict=True
        ):
            agrees(found, quality_oracle.quantization_damage(vertices, faces, bits))


def test_the_damage_of_quantisation_on_the_corpus():
    n_dropped = 0
    for path, vertices, faces in corpus_meshes(12, 500):
        found = tokenizer_rs.quantization_damage(vertices, faces, (6, 7, 10))
        for bits, damage in zip((6, 7, 10), found, strict=True):
            expected = quality_oracle.quantization_damage(vertices, faces, bits)
            assert damage == pytest.approx(expected, rel=1e-6), path
        n_dropped += found[0]["dropped_faces"]
    assert n_dropped > 0


def test_distances_are_those_of_a_slow_oracle():
    random = np.random.default_rng(5)
    one, other = (random.normal(size=(30, 3)), random.normal(size=(20, 3)) * 2)
    faces, other_faces = random.integers(29, size=(40, 3)), random.integers(20, size=(30, 3))
    expected = max(
        quality_oracle.to_surface(one[np.unique(faces)], other, other_faces).max(),
        quality_oracle.to_surface(other[np.unique(other_faces)], one, faces).max(),
    )
    assert tokenizer_rs.vertex_distance((one, faces), (other, other_faces)) == pytest.approx(expected)
    assert tokenizer_rs.vertex_distance((other, other_faces), (one, faces)) == pytest.approx(expected)
    with pytest.raises(tokenizer_rs.MeshError, match="without faces"):
        tokenizer_rs.vertex_distance((one, faces), (other, other_faces[:0]))


def test_all_tokenizers_at_once_give_what_each_gives():
    tokenizers = {
        "silksong": tokenizer_rs.Silksong(),
        "edgerunner": tokenizer_rs.EdgeRunner(resolution=128, engine="lr_absco"),
        "face_sequence": tokenizer_rs.FaceSequence(),
        "loom": tokenizer_rs.Loom(),
    }
    for vertices, faces in (box(), sphere(2)):
        found = tokenizer_rs.encode_all(vertices, faces, tokenizers)
        assert list(found) == list(tokenizers)
        for name, encoding in found.items():
            alone = tokenizers[name].encode(vertices, faces)
            assert encoding.tokens.tolist() == alone.tokens.tolist()
            assert encoding.exact == alone.exact
    outside = np.array([[0, 0, 5.0], [1, 0, 0], [0, 1, 0]]), [[0, 1, 2]]
    refused = tokenizer_rs.encode_all(*outside, tokenizers)
    assert isinstance(refused["silksong"], tokenizer_rs.MeshError)
    for name, tokenizer in tokenizers.items():
        if isinstance(refused[name], tokenizer_rs.MeshError):
            with pytest.raises(tokenizer_rs.MeshError, match=re.escape(str(refused[name]))):
                tokenizer.encode(*outside)
        else:
            assert tokenizer.encode(*outside).tokens.tolist() == refused[name].tokens.tolist()
    with pytest.raises(tokenizer_rs.MeshError):
        tokenizer_rs.encode_all([[0, 0, 0]], [[0, 0, 1]], tokenizers)


@pytest.mark.parametrize(
    "call",
    [
        lambda v, f: tokenizer_rs.measure_shape(v, f),
        lambda v, f: tokenizer_rs.crossing_faces(v, f, 10),
        lambda v, f: tokenizer_rs.quantization_damage(v, f, [7]),
        lambda v, f: tokenizer_rs.vertex_distance((v, f), box()),
        lambda v, f: tokenizer_rs.describe_shape(v, f),
        lambda v, f: tokenizer_rs.canonical_triangles(v, f),
        lambda v, f: tokenizer_rs.pre_clean(v, f),
    ],
)
def test_what_is_no_mesh_is_refused(call):
    for vertices, faces in (([[0, 0, np.nan]] * 3, [[0, 1, 2]]), ([[0, 0, 0]], [[0, 0, 1]])):
        with pytest.raises(tokenizer_rs.MeshError) as caught:
            call(vertices, faces)
        assert caught.value.code == "INVALID_INPUT"


def test_faults_of_the_damage():
    with pytest.raises(tokenizer_rs.MeshError, match="21 bits; give 1 to 20"):
        tokenizer_rs.quantization_damage(*box(), [7, 21])
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.quantization_damage(np.ones((3, 3)), [[0, 1, 2]], [7])
    assert caught.value.code == "ZERO_EXTENT"
    assert not tokenizer_rs.crossing_faces(np.ones((3, 3)), [[0, 1, 2]], 10).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_finite_soup_is_cleaned_and_described(seed):
    random = np.random.default_rng(seed)
    scale = 10.0 ** random.integers(-320, 308)
    vertices = random.integers(-3, 4, (random.integers(1, 30), 3)) * scale
    faces = random.integers(0, len(vertices), (random.integers(0, 40), 3))
    cleaned, left = tokenizer_rs.pre_clean(vertices, faces)
    assert len(cleaned) <= len(vertices)
    assert len(left) <= len(faces)
    assert {tuple(v) for v in cleaned.tolist()} <= {tuple(v) for v in vertices.tolist()}
    triangles = tokenizer_rs.canonical_triangles(vertices, faces)
    assert triangles.shape == faces.shape
    assert (np.diff(triangles.astype(np.int64), axis=1) >= 0).all()
    described = tokenizer_rs.describe_shape(vertices, faces)
    if described is not None:
        lengths, landmarks = described
        assert (lengths.shape, lengths.dtype) == ((85,), np.uint16)
        assert 0 < len(landmarks) <= len(np.unique(faces))


def test_components_are_numbered_by_their_lowest_faces():
    faces = [[7, 8, 9], [0, 1, 2], [1, 0, 3], [0, 1, 4], [9, 8, 5], [2, 6, 10]]
    assert tokenizer_rs.edge_components(faces).tolist() == [0, 1, 1, 1, 0, 2]
    assert tokenizer_rs.edge_components(np.zeros((0, 3), dtype=int)).shape == (0,)
    with pytest.raises(tokenizer_rs.MeshError):
        tokenizer_rs.edge_components([[0, 1, -1]])
