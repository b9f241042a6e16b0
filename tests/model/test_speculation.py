"""A draft that guesses changes how fast rows are written, and not how they are distributed."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import tokenizer_rs
import torch
from scipy.stats import chisquare
from torch import Tensor

from model.layers.speculation import acceptance, residual, verify_guesses
from model.silksong import SilksongConfig, SilksongModel, decoding
from model.silksong.decoding import Choice
from model.silksong.generate import stream_rows
from model.silksong.rows import GrammarOfRow, Request
from model.silksong.writers import DraftModel, Speculative
from model.systems import GeneratedRow

LEAST_P_VALUE = 1e-3  # at fixed seeds


def distributions(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two distributions, each with ids of probability 0, that overlap in part."""
    p, q = random.dirichlet(np.full(size, 0.4), 2)
    p[random.integers(size)] = q[random.integers(size)] = 0.0
    return p / p.sum(), q / q.sum()


@pytest.mark.parametrize("seed", range(20))
def test_keeping_and_replacing_sum_to_the_distribution(seed: int) -> None:
    """Leviathan et al., appendix A.1, by enumeration of the guesses."""
    p, q = (torch.from_numpy(of) for of in distributions(np.random.default_rng(seed), 7))
    kept = acceptance(p.expand(1, 7, 7), q.expand(1, 7, 7), torch.arange(7).unsqueeze(0))[0]
    replaced = residual(p.unsqueeze(0), q.unsqueeze(0))[0]
    assert float(replaced.sum()) == pytest.approx(1.0, abs=1e-12)
    total = q * kept + (q * (1 - kept)).sum() * replaced
    assert torch.allclose(total, p, rtol=0, atol=1e-12)
    # No rule keeps more: what is kept is the overlap of both.
    assert float((q * kept).sum()) == pytest.approx(float(torch.minimum(p, q).sum()), abs=1e-12)


def test_without_a_guess_the_distribution_is_drawn_from() -> None:
    p = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]], dtype=torch.float64)
    nothing = torch.zeros_like(p)
    assert acceptance(p, nothing, torch.zeros(1, 2, dtype=torch.int64)).tolist() == [[0.0, 0.0]]
    assert torch.equal(residual(p[:, 0], nothing[:, 0]), p[:, 0])
    uniforms = torch.tensor([[0.0, 0.2], [0.0, 0.3]], dtype=torch.float64)
    both = [torch.cat([of, of]) for of in (p, nothing)]
    n_kept, after = verify_guesses(*both, torch.zeros(2, 1, dtype=torch.int64), uniforms)
    assert n_kept.tolist() == [0, 0]
    assert after.tolist() == [0, 1]


def test_what_follows_a_guess_that_is_not_kept_is_dropped() -> None:
    sure_of = torch.eye(4, dtype=torch.float64)
    p = sure_of[torch.tensor([[0, 1, 2, 3], [0, 3, 2, 3], [2, 1, 2, 3], [0, 1, 3, 3]])]
    q = torch.cat([sure_of[[0, 1, 2]].expand(4, 3, 4), torch.zeros(4, 1, 4)], dim=1)
    guesses = torch.tensor([[0, 1, 2]] * 4)
    n_kept, after = verify_guesses(p, q, guesses, torch.full((4, 4), 0.5, dtype=torch.float64))
    assert n_kept.tolist() == [3, 1, 0, 2]
    assert after.tolist() == [3, 3, 2, 3]


# --- whole rows of a network ---

VOCABULARY = 3
LENGTH = 3


def tiny_model(seed: int, **changes: object) -> SilksongModel:
    torch.manual_seed(seed)
    sizes = {"vocab_size": VOCABULARY, "kind_bounds": (), "initialization": "reference", "max_tokens": 16}
    config = SilksongConfig.tiny().model_copy(update={**sizes, **changes})
    return SilksongModel(config).eval()


@pytest.fixture(scope="module")
def pair() -> tuple[SilksongModel, SilksongModel]:
    """Two networks that agree in part, as after a training."""
    target, draft = tiny_model(1), tiny_model(2)
    with torch.no_grad():
        for mine, other in zip(draft.parameters(), target.parameters(), strict=True):
            mine.lerp_(other, 0.6)
    return target, draft


class FewEnds:
    """The end only after two tokens; id 1 never twice in a row."""

    def __init__(self, seen: Sequence[int] = ()) -> None:
        self.seen = list(seen)

    def allowed(self, remaining: int) -> np.ndarray:
        allowed = np.ones((1, VOCABULARY + 1), dtype=bool)
        allowed[0, VOCABULARY] = len(self.seen) >= 2
        allowed[0, 1] = self.seen[-1:] != [1]
        return allowed

    def advance(self, tokens: np.ndarray) -> None:
        self.seen += tokens.tolist()

    def copy(self) -> "FewEnds":
        return FewEnds(self.seen)


