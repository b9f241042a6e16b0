"""What holds for every mesh and sequence of the EdgeRunner tokenizers."""

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.normalizing import ZeroExtentError, normalize
from pipelines.reading import MeshReadError, read_mesh
from tests.shared_data import shared_path
from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.soups import (
    holed_grid,
    on_grid,
    sampled,
    shuffled,
    soups,
    sphere,
    triangles,
)
from tests.tokenizer_rs.test_silksong_golden import check_manifold

ENGINES = ["lr_absco", "lr", "clers"]
REPAIRING = tokenizer_rs.EdgeRunner(64, repair=True)

every_engine = pytest.mark.parametrize("engine", ENGINES)


def assert_written(encoding, tokenizer):
    """The published length, and tokens that decode to the mesh they say they describe."""
    n_submeshes, n_visits = encoding.statistics["n_submeshes"], encoding.statistics["n_visits"]
    extra = 8 if tokenizer.engine == "clers" else 6
    if tokenizer.engine != "clers" or n_submeshes == encoding.statistics["n_components"]:
        assert len(encoding.tokens) == 4 * n_visits + extra * n_submeshes
    vertices, faces = tokenizer.decode(encoding.tokens)
    assert len(faces) == n_visits == len(encoding.face_type)
    assert len(vertices) == n_visits + 2 * n_submeshes
    same = triangles(on_grid(vertices, tokenizer.resolution), faces) == triangles(
        encoding.vertices, encoding.faces
    )
    assert encoding.exact is same
    return same


@settings(max_examples=200, deadline=None)
@given(mesh=soups, seed=st.integers(0, 9))
def test_a_repaired_mesh_returns_exactly_and_however_it_is_numbered(mesh, seed):
    encoding = REPAIRING.encode(*mesh)
    check_manifold(encoding.faces)
    assert assert_written(encoding, REPAIRING)
    assert sorted(encoding.face_order.tolist()) == list(range(len(encoding.faces)))
    again = REPAIRING.encode(*shuffled(*mesh, seed))
    np.testing.assert_array_equal(encoding.tokens, again.tokens)
    np.testing.assert_array_equal(encoding.face_type, again.face_type)


@every_engine
@pytest.mark.parametrize("sort", ["stable", "reference"])
@settings(max_examples=100, deadline=None)
@given(mesh=soups)
def test_any_mesh_is_encoded_and_exact_is_true(engine, sort, mesh):
    tokenizer = tokenizer_rs.EdgeRunner(16, engine, sort)
    encoding = tokenizer.encode(*mesh)
    assert_written(encoding, tokenizer)
    assert set(encoding.face_order.tolist()) == set(range(len(encoding.faces)))
    if engine == "lr_absco" and encoding.statistics["n_repeated_visits"] == 0:
        vertices, faces = tokenizer.decode(encoding.tokens)
        found = np.sort(on_grid(vertices, 16)[faces].reshape(len(faces), 3, 3), axis=1)
        given_faces = np.sort(encoding.vertices[encoding.faces][encoding.face_order], axis=1)
        np.testing.assert_array_equal(np.sort(found, axis=1), given_faces)


@every_engine
@pytest.mark.parametrize("mesh", [sphere(3), holed_grid(24, 5)], ids=["sphere", "holes"])
def test_larger_meshes(engine, mesh):
    tokenizer = tokenizer_rs.EdgeRunner(512, engine)
    encoding = tokenizer.encode(*mesh)
    same = assert_written(encoding, tokenizer)
    assert same or (engine != "lr_absco" and encoding.statistics["n_repeated_visits"] > 0)
    state = tokenizer.grammar()
    for token in encoding.tokens.tolist():
        state.advance(token)
    assert state.can_end()


@every_engine
@settings(max_examples=60, deadline=None)
@given(n_tokens=st.integers(1, 150), seed=st.integers(0, 2**32))
def test_what_the_grammar_allows_is_a_mesh_that_can_be_repaired(engine, n_tokens, seed):
    tokenizer = tokenizer_rs.EdgeRunner(8, engine)
    vertices, faces = tokenizer.decode(sampled(tokenizer, n_tokens, seed))
    assert len(faces) > 0
    assert np.abs(vertices).max() < 1
    encoding = tokenizer_rs.EdgeRunner(8, repair=True).encode(vertices, faces)
    check_manifold(encoding.faces)
    assert encoding.exact


@every_engine
@settings(max_examples=200, deadline=None)
@given(tokens=st.lists(st.integers(-3, 60) | st.integers(-(2**40), 2**40), max_size=80))
def test_decoding_never_crashes(engine, tokens):
    tokenizer = tokenizer_rs.EdgeRunner(8, engine)
    try:
        vertices, faces, face_type = tokenizer.decode_with_face_types(tokens)
    except tokenizer_rs.MeshError as error:
        assert error.code == "INVALID_TOKENS"  # noqa: PT017
    else:
        assert faces.size == 0 or faces.max() < len(vertices)
        assert len(face_type) >= len(faces)


