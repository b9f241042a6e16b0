"""The row codecs of Silksong against their published vectors."""

from itertools import pairwise

import numpy as np
import pytest
import tokenizer_rs

from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def vectors():
    return np.load(shared_path("golden", "silksong_tokenizer", "matrix_cases.npz"))


def rows_of(vectors, case):
    offsets, tokens = vectors[f"{case}_offsets"], vectors[f"{case}_tokens"]
    return [tokens[a:b].tolist() for a, b in pairwise(offsets)]


def test_window_table(vectors):
    np.testing.assert_array_equal(tokenizer_rs.silksong_window_table(), vectors["window_table"])


@pytest.mark.parametrize("k", range(28))
def test_in_layer(vectors, k):
    matrix, rows = vectors[f"in_{k}_matrix"], rows_of(vectors, f"in_{k}")
    assert tokenizer_rs.silksong_encode_in_layer(matrix.astype(np.uint8)) == rows
    decoded = tokenizer_rs.silksong_decode_in_layer(rows)
    np.testing.assert_array_equal(decoded, vectors[f"in_{k}_decoded"])


@pytest.mark.parametrize("k", range(18))
def test_between_layers(vectors, k):
    matrix, rows = vectors[f"out_{k}_matrix"], rows_of(vectors, f"out_{k}")
    assert tokenizer_rs.silksong_encode_between_layers(matrix.astype(np.uint8)) == rows
    decoded = tokenizer_rs.silksong_decode_between_layers(rows, matrix.shape[1])
    np.testing.assert_array_equal(decoded, vectors[f"out_{k}_decoded"])


def test_every_row_of_nine_columns_returns():
    matrix = np.array([[i >> c & 1 for c in range(9)] for i in range(512)], dtype=np.uint8)
    rows = tokenizer_rs.silksong_encode_between_layers(matrix)
    np.testing.assert_array_equal(tokenizer_rs.silksong_decode_between_layers(rows, 9), matrix)
