"""Whatever is sampled under the mask from random logits decodes to an oriented manifold with a face."""

import numpy as np
import pytest
import tokenizer_rs

from tests.tokenizer_rs.families import FAMILIES, OWN_TOPOLOGY
from tests.tokenizer_rs.manifold_oracle import assert_manifold

ROWS = 50
# The published decoder makes no manifold, but a face all the same.
WITH_REFERENCE = {**FAMILIES, "silksong reference": lambda: tokenizer_rs.Silksong(conformance="reference")}


def sample(tokenizer, n_tokens, seed):
    """ROWS sequences of at most `n_tokens` tokens, each drawn evenly from what the grammar allows."""
    grammar = tokenizer.grammar_batch(ROWS)
    random = np.random.default_rng(seed)
    steps = []
    for n_written in range(n_tokens):
        allowed = grammar.allowed(remaining=n_tokens - n_written)
        assert allowed.shape == (ROWS, tokenizer.vocab_size + 1)
        assert allowed.any(axis=1).all()
        logits = np.where(allowed, random.random(allowed.shape, dtype=np.float32), -1)
        tokens = logits.argmax(axis=1)
        grammar.advance(tokens)
        steps.append(tokens)
        if (tokens == tokenizer.eos_id).all():
            break
    assert grammar.can_end().all()
    for row in np.stack(steps, axis=1):
        ends = np.flatnonzero(row == tokenizer.eos_id)
        assert len(ends), "the row has not ended within its budget"
        yield row[: ends[0]]


def check(name, n_samples, n_tokens):
    tokenizer = FAMILIES[name]()
    n_faces = 0
    for seed in range(n_samples // ROWS):
        for tokens in sample(tokenizer, n_tokens, seed):
            vertices, faces = tokenizer.decode(tokens)
            assert len(faces) > 0, tokens.tolist()
            if name not in OWN_TOPOLOGY:
                repaired = tokenizer_rs.repair(vertices, faces, tokenizer.resolution)
                faces = repaired.faces
            # Vertices that no face uses are left to the caller.
            used, corners = np.unique(faces, return_inverse=True)
            assert_manifold(len(used), corners.reshape(-1, 3))
            n_faces += len(faces)
    assert n_faces > n_samples / 2, "the samples are not all next to empty"


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_decode_to_an_oriented_manifold(name):
    check(name, n_samples=100, n_tokens=80)


def with_three_positions(vertices, faces):
    """The faces whose corners lie at three positions."""
    corners = np.asarray(vertices)[faces]
    sides = (corners != np.roll(corners, 1, axis=1)).any(axis=2)
    return faces[sides.all(axis=1)]


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_thousands_of_short_samples_have_a_face_each(name):
    tokenizer = WITH_REFERENCE[name]()
    shortest = int(tokenizer.grammar_batch(1).tokens_to_end()[0]) + 1
    # From the one shortest sequence to some that end by themselves; the mask of Loom costs more.
    n_read = 0
    for seed, spare in enumerate(range(0, 80, 8 if name.startswith("loom") else 2)):
        for tokens in sample(tokenizer, shortest + spare, seed):
            faces = with_three_positions(*tokenizer.decode(tokens))
            assert len(faces) > 0, tokens.tolist()
            n_read += 1
    assert n_read == (500 if name.startswith("loom") else 2000)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n_tokens", [40, 200])
def test_ten_thousand_samples_decode_to_an_oriented_manifold(name, n_tokens):
    check(name, n_samples=10_000, n_tokens=n_tokens)
