"""The grammar lets every sequence end that an encoder writes, and none before it has a face."""

import numpy as np
import pytest
import tokenizer_rs
from hypothesis import given

from tests.tokenizer_rs.soups import soups

TOKENIZERS = [
    tokenizer_rs.Silksong(resolution, mode, conformance=level)
    for level in ("reference", "extended")
    for resolution, mode in ((128, "block_offset"), (256, "xyz"), (8, "xyz"))
]
OFFSETS = range(3, 203)


def assert_allowed(tokenizer, tokens):
    grammar = tokenizer.grammar()
    for token in tokens.tolist():
        grammar.advance(token)
    assert grammar.can_end()
    assert len(tokenizer.decode(tokens)[1]) > 0


@given(soups)
def test_what_is_written_is_allowed(soup):
    for tokenizer in TOKENIZERS:
        try:
            tokens = tokenizer.encode(*soup).tokens
        except tokenizer_rs.MeshError:
            continue
        assert_allowed(tokenizer, tokens)


@pytest.mark.parametrize("n", [18, 30, 45])
def test_a_long_first_layer_with_links_across_is_allowed(n):
    angle = np.arange(n) * 2 * np.pi / n
    rim = np.stack([0.9 * np.cos(angle), np.zeros(n), 0.9 * np.sin(angle)], axis=1)
    cone = [[0, 1 + i, 1 + (i + 1) % n] for i in range(n)]
    lid = [[1, 2 + i, 1 + i] for i in range(1, n - 1)]
    n_with_offsets = 0
    for tokenizer in TOKENIZERS:
        if tokenizer.resolution < 128:
            continue  # the rim would meet itself
        tokens = tokenizer.encode(np.concatenate([[[0, -0.9, 0]], rim]), np.array(cone + lid)).tokens
        assert_allowed(tokenizer, tokens)
        n_with_offsets += bool(np.isin(tokens, OFFSETS[8:]).any())
    assert n_with_offsets == 4


def test_a_row_cannot_end_without_a_face():
    tokenizer = tokenizer_rs.Silksong(vertex_mode="xyz")
    first, head, column = 5659, 203, 459
    grammar = tokenizer.grammar()
    lone = [0, first, first, first, 1, first + 1, first, first, head + 255, column, 2]
    for token in lone:
        grammar.advance(token)
    assert len(tokenizer.decode(lone)[1]) == 0
    assert not grammar.can_end()
    assert np.flatnonzero(grammar.allowed()).tolist() == [0]
    assert grammar.tokens_to_end() == 16
