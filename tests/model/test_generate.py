"""Generation: the cache changes nothing, rows do not know of each other, seeds repeat."""

from collections.abc import Callable, Iterator
from itertools import count, takewhile

import numpy as np
import pytest
import torch
from torch import Tensor

from model.layers.attention import KeyValueCache
from model.layers.sampling import draw, sampling_probabilities
from model.silksong import SilksongConfig, SilksongModel, decoding
from model.silksong.decoding import Choice
from model.silksong.generate import Request, stream_rows

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


@torch.no_grad()
@pytest.mark.parametrize(("top_k", "top_p"), [(50, 0.95), (None, None), (3, None)])
def test_draws_equal_recomputation(
    ending_model: SilksongModel, condition: Tensor, top_k: int | None, top_p: float | None
) -> None:
    eos_id = ending_model.config.eos_id
    rows = ending_model.generate(condition, MAX_TOKENS, 0.7, top_k=top_k, top_p=top_p, seed=11, n_slots=4)
    for i, row in enumerate(rows):
        stream, tokens = np.random.default_rng(11 + i), torch.empty(1, 0, dtype=torch.int64)
        while tokens.shape[1] < MAX_TOKENS:
            logits = ending_model(tokens, condition[i : i + 1])[:, -1, : eos_id + 1]
            uniform = torch.tensor([stream.random()], dtype=torch.float64)
            token = draw(sampling_probabilities(logits, 0.7, top_k, top_p), uniform)
            tokens = torch.cat([tokens, token.unsqueeze(0)], dim=1)
            if token == eos_id:
                break
        assert row.tolist() == list(takewhile(lambda token: token != eos_id, tokens[0].tolist()))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("n_slots", [1, 2, 4])
def test_slots_do_not_matter(
    ending_model: SilksongModel,
    condition: Tensor,
    temperature: float,
    n_slots: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "WINDOW_STEP", 16)  # several windows, and rows that begin within one
    together = ending_model.generate_with_status(condition, MAX_TOKENS, temperature, seed=10)
    refilled = ending_model.generate_with_status(condition, MAX_TOKENS, temperature, seed=10, n_slots=n_slots)
    assert [row.tokens.tolist() for row in refilled] == [row.tokens.tolist() for row in together]
    assert [row.ended for row in refilled] == [row.ended for row in together]
    backwards = stream_rows(
        ending_model,
        [Request(i, condition[i]) for i in (5, 3, 2)],
        MAX_TOKENS,
        Choice(temperature),
        n_slots=n_slots,
        seed=10,
    )
    for i, row in backwards:
        assert row.tokens.tolist() == together[i].tokens.tolist()


def test_a_slot_is_given_away_as_soon_as_its_row_ends(model: SilksongModel, condition: Tensor) -> None:
    events: list[str] = []

    def requests() -> Iterator[Request]:
        for i in range(5):
            events.append(f"take {i}")
            yield Request(i, condition[i])

    lengths = [12, 3, 3, 3, 1]
    of_rows = iter(EvenTokens(length) for length in lengths)
    rows = stream_rows(model, requests(), 20, Choice(1.0), n_slots=2, seed=0, grammar=lambda: next(of_rows))
    for i, row in rows:
        assert len(row.tokens) == lengths[i]
        events.append(f"end {i}")
    # Rows 1 and 2 take steps 1 to 8, row 3 steps 9 to 12, row 0 steps 1 to 13.
    assert events == ["take 0", "take 1", "end 1", "take 2", "end 2", "take 3", "end 3", "take 4"] + (
        ["end 0", "end 4"] if events[-1] == "end 4" else ["end 4", "end 0"]
    )


def test_memory_stays_where_it_is(model: SilksongModel, condition: Tensor) -> None:
    decoder = decoding.SlotDecoder(model, 2, MAX_TOKENS, Choice(), condition[0])
    allowed = np.ones((2, model.config.vocab_size + 2), dtype=np.bool_)

    def addresses() -> list[int]:
        kept = [decoder.logits_BTV, decoder._chosen_B, decoder._tokens_and_positions_2BT]
        for cache, context in zip(decoder._caches, decoder._contexts_BHSE, strict=True):
            kept += [cache.keys_BHSE, cache.values_BHSE, *context]
        return [tensor.data_ptr() for tensor in kept]

    before = addresses()
    for step in range(5):
        decoder.admit(step % 2, condition[step])
        decoder.read([1, 2], [step, 0])
        decoder.choose(allowed, [0.0, 0.0])
    assert addresses() == before


