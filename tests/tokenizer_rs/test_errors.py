"""Bad input is refused with a code and never with a panic."""

import pickle
import time

import numpy as np
import pytest
import tokenizer_rs

from tests.tokenizer_rs.meshes import box, cone_over_complete_graph

VERTICES, FACES = box()


def refused(code, vertices=VERTICES, faces=FACES, **options):
    with pytest.raises(tokenizer_rs.MeshError) as error:
        tokenizer_rs.Silksong(**options).encode(vertices, faces)
    assert error.value.code == code
    return str(error.value)


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (VERTICES[:, :2], FACES),
        (VERTICES.ravel(), FACES),
        (VERTICES, FACES[:, :2]),
        (VERTICES, np.zeros((3, 4), dtype=int)),
        (VERTICES, FACES.astype(np.float64)),
        (VERTICES, FACES.astype(object)),
        (VERTICES.astype(complex), FACES),
        ("mesh", FACES),
        (None, FACES),
        ([[0, 0, 0], [1, 1]], FACES),
        (VERTICES, [[0, 1, 8]]),
        (VERTICES, [[0, 1, -1]]),
        (VERTICES, [[0, 1, 2**62]]),
        (VERTICES, np.array([[0, 1, 2**64 - 1]], dtype=np.uint64)),
        (VERTICES, [[0, 1, 2**70]]),
        (VERTICES * 3, FACES),
    ],
)
def test_bad_arrays(vertices, faces):
    refused("INVALID_INPUT", vertices, faces)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_bad_coordinates_are_named(value):
    vertices = VERTICES.copy()
    vertices[5, 1] = value
    assert "vertex 5" in refused("INVALID_INPUT", vertices)


def test_nothing_to_encode():
    refused("NO_VALID_COMPONENT", np.zeros((0, 3)), np.zeros((0, 3), dtype=int))
    refused("NO_VALID_COMPONENT", VERTICES, np.zeros((0, 3), dtype=int))
    refused("NO_VALID_COMPONENT", VERTICES, FACES[:1], conformance="reference")
    refused("NO_VALID_COMPONENT", VERTICES, FACES[:1, [0, 0, 1]])


def test_any_whole_or_real_dtype_is_taken():
    expected = tokenizer_rs.Silksong().encode(VERTICES, FACES).tokens
    for vertex_type in (np.float32, np.float64):
        for face_type in (np.uint8, np.int16, np.uint32, np.int64, np.uint64):
            encoding = tokenizer_rs.Silksong().encode(VERTICES.astype(vertex_type), FACES.astype(face_type))
            np.testing.assert_array_equal(encoding.tokens, expected)
    fortran = np.asfortranarray(VERTICES), FACES[:, ::-1][:, ::-1]
    np.testing.assert_array_equal(tokenizer_rs.Silksong().encode(*fortran).tokens, expected)
    lists = tokenizer_rs.Silksong().encode(VERTICES.tolist(), FACES.tolist())
    np.testing.assert_array_equal(lists.tokens, expected)


def test_limits_are_kept_and_named():
    assert "max_face_num_p" in refused("TOO_MANY_FACES", limits={"max_face_num_p": 11})
    refused("TOO_MANY_FACES_RAW", limits={"max_face_num_raw": 11})
    refused("TOKEN_LIMIT", limits={"token_limit": 33})
    refused("NO_VALID_COMPONENT", limits={"min_CC_face": 13})
    refused("LAYER_NUMBER_LIMIT", limits={"layer_number_limit": 1})
    reference = {"conformance": "reference"}
    refused("VALENCE_LIMIT", limits={"NM_max_edge_graph": 4}, **reference)
    refused("LAYER_NUMBER_LIMIT", limits={"layer_number_limit": 2}, **reference)
    for options in ({}, reference):
        limits = {"layer_number_limit": 3, "token_limit": 34}
        tokenizer_rs.Silksong(limits=limits, **options).encode(VERTICES, FACES)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limits": {"max_faces": 3}}, "max_faces"),
        ({"limits": {"max_face_num_p": -1}}, "max_face_num_p"),
        ({"limits": {"max_face_num_p": "many"}}, "max_face_num_p"),
        ({"limits": {"max_face_num_p": 2**70}}, "max_face_num_p"),
        ({"resolution": 0, "vertex_mode": "xyz"}, "resolution"),
        ({"resolution": -5, "vertex_mode": "xyz"}, "resolution"),
        ({"resolution": 256}, "xyz"),
        ({"vertex_mode": "blocks"}, "block_offset"),
        ({"conformance": "exakt"}, "reference"),
    ],
)
def test_bad_options_say_what_there_is(options, text):
    with pytest.raises(tokenizer_rs.MeshError, match=text) as error:
        tokenizer_rs.Silksong(**options)
    assert error.value.code == "INVALID_INPUT"


@pytest.mark.parametrize("n", [8, 9, 10])
def test_a_link_with_a_million_cycles_ends_soon(n):
    start = time.monotonic()
    try:
        encoding = tokenizer_rs.Silksong(conformance="reference").encode(*cone_over_complete_graph(n))
        assert encoding.statistics["non_manifold_vert_cnt"] > 0
    except tokenizer_rs.MeshError as error:
        assert error.code.startswith("NM_")  # noqa: PT017
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("tokens", [[[0, 1]], 3, [0.5, 1.5], "abc", None, [2**70]])
def test_bad_token_arrays(tokens):
    with pytest.raises(tokenizer_rs.MeshError) as error:
        tokenizer_rs.Silksong().decode(tokens)
    assert error.value.code == "INVALID_INPUT"


def test_the_error_is_a_value_error_that_survives_pickling():
    with pytest.raises(ValueError, match="vertex") as error:
        tokenizer_rs.Silksong().encode(VERTICES, [[0, 1, 8]])
    copy = pickle.loads(pickle.dumps(error.value))
    assert (type(copy), copy.code, str(copy)) == (tokenizer_rs.MeshError, "INVALID_INPUT", str(error.value))
