"""Generation: the cache changes nothing, rows do not know of each other, seeds repeat."""

from itertools import takewhile

import numpy as np
import pytest
import torch
from torch import Tensor

from model.layers.attention import KeyValueCache
from model.silksong import SilksongConfig, SilksongModel

MAX_TOKENS = 40


@pytest.fixture(scope="module")
def model() -> SilksongModel:
    torch.manual_seed(1)
    tiny = SilksongConfig.tiny()
    config = tiny.model_copy(update={"vocab_size": 60, "kind_bounds": (), "initialization": "reference"})
    return SilksongModel(config)


@pytest.fixture(scope="module")
def ending_model(model: SilksongModel) -> SilksongModel:
    """As likely to end as to take any other token."""
    ending = SilksongModel(model.config)
    ending.load_state_dict(model.state_dict())
    with torch.no_grad():
        ending.head.bias[model.config.eos_id] += 2.0
    return ending


@pytest.fixture(scope="module")
def condition(model: SilksongModel) -> Tensor:
    with torch.no_grad():
        return 5 * model.condition(torch.randn(6, 64, 6, generator=torch.Generator().manual_seed(2)))


@torch.no_grad()
@pytest.mark.parametrize("n_prompt", [0, 5])
def test_cache_equals_recomputation(ending_model: SilksongModel, condition: Tensor, n_prompt: int) -> None:
    eos_id = ending_model.config.eos_id
    generator = torch.Generator().manual_seed(3)
    prompt = torch.randint(eos_id, (len(condition), n_prompt), generator=generator)
    tokens = prompt
    while tokens.shape[1] < MAX_TOKENS:
        logits = ending_model(tokens, condition)[:, -1, : eos_id + 1]
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], dim=1)
    rows = ending_model.generate(condition, MAX_TOKENS, prompt=prompt)
    for row, recomputed in zip(rows, tokens.tolist(), strict=True):
        assert row.tolist() == list(takewhile(lambda token: token != eos_id, recomputed))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_are_independent_of_their_neighbours(
    ending_model: SilksongModel, condition: Tensor, temperature: float
) -> None:
    together = ending_model.generate_with_status(condition, MAX_TOKENS, temperature, seed=10)
    lengths = {len(row.tokens) for row in together}
    for i, row in enumerate(together):
        (alone,) = ending_model.generate_with_status(
            condition[i : i + 1], MAX_TOKENS, temperature, seed=10 + i
        )
        assert np.array_equal(row.tokens, alone.tokens)
        assert row.ended == alone.ended
        assert row.ended == (len(row.tokens) < MAX_TOKENS)
    if temperature:
        assert len(lengths) > 1, "rows should end at different steps for this test to say something"


def test_seeds_repeat(model: SilksongModel, condition: Tensor) -> None:
    def sample(**options: object) -> list[list[int]]:
        return [row.tolist() for row in model.generate(condition, 20, 1.0, **options)]

    assert sample(seed=4) == sample(seed=4)
    assert sample(seed=4) != sample(seed=5)
    first = sample(generator=torch.Generator().manual_seed(6))
    assert first == sample(generator=torch.Generator().manual_seed(6))
    assert sample() != sample()
    with pytest.raises(ValueError, match="give one"):
        sample(seed=1, generator=torch.Generator())


def test_result_is_int32_and_in_order(ending_model: SilksongModel, condition: Tensor) -> None:
    rows = ending_model.generate_with_status(condition, MAX_TOKENS, 1.0, seed=0)
    assert len(rows) == len(condition)
    for row in rows:
        assert row.tokens.dtype == np.int32
        assert (row.tokens < ending_model.config.vocab_size).all()
        assert row.seconds > 0


