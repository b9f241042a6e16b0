"""What holds for sequences of sorted faces, and face adjacency."""

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.normalizing import ZeroExtentError, normalize
from pipelines.reading import MeshReadError, read_mesh
from tests.shared_data import SHARED, shared_path
from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.soups import on_grid, sampled, shuffled, soups, sphere, triangles
from tests.tokenizer_rs.test_silksong_golden import check_manifold

GOLDEN = SHARED / "golden" / "meshgpt" / "ordering.npz"
VECTORS = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
NAMES = sorted({key.split("/")[0] for key in VECTORS})
ORDERS = ["meshgpt", "meshxl"]

every_mesh = pytest.mark.parametrize("name", NAMES)
every_order = pytest.mark.parametrize("order", ORDERS)


@every_mesh
@pytest.mark.parametrize("repair", [False, True])
def test_published_order(name, repair):
    vertices = normalize(VECTORS[f"{name}/raw_vertices"])
    tokenizer = tokenizer_rs.FaceSequence(repair=repair)
    encoding = tokenizer.encode(vertices, VECTORS[f"{name}/raw_faces"])
    expected = VECTORS[f"{name}/vertices_q"][VECTORS[f"{name}/faces"]]
    if not repair:
        assert encoding.statistics["n_degenerate_faces"] == VECTORS[f"{name}/n_degenerate"]
    np.testing.assert_array_equal(encoding.tokens.reshape(-1, 3, 3), expected)
    vertices, faces = tokenizer.decode(encoding.tokens)
    np.testing.assert_array_equal(faces, VECTORS[f"{name}/faces"])
    np.testing.assert_array_equal(on_grid(vertices, 128)[:, [2, 0, 1]], VECTORS[f"{name}/vertices_q"])


@every_mesh
def test_published_adjacency(name):
    faces = VECTORS[f"{name}/faces"]
    found = tokenizer_rs.face_edges(faces)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, VECTORS[f"{name}/face_edges"])
    found = tokenizer_rs.face_edges(faces, include_self=False)
    np.testing.assert_array_equal(found, VECTORS[f"{name}/face_edges_noself"])


def adjacency(faces, include_self):
    """By comparing all pairs."""
    faces = np.asarray(faces).reshape(-1, 3)
    shared = (faces[:, None, :, None] == faces[None, :, None, :]).any(axis=3).sum(axis=2)
    return np.argwhere((shared >= 2) if include_self else (shared == 2))


@settings(max_examples=200, deadline=None)
@given(faces=st.lists(st.tuples(*[st.integers(0, 9)] * 3), max_size=40), include_self=st.booleans())
def test_adjacency_of_any_faces(faces, include_self):
    faces = np.array(faces, dtype=int).reshape(-1, 3)
    found = tokenizer_rs.face_edges(faces, include_self)
    assert found.shape[1] == 2
    np.testing.assert_array_equal(found, adjacency(faces, include_self))


@pytest.mark.parametrize("faces", [[[0, 1, -1]], [[0, 1]], [[0.5, 1, 2]], [[0, 1, 2**40]], "faces"])
def test_adjacency_of_bad_faces(faces):
    with pytest.raises(tokenizer_rs.MeshError) as error:
        tokenizer_rs.face_edges(faces)
    assert error.value.code == "INVALID_INPUT"


@every_order
@settings(max_examples=200, deadline=None)
@given(mesh=soups, seed=st.integers(0, 9))
def test_a_repaired_mesh_returns_exactly_and_however_it_is_numbered(order, mesh, seed):
    tokenizer = tokenizer_rs.FaceSequence(64, order)
    encoding = tokenizer.encode(*mesh)
    check_manifold(encoding.faces)
    assert encoding.exact
    assert len(encoding.tokens) == 9 * len(encoding.faces)
    vertices, faces = tokenizer.decode(encoding.tokens)
    assert triangles(on_grid(vertices, 64), faces) == triangles(encoding.vertices, encoding.faces)
    assert len(np.unique(vertices, axis=0)) == len(vertices)
    again = tokenizer.encode(*shuffled(*mesh, seed))
    np.testing.assert_array_equal(encoding.tokens, again.tokens)


@every_order
@pytest.mark.parametrize("drop_duplicates", [False, True])
@settings(max_examples=100, deadline=None)
@given(mesh=soups)
def test_without_repair(order, drop_duplicates, mesh):
    tokenizer = tokenizer_rs.FaceSequence(16, order, repair=False, drop_duplicates=drop_duplicates)
    encoding = tokenizer.encode(*mesh)
    vertices, faces = tokenizer.decode(encoding.tokens)
    assert encoding.exact
    assert triangles(on_grid(vertices, 16), faces) == triangles(encoding.vertices, encoding.faces)
    sets = [tuple(sorted(face)) for face in faces.tolist()]
    n_repeated = len(sets) - len(set(sets))
    assert n_repeated == (0 if drop_duplicates else encoding.statistics["n_duplicate_faces"])
    n_left = len(mesh[1]) - encoding.statistics["n_degenerate_faces"]
    assert len(sets) == n_left - (encoding.statistics["n_duplicate_faces"] if drop_duplicates else 0)
    state = tokenizer.grammar()
    for token in encoding.tokens.tolist():
        state.advance(token)
    assert state.can_end() is (len(faces) > 0)


