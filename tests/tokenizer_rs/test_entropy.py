"""Bits of token sequences, against the definition written down slowly."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import tokenizer_rs
from hypothesis import given
from hypothesis import strategies as st

START, END = "start", "end"


def slow_bits(sequences: list[list[int]], vocab_size: int, order: int) -> float:
    """The adaptive coder of order `order`, all contexts as tuples."""
    counts: dict[tuple, Counter] = defaultdict(Counter)
    bits = 0.0
    for tokens in sequences:
        history: list = [START] * order
        for symbol in [*tokens, END]:
            contexts = [tuple(history[len(history) - j :]) for j in range(order + 1)]
            p = 1 / (vocab_size + 1)
            for context in contexts:
                seen = counts[context]
                if total := seen.total():
                    p = (seen[symbol] + len(seen) * p) / (total + len(seen))
            bits -= math.log2(p)
            for context in contexts:
                counts[context][symbol] += 1
            history.append(symbol)
    return bits


SEQUENCES = st.lists(st.lists(st.integers(0, 3), max_size=30), max_size=5)


@given(SEQUENCES, st.integers(0, 8))
def test_bits_are_those_of_the_definition(sequences: list[list[int]], order: int) -> None:
    expected = slow_bits(sequences, 5, order)
    assert tokenizer_rs.adaptive_bits(sequences, 5, order) == pytest.approx(expected, rel=1e-12)


@given(SEQUENCES)
def test_several_orders_at_once_are_each_of_them(sequences: list[list[int]]) -> None:
    orders = [3, 0, 8, 3]
    each = [tokenizer_rs.adaptive_bits(sequences, 4, order) for order in orders]
    assert tokenizer_rs.adaptive_bits(sequences, 4, orders) == each


def test_what_repeats_costs_less_the_more_is_seen_of_it() -> None:
    rng = np.random.default_rng(0)
    random = rng.integers(0, 16, 4000, dtype=np.int32)
    repeated = np.tile(np.arange(16, dtype=np.int32), 250)
    orders = tokenizer_rs.adaptive_bits([repeated], 16, [0, 1])
    assert 4000 * 4 < orders[0] < 4000 * 4.1
    assert orders[1] < 250
    assert tokenizer_rs.adaptive_bits([random], 16, 1) > 4000 * 4


def test_no_sequence_costs_nothing_and_an_empty_one_its_end() -> None:
    assert tokenizer_rs.adaptive_bits([], 3, [0, 2]) == [0, 0]
    assert tokenizer_rs.adaptive_bits([[]], 3, 2) == pytest.approx(2)
    assert tokenizer_rs.adaptive_bits([[]], 3, []) == []


@pytest.mark.parametrize(
    ("sequences", "vocab_size", "order"),
    [([[0, 4]], 4, 0), ([[-1]], 4, 0), ([[2**40]], 4, 0), ([[0]], 4, 9), ([[0]], 4, -1), ([[0]], -4, 0)],
)
def test_what_cannot_be_coded_is_an_error(sequences: list, vocab_size: int, order: int) -> None:
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.adaptive_bits(sequences, vocab_size, order)
    assert caught.value.code == "INVALID_INPUT"


def test_nominal_bits_count_what_the_grammar_allows() -> None:
    tokenizer = tokenizer_rs.Silksong()
    tokens = [0, 5951, 6171, 1, 6079, 6171, 204, 460, 5967, 6171, 204, 460, 2]  # a triangle
    grammar = tokenizer.grammar()
    expected = 0.0
    for token in [*tokens, None]:
        expected += math.log2(grammar.allowed().sum())
        if token is not None:
            grammar.advance(token)
    assert tokenizer.nominal_bits(tokens) == pytest.approx(expected, rel=1e-12)
    assert tokenizer.nominal_bits(tokens) < len(tokens) * math.log2(tokenizer.vocab_size)


@pytest.mark.parametrize("tokens", [[], [1], [0, 5659], [0, -1], [10_267]])
def test_sequences_that_the_grammar_refuses_have_no_nominal_bits(tokens: list[int]) -> None:
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.Silksong().nominal_bits(tokens)
    assert caught.value.code == "INVALID_TOKENS"
