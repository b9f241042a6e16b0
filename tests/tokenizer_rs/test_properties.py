"""What holds for every mesh and every sequence."""

import numpy as np
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer_rs.test_silksong_golden import check_manifold, check_tokens_say_the_edges

SMALL = {"resolution": 16, "vertex_mode": "xyz", "limits": {"layer_vertex_limit": 8}}
TOKENIZERS = [
    tokenizer_rs.Silksong(conformance=level, **options)
    for level in ("reference", "extended")
    for options in ({}, SMALL)
]
CODES = {
    "VALENCE_LIMIT", "NM_VERT_LIMIT", "NM_PARTITION", "NM_LABEL", "EDGE_STILL_NONMANIFOLD", "NON_ORIENTABLE",
    "TOO_MANY_FACES", "RING", "LAYER_NUMBER_LIMIT", "LAYER_VERTEX_LIMIT", "NO_VALID_COMPONENT",
}  # fmt: skip

coordinate = st.integers(0, 5).map(lambda i: i / 3 - 0.85)
soups = st.integers(3, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=n, max_size=n),
        st.lists(st.tuples(*[st.integers(0, n - 1)] * 3), min_size=1, max_size=60),
    )
)


def random_ids(tokenizer):
    """Sequences that get past the first tokens: a component, then mostly well-formed rows."""
    size, first = tokenizer.vocab_size, tokenizer.vocab_size - (4608 if tokenizer.resolution == 128 else 16)
    vertex = [[first + 3, first + 600]] if tokenizer.resolution == 128 else [[first + 3] * 3]
    heads = (203, 458) if tokenizer.resolution == 128 else (11, 266)
    row = st.tuples(
        st.sampled_from(vertex),
        st.integers(*heads),
        st.lists(st.integers(heads[1] + 1, heads[1] + 200), max_size=3),
    ).map(lambda parts: [*parts[0], parts[1], *parts[2]])
    wild = st.integers(-3, size + 3).map(lambda token: [token])
    pieces = st.one_of(row, row, row, wild, st.sampled_from([[1], [2], [0], [*vertex[0], 1]]))
    return st.lists(pieces, max_size=60).map(lambda found: sum(found, [0, *vertex[0], 1]))


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["blocks", "small", "extended", "extended small"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_decoding_never_crashes(tokenizer, data):
    tokens = data.draw(random_ids(tokenizer))
    try:
        vertices, faces = tokenizer.decode(tokens)
    except tokenizer_rs.MeshError as error:
        assert error.code == "INVALID_TOKENS"  # noqa: PT017
        return
    assert np.abs(vertices).max(initial=0) < 1
    assert faces.min(initial=0) >= 0
    assert faces.max(initial=-1) < len(vertices)
    assert len({tuple(sorted(face)) for face in faces.tolist()}) == len(faces)


@settings(max_examples=500, deadline=None)
@given(tokens=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_decoding_takes_any_integers(tokens):
    try:
        TOKENIZERS[0].decode(tokens)
    except tokenizer_rs.MeshError as error:
        assert error.code == "INVALID_TOKENS"  # noqa: PT017


@settings(max_examples=500, deadline=None)
@given(soup=soups)
def test_a_soup_is_encoded_or_refused(soup):
    tokenizer = TOKENIZERS[0]
    try:
        encoding = tokenizer.encode(*soup)
    except tokenizer_rs.MeshError as error:
        assert error.code in CODES  # noqa: PT017
        return
    check_manifold(encoding.faces)
    check_tokens_say_the_edges(encoding)
    assert 0 <= encoding.tokens.min() <= encoding.tokens.max() < tokenizer.vocab_size
    kept = encoding.vertices[encoding.faces].reshape(-1, 3, 3)
    given_faces = np.sort(encoding.vertices[encoding.clean_faces].view("i4,i4,i4")[..., 0], axis=1)
    assert np.array_equal(np.sort(np.ascontiguousarray(kept).view("i4,i4,i4")[..., 0], axis=1), given_faces)
    vertices, _ = tokenizer.decode(encoding.tokens)
    assert len(vertices) == len(encoding.sequence_vertices)


@settings(max_examples=200, deadline=None)
@given(soup=soups)
def test_encoding_and_measuring_are_repeatable(soup):
    counts = tokenizer_rs.measure(*soup)
    assert counts == tokenizer_rs.measure(*soup)
    assert counts["faces"] == len(soup[1])
    first, second = TOKENIZERS[0].encode_batch([soup, soup], threads=2).to_pylist()
    assert {**first, "index": 1} == second