def keys(order, vertices, faces):
    """Vertices by z, y, x of the sequence's axes; faces as each order compares them."""
    axes = {"meshgpt": [2, 0, 1], "meshxl": [0, 1, 2]}[order]
    points = on_grid(vertices, 64)[:, axes][:, ::-1].tolist()
    corners = [[points[v] for v in face] for face in faces.tolist()]
    return points, [sorted(face) if order == "meshgpt" else face for face in corners], corners


@every_order
def test_vertices_and_faces_ascend(order):
    tokenizer = tokenizer_rs.FaceSequence(64, order)
    mesh = sphere(2)
    encoding = tokenizer.encode(mesh[0] * [1, 0.8, 0.6], mesh[1])
    points, faces, corners = keys(order, *tokenizer.decode(encoding.tokens))
    assert points == sorted(points)
    assert faces == sorted(faces)
    assert all(face[0] == min(face) for face in corners)
    # The two orders are not the same: half of the faces have their second corner above their third.
    assert sum(face[1] > face[2] for face in corners) > len(corners) // 4


@every_order
@settings(max_examples=60, deadline=None)
@given(n_tokens=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_what_the_grammar_allows_is_in_order_and_can_be_repaired(order, n_tokens, seed):
    tokenizer = tokenizer_rs.FaceSequence(8, order)
    tokens = sampled(tokenizer, n_tokens, seed)
    assert len(tokens) % 9 == 0
    plain = tokenizer_rs.FaceSequence(8, order, repair=False)
    encoding = plain.encode(*tokenizer.decode(tokens))
    # Equal faces with different directions may come in any order.
    if encoding.statistics["n_duplicate_faces"] == 0:
        assert encoding.tokens.tolist() == tokens
    repaired = tokenizer.encode(*tokenizer.decode(tokens))
    check_manifold(repaired.faces)
    assert repaired.exact


@every_order
@settings(max_examples=100, deadline=None)
@given(tokens=st.lists(st.integers(-1, 9) | st.integers(-(2**40), 2**40), max_size=60))
def test_decoding_never_crashes(order, tokens):
    vertices, faces = tokenizer_rs.FaceSequence(8, order).decode(tokens)
    assert len(faces) <= len(tokens) // 9
    assert faces.size == 0 or faces.max() < len(vertices)


def test_a_sequence_that_breaks_off_keeps_its_complete_faces():
    tokenizer = tokenizer_rs.FaceSequence()
    tokens = tokenizer.encode(*box()).tokens
    assert len(tokenizer.decode(tokens[:-1])[1]) == 11
    assert len(tokenizer.decode([*tokens[:18], 128, *tokens[18:]])[1]) == 2
    assert len(tokenizer.decode([-1, *tokens])[1]) == 0


@pytest.mark.parametrize("repair", [False, True])
def test_bad_meshes_are_named(repair):
    vertices, faces = box()
    for bad, text in ((vertices * 3, "vertex 0"), (vertices * np.nan, "vertex 0")):
        with pytest.raises(tokenizer_rs.MeshError, match=text) as error:
            tokenizer_rs.FaceSequence(repair=repair).encode(bad, faces)
        assert error.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("options", "text"), [({"resolution": 1}, "65536"), ({"order": "polygen"}, "meshgpt, meshxl")]
)
def test_bad_options_say_what_there_is(options, text):
    with pytest.raises(tokenizer_rs.MeshError, match=text):
        tokenizer_rs.FaceSequence(**options)


def test_vocabulary():
    tokenizer = tokenizer_rs.FaceSequence()
    assert (tokenizer.vocab_size, tokenizer.eos_id, tokenizer.pad_id) == (128, 128, 129)
    assert tokenizer.describe(127) == "coordinate 127"
    assert tokenizer.describe(128) == "no id of this vocabulary"
    expected = 'FaceSequence(resolution=128, order="meshgpt", repair=True, drop_duplicates=False)'
    assert repr(tokenizer) == expected


@every_order
def test_the_number_of_threads_changes_nothing(order):
    tokenizer = tokenizer_rs.FaceSequence(order=order)
    meshes = [sphere(n) for n in (0, 2, 1)] + [(box()[0] * 5, box()[1])]
    one, two = (tokenizer.encode_batch(meshes, threads=n) for n in (1, 2))
    assert one.equals(two)
    assert one.column("code").to_pylist() == [None] * 3 + ["INVALID_INPUT"]


@pytest.mark.parametrize("every", [24, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_the_corpus_returns_exactly(every):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("set") != "messy")
    tokenizers = [tokenizer_rs.FaceSequence(order=order) for order in ORDERS]
    n_encoded = 0
    for row in manifest.gather_every(every).iter_rows(named=True):
        try:
            mesh = read_mesh(corpus / row["path"], row["format"])
            vertices = normalize(mesh.vertices)
        except (MeshReadError, ZeroExtentError):
            continue
        for tokenizer in tokenizers:
            assert tokenizer.encode(vertices, mesh.faces).exact, row["path"]
        n_encoded += 1
    assert n_encoded > 0.9 * manifest.gather_every(every).height