def test_the_step_compiles_to_one_graph_for_all_windows(
    model: SilksongModel, condition: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [row.tolist() for row in model.generate(condition[:3], MAX_TOKENS, 1.0, seed=0)]
    n_graphs = 0

    def counting(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        nonlocal n_graphs
        n_graphs += 1
        return graph.forward

    torch.compiler.reset()
    step = torch.compile(decoding._step_into, fullgraph=True, backend=counting)
    monkeypatch.setattr(decoding, "compiled", lambda _: step)
    monkeypatch.setattr(decoding, "WINDOW_STEP", 4)
    requests = [Request(i, condition[i]) for i in range(3)]
    rows = dict(stream_rows(model, requests, MAX_TOKENS, Choice(1.0), n_slots=2, seed=0, is_compiled=True))
    assert [rows[i].tokens.tolist() for i in range(3)] == expected
    assert 1 <= n_graphs <= 3, "one graph for the first window, one for any"


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
    """One row: even ids only; it ends after `length` tokens, or where no more fit."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.seen: list[int] = []

    def allowed(self, remaining: int) -> np.ndarray:
        allowed = np.zeros((1, 61), dtype=bool)
        has_to_end = len(self.seen) >= self.length or remaining == 1
        allowed[:, 0:60:2] = not has_to_end
        allowed[:, 60] = has_to_end
        return allowed

    def advance(self, tokens: np.ndarray) -> None:
        assert tokens.dtype == np.int32
        self.seen += tokens.tolist()


def seven_and_more() -> tuple[Callable[[], EvenTokens], list[EvenTokens]]:
    """Row r ends after 7 + r tokens; the grammars that were made."""
    lengths, made = count(7), []

    def grammar() -> EvenTokens:
        made.append(EvenTokens(next(lengths)))
        return made[-1]

    return grammar, made


@pytest.mark.parametrize("n_slots", [1, 6])
def test_grammar_is_obeyed(model: SilksongModel, condition: Tensor, n_slots: int) -> None:
    grammar, made = seven_and_more()
    rows = model.generate_with_status(condition, 20, 1.0, seed=0, grammar=grammar, n_slots=n_slots)
    assert [len(row.tokens) for row in rows] == [7 + i for i in range(len(condition))]
    assert all(row.ended and not (row.tokens % 2).any() for row in rows)
    for row, of_row in zip(rows, made, strict=True):
        assert of_row.seen == [*row.tokens.tolist(), 60]


def test_the_grammar_knows_what_is_left(model: SilksongModel, condition: Tensor) -> None:
    grammar, _ = seven_and_more()
    rows = model.generate_with_status(condition, 5, 1.0, seed=0, grammar=grammar, n_slots=2)
    assert all(row.ended and len(row.tokens) == 4 for row in rows)


def test_the_grammar_reads_the_prompt(model: SilksongModel, condition: Tensor) -> None:
    prompt = torch.tensor([[2, 4, 6]] * len(condition))
    grammar, made = seven_and_more()
    rows = model.generate_with_status(condition, 20, 1.0, seed=0, prompt=prompt, grammar=grammar)
    assert [len(row.tokens) for row in rows] == [7 + i for i in range(len(condition))]
    assert all(of_row.seen[:3] == [2, 4, 6] for of_row in made)


def test_a_grammar_without_a_way_on_is_an_error(model: SilksongModel, condition: Tensor) -> None:
    class Nothing(EvenTokens):
        def allowed(self, remaining: int) -> np.ndarray:
            return super().allowed(remaining) & (self.length != 9 or len(self.seen) != 1)

    lengths = count(7)
    with pytest.raises(ValueError, match="allows nothing after token 1 of row 2"):
        model.generate(condition, 20, grammar=lambda: Nothing(next(lengths)))


def test_what_stopped_a_row_is_said(model: SilksongModel, condition: Tensor) -> None:
    def reasons(**options: object) -> list[tuple[str, bool, int]]:
        rows = model.generate_with_status(condition[:2], 20, 1.0, seed=0, **options)
        return [(row.stop_reason, row.ended, len(row.tokens)) for row in rows]

    assert reasons() == [("length", False, 20)] * 2
    assert reasons(max_seconds=1e9) == [("length", False, 20)] * 2
    assert reasons(grammar=lambda: EvenTokens(7)) == [("ended", True, 7)] * 2
    assert reasons(max_seconds=0.0) == [("time", False, 1)] * 2
    assert reasons(max_seconds=0.0, grammar=lambda: EvenTokens(7)) == [("time", True, 0)] * 2
    prompt = torch.zeros(2, 4, dtype=torch.int64)
    assert reasons(max_seconds=0.0, prompt=prompt) == [("time", False, 4)] * 2


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_numbers_are_an_error(
    model: SilksongModel, condition: Tensor, temperature: float
) -> None:
    broken = condition.clone()
    broken[1] = torch.nan
    with pytest.raises(FloatingPointError, match="of row 1 are not numbers"):
        model.generate(broken, 20, temperature, grammar=lambda: EvenTokens(7))


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
    assert model.generate(condition[:0], 4) == []
    assert all(row.tolist() == [0] * 4 for row in model.generate(condition, 4, prompt=prompt))


def test_cache_refuses_what_does_not_fit() -> None:
    cache = KeyValueCache(capacity=2)
    with pytest.raises(ValueError, match="3 tokens do not fit a cache of 2"):
        cache.append(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
