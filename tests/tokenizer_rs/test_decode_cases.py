"""Damaged and unusual sequences: what is decoded, and what is refused."""

import json

import numpy as np
import pytest
import tokenizer_rs

from tests.shared_data import SHARED, shared_path

INDEX = SHARED / "golden" / "silksong_tokenizer" / "decode_cases.json"
CASES = json.loads(INDEX.read_text()) if INDEX.exists() else {}
MODES = {3: "xyz", 4: "block_offset"}


@pytest.mark.parametrize("name", CASES)
def test_published_case(name):
    vectors = np.load(shared_path("golden", "silksong_tokenizer", "decode_cases.npz"))
    case = CASES[name]
    tokenizer = tokenizer_rs.Silksong(vertex_mode=MODES[case["mode"]], conformance="reference")
    tokens = vectors[f"{name}.tokens"]
    if case["error"]:
        with pytest.raises(tokenizer_rs.MeshError) as error:
            tokenizer.decode(tokens)
        assert error.value.code == "INVALID_TOKENS"
        return
    vertices, faces = tokenizer.decode(tokens)
    assert (len(vertices), len(faces)) == (case["nv"], case["nf"])
    quantized = np.round((vertices + 1) * 64 - 0.5)
    np.testing.assert_array_equal(quantized, vectors[f"{name}.verts_q"].reshape(-1, 3))
    np.testing.assert_array_equal(faces, vectors[f"{name}.faces"].reshape(-1, 3))


def test_types_of_the_arrays():
    vertices, faces = tokenizer_rs.Silksong().decode([])
    assert (vertices.shape, vertices.dtype) == ((0, 3), np.float64)
    assert (faces.shape, faces.dtype) == ((0, 3), np.int32)


def test_a_lone_offset_uses_the_last_block_again():
    tokenizer = tokenizer_rs.Silksong(conformance="reference")
    full, _ = tokenizer.decode([0, 5659, 6990, 1, 5659, 6991])
    elided, _ = tokenizer.decode([0, 5659, 6990, 1, 6991])
    np.testing.assert_array_equal(full, elided)
    assert len(elided) == 2


def test_a_layer_longer_than_the_vocabulary_allows_ends_the_mesh():
    tokenizer = tokenizer_rs.Silksong(conformance="reference")
    sequence = [0, 5659, 6990, 1] + [5659, 6990, 208, 460] * 200_000 + [1] + [5659, 6990, 208, 460] * 3 + [2]
    vertices, faces = tokenizer.decode(sequence)
    assert (len(vertices), len(faces)) == (200_001, 0)
    tokenizer_rs.Silksong().decode(sequence)
