"""Constrained by the grammar and a budget, every sequence ends in time, whatever is drawn, and decodes."""

import numpy as np
import pytest
import tokenizer_rs

from pipelines.tokenizers import FAMILIES, build_tokenizer, tokenizer_named

ROWS = 16


def draw(tokenizer: tokenizer_rs.Tokenizer, budget: int, seed: int) -> list[list[int]]:
    """Rows of tokens drawn uniformly from what is allowed, the end among the `budget` tokens of each."""
    random = np.random.default_rng(seed)
    grammar = tokenizer.grammar_batch(ROWS)
    rows: list[list[int]] = [[] for _ in range(ROWS)]
    for remaining in range(budget, 0, -1):
        allowed = grammar.allowed(remaining)
        assert allowed.any(axis=1).all()
        tokens = np.array([random.choice(np.flatnonzero(row)) for row in allowed], dtype=np.int32)
        grammar.advance(tokens)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            row.append(token)
    return rows


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("spare", [0, 1, 2, 3, 5, 8, 13, 40, 200])
def test_every_row_ends_within_its_budget(name: str, spare: int) -> None:
    tokenizer = build_tokenizer(tokenizer_named(name))
    shortest = int(tokenizer.grammar_batch(1).tokens_to_end()[0]) + 1
    for row in draw(tokenizer, shortest + spare, spare):
        assert row[-1] == tokenizer.eos_id
        written = row[: row.index(tokenizer.eos_id)]
        vertices, faces = tokenizer.decode(written)
        assert np.isfinite(vertices).all()
        if name == "face_sequence":
            continue  # its faces name positions, not vertices: nothing keeps three of them off an edge
        sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        assert len(np.unique(sides, axis=0)) == len(sides), "two faces traverse an edge in one direction"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_copy_goes_its_own_way(name: str) -> None:
    tokenizer = build_tokenizer(tokenizer_named(name))
    grammar = tokenizer.grammar_batch(2)
    masks = []
    for remaining in range(60, 40, -1):
        masks.append(grammar.allowed(remaining))
        kept, ahead = grammar.copy(), grammar.copy()
        ahead.advance(masks[-1].argmax(axis=1))
        ahead.advance(ahead.allowed(remaining - 1).argmax(axis=1))
        assert np.array_equal(grammar.allowed(remaining), masks[-1]), "what a copy reads, it alone has read"
        grammar.advance([np.flatnonzero(row)[-1] for row in masks[-1]])
        assert np.array_equal(kept.allowed(remaining), masks[-1])
    assert len(grammar.copy()) == 2
    assert len(np.unique([mask[0] for mask in masks], axis=0)) > 1