def exact_probabilities(
    model: SilksongModel, condition: Tensor, choice: Choice, grammar: GrammarOfRow | None
) -> dict[tuple[int, ...], float]:
    """Of every row of up to LENGTH tokens, by the network without a cache."""
    done: dict[tuple[int, ...], float] = {}
    open_rows = {(): 1.0}
    while open_rows:
        row, probability = open_rows.popitem()
        with torch.no_grad():
            logits = model(torch.tensor([row], dtype=torch.int64).reshape(1, -1), condition[None])[:, -1]
        allowed = np.ones(VOCABULARY + 2, dtype=bool)
        if grammar is not None:
            of_row = grammar()
            of_row.advance(np.array(row, dtype=np.int32))
            allowed[:-1] = of_row.allowed(LENGTH - len(row))[0]
        allowed[-1] = False
        logits = logits.masked_fill(~torch.from_numpy(allowed), -torch.inf)
        for token, p in enumerate(choice.probabilities(logits)[0].double().tolist()):
            if p == 0:
                continue
            longer = (*row, token)
            if token == VOCABULARY or len(longer) == LENGTH:
                done[longer] = probability * p
            else:
                open_rows[longer] = probability * p
    return done


def written(rows: Sequence[GeneratedRow]) -> list[tuple[int, ...]]:
    return [(*row.tokens.tolist(), *([VOCABULARY] if row.ended else [])) for row in rows]


@torch.no_grad()
def speculate(
    pair: tuple[SilksongModel, SilksongModel],
    indices: Sequence[int],
    choice: Choice,
    n_slots: int = 64,
    n_guesses: int = 2,
    grammar: GrammarOfRow | None = None,
    max_tokens: int = LENGTH,
    n_conditions: int = 1,
    seed: int = 0,
) -> list[GeneratedRow]:
    """Rows of these indices, in their order."""
    target, draft = pair
    clouds = torch.randn(n_conditions, 64, 6, generator=torch.Generator().manual_seed(5))
    conditions, of_draft = 5 * target.condition(clouds), 5 * draft.condition(clouds)
    rows = stream_rows(
        target,
        [
            Request(i, conditions[i % n_conditions], draft_condition=of_draft[i % n_conditions])
            for i in indices
        ],
        max_tokens,
        choice,
        n_slots=n_slots,
        seed=seed,
        grammar=grammar,
        draft=DraftModel(draft, n_guesses) if n_guesses else None,
    )
    of_index = dict(rows)
    return [of_index[i] for i in indices]


@pytest.mark.parametrize(
    ("choice", "grammar"),
    [(Choice(1.0, None, None), None), (Choice(0.7, 2, None), FewEnds), (Choice(1.3, 3, 0.8), FewEnds)],
)
def test_rows_are_distributed_as_the_network_says(
    pair: tuple[SilksongModel, SilksongModel], choice: Choice, grammar: GrammarOfRow | None
) -> None:
    n_rows = 1500
    rows = written(speculate(pair, range(n_rows), choice, n_slots=500, grammar=grammar))
    clouds = torch.randn(1, 64, 6, generator=torch.Generator().manual_seed(5))
    condition = 5 * pair[0].condition(clouds)[0].detach()
    expected = exact_probabilities(pair[0], condition, choice, grammar)
    assert sum(expected.values()) == pytest.approx(1.0, abs=1e-5)
    seen = Counter(rows)
    assert set(seen) <= set(expected)
    assert p_value(seen, expected, n_rows) > LEAST_P_VALUE
    # The test can tell the network's rows from the draft's.
    of_draft = exact_probabilities(pair[1], 5 * pair[1].condition(clouds)[0].detach(), choice, grammar)
    assert p_value(seen, of_draft, n_rows) < LEAST_P_VALUE


def p_value(seen: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float], n_rows: int) -> float:
    """Of a chi-square test; what is expected fewer than 5 times counts as one with the rarest other."""
    common = sorted((row for row in expected if expected[row] * n_rows >= 5), key=lambda row: expected[row])
    observed = np.array([seen[row] for row in common])
    wanted = np.array([expected[row] * n_rows for row in common])
    observed[0] += n_rows - observed.sum()
    wanted[0] += n_rows - wanted.sum()
    return float(chisquare(observed, wanted).pvalue)


@pytest.fixture(scope="module")
def long_pair() -> tuple[SilksongModel, SilksongModel]:
    """Networks with the ids of the tokenizer that agree often, not always."""
    sizes = {"vocab_size": 10267, "max_tokens": 300, "kind_bounds": (3, 203, 459, 5659, 6171, 10267)}
    target, draft = tiny_model(3, **sizes), tiny_model(3, **sizes)
    with torch.no_grad():
        for parameter in draft.parameters():
            parameter += 0.2 * parameter.std() * torch.randn_like(parameter)
    return target, draft


SILKSONG = partial(tokenizer_rs.Silksong().grammar_batch, 1)


