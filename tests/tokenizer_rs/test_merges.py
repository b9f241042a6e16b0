"""Merged tokens: learned as defined, lossless, saved and loaded, and on top of any tokenizer."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tokenizer_rs
from hypothesis import given
from hypothesis import strategies as st

from tests.tokenizer_rs.meshes import box

SEQUENCES = st.lists(st.lists(st.integers(0, 3), max_size=40), max_size=6)


def merged(tokens: list[int], pair: tuple[int, int], token: int) -> list[int]:
    """One merge, from left to right."""
    written: list[int] = []
    i = 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            written.append(token)
            i += 2
        else:
            written.append(tokens[i])
            i += 1
    return written


def slow_learn(sequences: list[list[int]], base: int, n_merges: int) -> list[tuple[int, int]]:
    """Byte pair encoding by its definition: most occurrences first, then the least pair."""
    learned: list[tuple[int, int]] = []
    while len(learned) < n_merges:
        token = base + len(learned)
        pairs = {pair for tokens in sequences for pair in pairwise(tokens)}
        counts = {pair: sum(len(s) - len(merged(s, pair, token)) for s in sequences) for pair in pairs}
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        learned.append(best)
        sequences = [merged(tokens, best, token) for tokens in sequences]
    return learned


@given(SEQUENCES, st.integers(0, 12))
def test_merges_are_those_of_the_definition(sequences: list[list[int]], n_merges: int) -> None:
    merges = tokenizer_rs.Merges.learn(sequences, 4, n_merges)
    assert merges.pairs == slow_learn(sequences, 4, n_merges)
    assert (merges.vocab_size, merges.base_vocab_size) == (4 + len(merges), 4)


@given(SEQUENCES, st.lists(st.integers(0, 3), max_size=60))
def test_other_sequences_are_merged_step_by_step_and_return(seen: list[list[int]], other: list[int]) -> None:
    merges = tokenizer_rs.Merges.learn(seen, 4, 20)
    stepwise = other
    for i, pair in enumerate(merges.pairs):
        stepwise = merged(stepwise, pair, 4 + i)
    assert merges.apply(other).tolist() == stepwise
    assert merges.expand(stepwise).tolist() == other


def test_merges_do_not_depend_on_how_sequences_are_given() -> None:
    sequences = [[0, 1, 2, 0, 1], [2, 0, 1]]
    merges = tokenizer_rs.Merges.learn(iter([np.array(s, dtype=np.uint16) for s in sequences]), 3, 5)
    assert merges == tokenizer_rs.Merges.learn(sequences, 3, 5)
    assert merges != tokenizer_rs.Merges.learn(sequences, 4, 5)


def test_ids_outside_the_vocabulary_expand_to_one_that_none_has() -> None:
    merges = tokenizer_rs.Merges.learn([[0, 1, 0, 1]], 2, 1)
    assert merges.expand([2, 3, -5, 0]).tolist() == [0, 1, -1, -1, 0]
    for token in (2, -1):
        with pytest.raises(tokenizer_rs.MeshError) as caught:
            merges.apply([0, token])
        assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(("base", "n_merges"), [(-1, 5), (2, -1), (1 << 23, 5), (2, 1 << 17)])
def test_sizes_that_cannot_be_are_refused(base: int, n_merges: int) -> None:
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.Merges.learn([[0, 1]], base, n_merges)
    assert caught.value.code == "INVALID_MERGES"


def test_a_file_returns_the_merges(tmp_path: Path) -> None:
    merges = tokenizer_rs.Merges.learn([[0, 1, 2, 0, 1, 2, 0, 1]], 3, 5)
    merges.save(tmp_path / "merges.json")
    assert tokenizer_rs.Merges.load(str(tmp_path / "merges.json")) == merges
    content = json.loads((tmp_path / "merges.json").read_text())
    assert content == {
        "format": "meshloom-merges",
        "version": 1,
        "base_vocab_size": 3,
        "merges": [list(pair) for pair in merges.pairs],
    }


GOOD = {"format": "meshloom-merges", "version": 1, "base_vocab_size": 2, "merges": [[0, 1]]}
DOUBLING = [[0, 0], *([i, i] for i in range(2, 60))]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "\x00",
        "[" * 100_000,
        json.dumps(GOOD | {"version": 2}),
        json.dumps(GOOD | {"format": "gguf"}),
        json.dumps(GOOD | {"more": 1}),
        json.dumps(GOOD | {"merges": [[0, 2]]}),
        json.dumps(GOOD | {"merges": [[-1, 0]]}),
        json.dumps(GOOD | {"merges": [[0, 1], [0, 1]]}),
        json.dumps(GOOD | {"merges": [[0, 1e300]]}),
        json.dumps(GOOD | {"merges": DOUBLING}),
        json.dumps(GOOD | {"base_vocab_size": 2**32 - 1}),
        json.dumps(GOOD | {"merges": [[0, 1]] * 70_000}),
        " " * (5 << 20) + json.dumps(GOOD),
    ],
    ids=range(15),
)
def test_a_hostile_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "merges.json"
    path.write_text(content)
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.Merges.load(path)
    assert caught.value.code == "INVALID_MERGES"


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    merges = tokenizer_rs.Merges.learn([], 3, 5)
    for call in (tokenizer_rs.Merges.load, merges.save):
        with pytest.raises(tokenizer_rs.MeshError, match="absent"):
            call(tmp_path / "absent" / "merges.json")


@pytest.fixture(scope="module")
def meshes() -> list[tuple[np.ndarray, np.ndarray]]:
    sides = np.random.default_rng(0).uniform(0.1, 0.9, (12, 3))
    return [box(-side, side) for side in sides]


def test_any_tokenizer_with_merges_is_a_tokenizer(meshes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    base = tokenizer_rs.Silksong()
    plain = [base.encode(*mesh) for mesh in meshes]
    merges = tokenizer_rs.Merges.learn([e.tokens for e in plain], base.vocab_size, 200)
    tokenizer = tokenizer_rs.Merged(base, merges)
    assert isinstance(tokenizer, tokenizer_rs.Tokenizer)
    assert tokenizer.merges == merges
    assert (tokenizer.resolution, tokenizer.vocab_size) == (base.resolution, merges.vocab_size)
    assert (tokenizer.eos_id, tokenizer.pad_id) == (merges.vocab_size, merges.vocab_size + 1)
    for mesh, long in zip(meshes, plain, strict=True):
        short = tokenizer.encode(*mesh)
        assert len(short.tokens) < len(long.tokens)
        assert short.exact == long.exact
        assert merges.expand(short.tokens).tolist() == long.tokens.tolist()
        for one, other in zip(tokenizer.decode(short.tokens), base.decode(long.tokens), strict=True):
            np.testing.assert_array_equal(one, other)
        ended = [*short.tokens, tokenizer.eos_id, tokenizer.pad_id]
        np.testing.assert_array_equal(tokenizer.decode(ended)[1], base.decode(long.tokens)[1])


def test_a_merged_grammar_allows_what_the_base_allows_symbol_by_symbol(
    meshes: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    base = tokenizer_rs.Silksong()
    sequences = [base.encode(*mesh).tokens for mesh in meshes]
    merges = tokenizer_rs.Merges.learn(sequences, base.vocab_size, 60)
    tokenizer = tokenizer_rs.Merged(base, merges)
    below, above = base.grammar(), tokenizer.grammar()
    for token in merges.apply(sequences[0])[:40]:
        allowed = above.allowed()
        np.testing.assert_array_equal(allowed[: base.vocab_size], below.allowed()[:-1])
        assert (above.can_end(), allowed[-1]) == (below.can_end(), below.can_end())
        for candidate in range(base.vocab_size, merges.vocab_size):
            state, is_legal = below.copy(), True
            for symbol in merges.expand([candidate]):
                is_legal = is_legal and bool(state.allowed()[symbol])
                if is_legal:
                    state.advance(symbol)
            assert allowed[candidate] == is_legal
        assert allowed[token]
        above.advance(token)
        for symbol in merges.expand([token]):
            below.advance(symbol)
    assert above.tokens_to_end() == below.tokens_to_end()
    assert tokenizer.nominal_bits(merges.apply(sequences[0])) > 0


def test_merges_for_another_vocabulary_do_not_fit() -> None:
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.Merged(tokenizer_rs.Silksong(), tokenizer_rs.Merges.learn([], 3, 5))
    assert caught.value.code == "INVALID_MERGES"
