"""The repair keeps every triangle and makes all of them an oriented manifold."""

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.normalizing import ZeroExtentError, normalize
from pipelines.reading import MeshReadError, read_mesh
from tests.shared_data import shared_path
from tests.tokenizer_rs.manifold_oracle import assert_faithful, assert_manifold
from tests.tokenizer_rs.meshes import box, cone_over_complete_graph

DROPS = ("degenerate_faces", "collinear_faces", "duplicate_faces", "flipped_faces")

coordinate = st.one_of(st.integers(-2, 2).map(lambda i: i / 2), st.sampled_from([-0.0, 1e-9, -1 / 3]))
soups = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=n, max_size=n),
        st.lists(st.tuples(*[st.integers(0, n - 1)] * 3), max_size=50),
    )
)


def bin_centres(vertices, resolution):
    """The published quantisation, and back (silksong-tokenizer 2)."""
    bins = ((np.asarray(vertices) + 1) * resolution / 2).astype(np.int64).clip(0, resolution - 1)
    return (bins + 0.5) / resolution * 2 - 1


def check(vertices, faces, resolution=None, **options):
    """Everything that must hold for any mesh. Returns the result."""
    repaired = tokenizer_rs.repair(vertices, faces, resolution, **options)
    placed = np.asarray(vertices) if resolution is None else bin_centres(vertices, resolution)
    assert_manifold(len(repaired.vertices), repaired.faces)
    assert_faithful(placed, faces, repaired)
    assert np.array_equal(repaired.vertices, placed[repaired.source_vertex])
    again = tokenizer_rs.repair(repaired.vertices, repaired.faces, resolution, **options)
    assert np.array_equal(again.vertices, repaired.vertices)
    assert np.array_equal(again.faces, repaired.faces)
    assert not any(len(again.log[kind]) for kind in DROPS)
    return repaired


def shuffled(vertices, faces, generator):
    """The same mesh under other indices."""
    vertices, faces = np.asarray(vertices), np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    order = generator.permutation(len(vertices))
    turns = (generator.integers(3, size=len(faces))[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(np.argsort(order)[faces], turns, axis=1)
    return vertices[order], generator.permutation(faces)


@pytest.mark.parametrize("options", [{}, {"outward": True}, {"drop_collinear": True}], ids=str)
@pytest.mark.parametrize("resolution", [None, 128, 3])
@settings(max_examples=150, deadline=None)
@given(soup=soups, seed=st.integers(0, 99))
def test_any_soup_becomes_a_manifold(resolution, options, soup, seed):
    vertices, faces = np.array(soup[0]), np.array(soup[1], dtype=np.int64).reshape(-1, 3)
    repaired = check(vertices, faces, resolution, **options)
    other = tokenizer_rs.repair(
        *shuffled(vertices, faces, np.random.default_rng(seed)), resolution, **options
    )
    assert np.array_equal(other.vertices, repaired.vertices)
    assert np.array_equal(other.faces, repaired.faces)
    looked_at = tokenizer_rs.repair(repaired.vertices, repaired.faces, weld=False)
    assert np.array_equal(looked_at.faces, repaired.faces)
    assert not any(map(len, looked_at.log.values()))


@settings(max_examples=150, deadline=None)
@given(soup=soups)
def test_without_welding_the_order_stays(soup):
    vertices, faces = np.array(soup[0]), np.array(soup[1], dtype=np.int64).reshape(-1, 3)
    repaired = tokenizer_rs.repair(vertices, faces, weld=False)
    assert_manifold(len(repaired.vertices), repaired.faces)
    assert len(repaired.log["welded_vertices"]) == 0
    assert np.all(np.diff(repaired.source_face) > 0)
    n_first = len(np.unique(repaired.source_vertex))
    assert np.all(np.diff(repaired.source_vertex[:n_first]) > 0)
    given_faces = faces[repaired.source_face]
    is_flipped = np.isin(repaired.source_face, repaired.log["flipped_faces"])
    given_faces[is_flipped] = given_faces[is_flipped][:, [0, 2, 1]]
    assert np.array_equal(repaired.source_vertex[repaired.faces], given_faces)


def test_a_box_stays_as_it_is_even_as_a_soup():
    vertices, faces = box()
    one = check(vertices, faces)
    assert not any(map(len, one.log.values()))
    soup = check(vertices[faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    assert np.array_equal(one.vertices, soup.vertices)
    assert np.array_equal(one.faces, soup.faces)
    assert {kind for kind, found in soup.log.items() if len(found)} == {"welded_vertices"}


def test_a_box_inside_out():
    vertices, faces = box()
    outward = check(vertices, faces, outward=True)
    turned = check(vertices, faces[:, [0, 2, 1]], outward=True)
    assert np.array_equal(turned.faces, outward.faces)
    a, b, c = np.moveaxis(turned.vertices[turned.faces], 1, 0)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(1)
    assert len(check(vertices, faces[:, [0, 2, 1]]).log["flipped_faces"]) == 0


@pytest.mark.parametrize("n", [4, 6, 40])
def test_a_vertex_with_many_cycles(n):
    check(*cone_over_complete_graph(n), 128)


def test_the_shapes_and_types():
    repaired = tokenizer_rs.repair(*box(), resolution=128)
    assert (repaired.vertices.dtype, repaired.faces.dtype) == (np.float64, np.int32)
    assert (repaired.grid_vertices.dtype, repaired.grid_vertices.max()) == (np.int32, 96)
    assert (repaired.source_vertex.dtype, repaired.source_face.dtype) == (np.int32, np.int32)
    assert {array.dtype for array in repaired.log.values()} == {np.dtype(np.int32)}
    assert tokenizer_rs.repair(*box()).grid_vertices is None
    empty = tokenizer_rs.repair(np.zeros((0, 3)), np.zeros((0, 3), dtype=int))
    assert (empty.vertices.shape, empty.faces.shape) == ((0, 3), (0, 3))
    assert empty.log["cut_edges"].shape == (0, 2)


@pytest.mark.parametrize(
    ("vertices", "faces", "resolution"),
    [
        ([[0, 0, np.inf]], [[0, 0, 0]], None),
        ([[0, 0, 0]], [[0, 0, 1]], None),
        ([[0, 0, 2]], [[0, 0, 0]], 128),
        ([[0, 0, 0]], [[0, 0, 0]], -1),
        ([[0, 0, 0]], [[0, 0, 0]], 2**40),
    ],
)
def test_bad_input_is_refused(vertices, faces, resolution):
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.repair(vertices, faces, resolution)
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_the_corpus(every):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").gather_every(every)
    n_repaired = 0
    for row in manifest.iter_rows(named=True):
        try:
            mesh = read_mesh(corpus / row["path"], row["format"])
            normalized = normalize(mesh.vertices)
        except (MeshReadError, ZeroExtentError):
            continue
        check(mesh.vertices, mesh.faces)
        check(normalized, mesh.faces, 128)
        n_repaired += 1
    assert n_repaired > 0.9 * len(manifest)