@pytest.mark.parametrize("n_guesses", [1, 5])
def test_the_most_probable_tokens_stay_the_same(
    long_pair: tuple[SilksongModel, SilksongModel], n_guesses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "WINDOW_STEP", 16)
    steps = count_steps(monkeypatch)
    greedy = partial(
        speculate,
        long_pair,
        range(4),
        Choice(0.0),
        n_slots=3,
        grammar=SILKSONG,
        max_tokens=70,
        n_conditions=4,
    )
    plain, guessed = greedy(n_guesses=0), greedy(n_guesses=n_guesses)
    assert [row.tokens.tolist() for row in guessed] == [row.tokens.tolist() for row in plain]
    assert [row.stop_reason for row in guessed] == ["ended"] * 4
    kept = [n for of_step in steps for n in of_step]
    assert {0, n_guesses} <= set(kept), "guesses are kept and dropped, or this test says nothing"


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Guesses kept of each slot in each step from now on."""
    steps: list[list[int]] = []
    write = Speculative.write

    def counting(self: Speculative, rows: Sequence[object]) -> list[list[int]]:
        tokens = write(self, rows)
        steps.append([len(of_row) - 1 for of_row, row in zip(tokens, rows, strict=True) if row is not None])
        return tokens

    monkeypatch.setattr(Speculative, "write", counting)
    return steps


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_the_network_keeps_all_that_it_guesses_itself(
    long_pair: tuple[SilksongModel, SilksongModel], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = count_steps(monkeypatch)
    target, _ = long_pair
    choice = Choice(temperature, 50, 0.95)
    (row,) = speculate((target, target), [0], choice, n_guesses=4, grammar=SILKSONG, max_tokens=61)
    assert len(row.tokens) > 20
    assert row.ended
    # Every step writes five tokens; rounding may cost a guess.
    assert len(steps) <= (len(row.tokens) + 1) / 5 + 2


def test_neighbours_do_not_matter(long_pair: tuple[SilksongModel, SilksongModel]) -> None:
    together = partial(
        speculate, long_pair, choice=Choice(1.0), grammar=SILKSONG, max_tokens=48, n_conditions=6, n_guesses=3
    )
    rows = together(indices=range(6), n_slots=6)
    assert len({len(row.tokens) for row in rows}) > 1
    for n_slots, indices in ((1, range(6)), (2, [5, 3, 1, 0]), (4, [2, 4, 1, 0, 3, 5])):
        for i, row in zip(indices, together(indices=indices, n_slots=n_slots), strict=True):
            assert row.tokens.tolist() == rows[i].tokens.tolist()
    other = together(indices=range(6), n_slots=6, seed=7)
    assert [row.tokens.tolist() for row in other] != [row.tokens.tolist() for row in rows]


@torch.no_grad()
def test_a_prompt_is_kept(pair: tuple[SilksongModel, SilksongModel]) -> None:
    target, draft = pair
    clouds = torch.randn(2, 64, 6)
    conditions, of_draft = target.condition(clouds), draft.condition(clouds)
    prompts = [(2, 0, 0, 1, 2, 2, 0), (1,)]
    requests = [Request(i, conditions[i], prompts[i], of_draft[i]) for i in range(2)]
    rows = dict(stream_rows(target, requests, 12, Choice(1.0), draft=DraftModel(draft, 3)))
    plain = dict(stream_rows(target, requests, 12, Choice(0.0)))
    greedy = dict(stream_rows(target, requests, 12, Choice(0.0), draft=DraftModel(draft, 3)))
    for i, prompt in enumerate(prompts):
        assert tuple(rows[i].tokens[: len(prompt)]) == prompt
        assert greedy[i].tokens.tolist() == plain[i].tokens.tolist()


@pytest.mark.parametrize("max_tokens", [1, 2, 5, 8])
def test_no_row_is_longer_than_it_may_be(pair: tuple[SilksongModel, SilksongModel], max_tokens: int) -> None:
    rows = speculate(pair, range(20), Choice(1.0), n_guesses=5, max_tokens=max_tokens)
    assert max(len(row.tokens) for row in rows) == max_tokens
    assert all(row.ended == (len(row.tokens) < max_tokens) for row in rows)


def test_a_draft_that_does_not_fit_is_refused(pair: tuple[SilksongModel, SilksongModel]) -> None:
    target, draft = pair
    with pytest.raises(ValueError, match="same tokenizer"):
        speculate((target, tiny_model(0, vocab_size=4)), [0], Choice(1.0))
    with pytest.raises(ValueError, match="at most 8 tokens"):
        speculate((target, tiny_model(0, max_tokens=8)), [0], Choice(1.0), max_tokens=9)
    with pytest.raises(ValueError, match="at least 1"):
        speculate(pair, [0], Choice(1.0), n_guesses=-1)
    broken = tiny_model(0)
    with torch.no_grad():
        broken.head.weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="the draft's logits after token 0 of row 4"):
        speculate((target, broken), [4], Choice(1.0))
    with pytest.raises(FloatingPointError, match="the logits after token 0 of row 4"):
        speculate((broken, draft), [4], Choice(1.0))