def test_ids_beyond_32_bits_end_a_sequence():
    tokens = [2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 2**40, 6, 6, 6, 0, 6, 6, 6]
    assert len(tokenizer_rs.EdgeRunner().decode(tokens)[1]) == 1


@pytest.mark.parametrize(
    ("engine", "tokens"),
    [
        ("lr_absco", [0, 10, 10, 10]),
        ("lr", [1, 4, 4, 4]),
        ("clers", [4, 9, 9, 9]),
        ("clers", [2]),
        ("clers", [2, 9, 9, 9]),
        ("clers", [5, *[1031] * 9, 2, 1031, 1031, 1031]),
        ("clers", [5, *[1031] * 9, 2]),
    ],
)
def test_sequences_without_meaning(engine, tokens):
    with pytest.raises(tokenizer_rs.MeshError, match="token ") as error:
        tokenizer_rs.EdgeRunner(engine=engine).decode(tokens)
    assert error.value.code == "INVALID_TOKENS"


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(
    ("vertices", "faces", "text"),
    [
        (box()[0] * 3, box()[1], "vertex 0"),
        (np.where(box()[0] > 0, np.nan, 0.1), box()[1], "vertex 1"),
        (np.where(box()[0] > 0, np.inf, 0.1), box()[1], "vertex 1"),
        (box()[0], [[0, 1, 2], [0, 1, 8]], "face 1"),
        (box()[0], [[0, 1, -1]], "face 0"),
        (box()[0], [[0, 1]], "faces"),
    ],
)
def test_bad_meshes_are_named(vertices, faces, text, repair):
    with pytest.raises(tokenizer_rs.MeshError, match=text) as error:
        tokenizer_rs.EdgeRunner(repair=repair).encode(vertices, faces)
    assert error.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"resolution": 1}, "65536"),
        ({"resolution": 2**17}, "65536"),
        ({"resolution": -1}, "65536"),
        ({"engine": "lr_absolute"}, "lr_absco, lr, clers"),
        ({"sort": "quick"}, "stable, reference"),
    ],
)
def test_bad_options_say_what_there_is(options, text):
    with pytest.raises(tokenizer_rs.MeshError, match=text) as error:
        tokenizer_rs.EdgeRunner(**options)
    assert error.value.code == "INVALID_INPUT"


@pytest.mark.parametrize("repair", [False, True])
def test_no_faces_are_no_tokens(repair):
    encoding = tokenizer_rs.EdgeRunner(repair=repair).encode(box()[0], np.zeros((0, 3), dtype=int))
    assert (len(encoding.tokens), len(encoding.face_order), len(encoding.face_type)) == (0, 0, 0)
    assert encoding.exact


@pytest.mark.parametrize(("engine", "size"), zip(ENGINES, [515, 1027, 2054], strict=True))
def test_vocabulary(engine, size):
    tokenizer = tokenizer_rs.EdgeRunner(engine=engine)
    assert (tokenizer.vocab_size, tokenizer.eos_id, tokenizer.pad_id) == (size, size, size + 1)
    assert tokenizer.engine == engine
    assert repr(
        tokenizer
    ) == f"EdgeRunner(resolution=512, engine={engine!r}, sort='stable', repair=False)".replace("'", '"')
    assert tokenizer.describe(0).startswith("C" if engine == "clers" else "L")
    assert tokenizer.describe(size - 1) in {"coordinate 511", "residual 511", "residual 1022"}
    assert tokenizer.describe(size) == tokenizer.describe(-1) == "no id of this vocabulary"


@every_engine
def test_the_number_of_threads_changes_nothing(engine):
    tokenizer = tokenizer_rs.EdgeRunner(128, engine)
    meshes = [sphere(n) for n in (0, 2, 1)] + [holed_grid(6, 4), (box()[0] * 5, box()[1])]
    one, two = (tokenizer.encode_batch(meshes, threads=n) for n in (1, 2))
    assert one.equals(two)
    assert one.column("code").to_pylist() == [None] * 4 + ["INVALID_INPUT"]
    for mesh, row in zip(meshes[:4], one.to_pylist(), strict=False):
        encoding = tokenizer.encode(*mesh)
        assert row["tokens"] == encoding.tokens.tolist()
        assert dict(row["statistics"]) == encoding.statistics


@pytest.mark.parametrize("every", [24, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_the_corpus_returns_exactly(every):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("set") != "messy")
    tokenizer = tokenizer_rs.EdgeRunner(repair=True)
    n_encoded = 0
    for row in manifest.gather_every(every).iter_rows(named=True):
        try:
            mesh = read_mesh(corpus / row["path"], row["format"])
            vertices = normalize(mesh.vertices)
        except (MeshReadError, ZeroExtentError):
            continue
        encoding = tokenizer.encode(vertices, mesh.faces)
        assert encoding.exact, row["path"]
        n_encoded += 1
    assert n_encoded > 0.9 * manifest.gather_every(every).height