class EvenTokens:
    """Even ids only; row r ends after 7 + r tokens, or where no more fit."""

    def __init__(self, rows: int) -> None:
        self.lengths = np.zeros(rows, dtype=int)
        self.seen: list[list[int]] = [[] for _ in range(rows)]

    def allowed(self, remaining: int) -> np.ndarray:
        allowed = np.zeros((len(self.lengths), 61), dtype=bool)
        ends = (self.lengths >= 7 + np.arange(len(self.lengths))) | (remaining == 1)
        allowed[:, 0:60:2] = ~ends[:, None]
        allowed[:, 60] = ends
        return allowed

    def advance(self, tokens: np.ndarray) -> None:
        assert tokens.dtype == np.int32
        for row, token in enumerate(tokens.tolist()):
            self.seen[row].append(token)
        self.lengths += tokens != 60


def test_grammar_is_obeyed(model: SilksongModel, condition: Tensor) -> None:
    grammar = EvenTokens(len(condition))
    rows = model.generate_with_status(condition, 20, 1.0, seed=0, grammar=grammar)
    assert [len(row.tokens) for row in rows] == [7 + i for i in range(len(condition))]
    assert all(row.ended and not (row.tokens % 2).any() for row in rows)
    for row, seen in zip(rows, grammar.seen, strict=True):
        assert seen[: len(row.tokens)] == row.tokens.tolist()
        assert set(seen[len(row.tokens) :]) == {60}


def test_the_grammar_knows_what_is_left(model: SilksongModel, condition: Tensor) -> None:
    rows = model.generate_with_status(condition, 5, 1.0, seed=0, grammar=EvenTokens(len(condition)))
    assert all(row.ended and len(row.tokens) == 4 for row in rows)


def test_the_grammar_reads_the_prompt(model: SilksongModel, condition: Tensor) -> None:
    prompt = torch.tensor([[2, 4, 6]] * len(condition))
    grammar = EvenTokens(len(condition))
    rows = model.generate_with_status(condition, 20, 1.0, seed=0, prompt=prompt, grammar=grammar)
    assert [len(row.tokens) for row in rows] == [7 + i for i in range(len(condition))]
    assert all(seen[:3] == [2, 4, 6] for seen in grammar.seen)


def test_a_grammar_without_a_way_on_is_an_error(model: SilksongModel, condition: Tensor) -> None:
    class Nothing(EvenTokens):
        def allowed(self, remaining: int) -> np.ndarray:
            allowed = super().allowed(remaining)
            if self.lengths[2] == 1:
                allowed[2] = False
            return allowed

    with pytest.raises(ValueError, match="allows nothing after token 1 of row 2"):
        model.generate(condition, 20, grammar=Nothing(len(condition)))


def test_runs_in_bfloat16(model: SilksongModel, condition: Tensor) -> None:
    half = SilksongModel(model.config)
    half.load_state_dict(model.state_dict())
    rows = half.bfloat16().generate(condition.bfloat16(), 10, 0.5, seed=0)
    assert all(len(row) <= 10 for row in rows)


def test_limits(model: SilksongModel, condition: Tensor) -> None:
    limit = model.config.max_tokens
    assert all(len(row) <= limit for row in model.generate(condition[:1], limit))
    with pytest.raises(ValueError, match="give at most that"):
        model.generate(condition, limit + 1)
    with pytest.raises(ValueError, match="one row a condition"):
        model.generate(condition, 10, prompt=torch.zeros(1, 2))
    with pytest.raises(ValueError, match="different lengths"):
        model.generate(condition[:1], 10, prompt=torch.tensor([[3, -1]]))
    with pytest.raises(ValueError, match="outside the vocabulary"):
        model.generate(condition[:1], 10, prompt=torch.tensor([[3, model.config.eos_id]]))
    prompt = torch.zeros(len(condition), 4, dtype=torch.int64)
    assert all(row.tolist() == [0] * 4 for row in model.generate(condition, 4, prompt=prompt))


def test_cache_refuses_what_does_not_fit() -> None:
    cache = KeyValueCache(capacity=2)
    with pytest.raises(ValueError, match="3 tokens do not fit a cache of 2"):
        cache.append(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
