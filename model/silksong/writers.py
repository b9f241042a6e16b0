"""How the rows in the slots get their next tokens: one by one, or several guessed by a smaller network.

Shape suffixes: B slots, K guesses, T = K + 1 places, V output classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from model.layers.sampling import draw
from model.layers.speculation import verify_guesses
from model.silksong.decoding import Choice, SlotDecoder
from model.silksong.rows import Request, Row
from model.systems import TokenGrammar

if TYPE_CHECKING:
    from model.silksong.modules import SilksongModel


@dataclass(frozen=True)
class DraftModel:
    """A network of the same vocabulary that guesses up to ``n_guesses`` tokens ahead."""

    model: "SilksongModel"
    n_guesses: int = 4


class Writer(Protocol):
    """Slots of a network, and a way to write with it."""

    device: torch.device

    def admit(self, slot: int, request: Request) -> None:
        """Give a slot to a new sequence."""

    def write(self, rows: Sequence[Row | None]) -> list[list[int]]:
        """One token or more for the row of each slot; -1 where logits are not numbers.

        A row takes them in their order until it has ended. What a slot without a row gets, nobody looks at.
        """

    def keep_slots(self, slots: list[int]) -> None:
        """Keep only these slots, in this order. Not on CUDA."""


class OneByOne:
    """One token a step."""

    def __init__(
        self,
        model: "SilksongModel",
        n_slots: int,
        max_tokens: int,
        choice: Choice,
        like: Request,
        is_compiled: bool = False,
    ) -> None:
        self._decoder = SlotDecoder(model, n_slots, max_tokens, choice, like.condition, is_compiled)
        self._allowed_BV = np.ones((n_slots, model.config.vocab_size + 2), dtype=np.bool_)
        self.device = self._decoder.device

    def admit(self, slot: int, request: Request) -> None:
        """See ``Writer``."""
        self._decoder.admit(slot, request.condition)

    def write(self, rows: Sequence[Row | None]) -> list[list[int]]:
        """See ``Writer``; always one token."""
        # An empty slot goes on at place 0 with whatever it holds.
        self._decoder.read(
            [row.last_token if row else 0 for row in rows], [row.n if row else 0 for row in rows]
        )
        for allowed_V, row in zip(self._allowed_BV, rows, strict=True):
            if row is not None:
                row.write_allowed(allowed_V)
        uniforms = [row.uniform() if row else 0.0 for row in rows]
        return [[token] for token in self._decoder.choose(self._allowed_BV, uniforms)]

    def keep_slots(self, slots: list[int]) -> None:
        """See ``Writer``."""
        self._decoder.keep_slots(slots)
        self._allowed_BV = self._allowed_BV[slots]


class Speculative:
    """A draft guesses, the network reads all guesses in one step and keeps what it would have drawn.

    What is written is distributed as without a draft, and the same at temperature 0 (arXiv 2211.17192). Every
    step takes the same number of random numbers from a row's stream, whatever its neighbours do.

    Raises:
        ValueError: the draft has another vocabulary, writes shorter rows, or guesses nothing.
    """

    def __init__(
        self,
        model: "SilksongModel",
        draft: DraftModel,
        n_slots: int,
        max_tokens: int,
        choice: Choice,
        like: Request,
        is_compiled: bool = False,
    ) -> None:
        _check_draft(model, draft, max_tokens)
        self.choice, self.n_guesses = choice, draft.n_guesses
        self._eos_id = model.config.eos_id
        # Guesses may reach beyond the last token of a row, where nobody looks.
        capacity, width = max_tokens + draft.n_guesses, draft.n_guesses + 1
        assert like.draft_condition is not None  # each request has one
        self._target = SlotDecoder(model, n_slots, capacity, choice, like.condition, is_compiled, width)
        self._draft = SlotDecoder(
            draft.model, n_slots, capacity, choice, like.draft_condition, is_compiled, width=2
        )
        self.device = self._target.device

    def admit(self, slot: int, request: Request) -> None:
        """See ``Writer``."""
        assert request.draft_condition is not None  # each request has one
        self._target.admit(slot, request.condition)
        self._draft.admit(slot, request.draft_condition)

    def keep_slots(self, slots: list[int]) -> None:
        """See ``Writer``."""
        self._target.keep_slots(slots)
        self._draft.keep_slots(slots)

    def write(self, rows: Sequence[Row | None]) -> list[list[int]]:
        """See ``Writer``; what is kept of the guesses, and one token more."""
        K, V = self.n_guesses, self._target.logits_BTV.shape[2]
        uniforms = np.stack([row.uniforms(2 * K + 1) if row else np.zeros(2 * K + 1) for row in rows])
        uniforms_BU = torch.from_numpy(uniforms).to(self.device)
        scouts = [_Scout(row, K, self._eos_id) if row else None for row in rows]
        allowed_BTV = np.ones((len(rows), K + 1, V), dtype=np.bool_)
        q_BTV = self._guess(scouts, allowed_BTV, uniforms_BU[:, :K])
        guesses_BK = torch.zeros(len(rows), K, dtype=torch.int64)
        for guesses_K, scout in zip(guesses_BK, scouts, strict=True):
            if scout is not None:
                guesses_K[: len(scout.guesses)] = torch.tensor(scout.guesses, dtype=torch.int64)
        first_B = np.array([row.n if row else 0 for row in rows])
        last_B1 = np.array([[row.last_token if row else 0] for row in rows])
        self._target.read(np.hstack([last_B1, guesses_BK.numpy()]), first_B[:, None] + np.arange(K + 1))
        logits_BTV = _masked(self._target.logits_BTV, allowed_BTV)
        p_BTV = self.choice.probabilities(logits_BTV.flatten(0, 1)).unflatten(0, (-1, K + 1))
        n_kept_B, next_B = verify_guesses(p_BTV, q_BTV, guesses_BK.to(self.device), uniforms_BU[:, K:])
        is_number_B = logits_BTV.amax(dim=-1).isfinite().gather(1, n_kept_B.unsqueeze(1)).squeeze(1)
        kept_and_next = zip(
            guesses_BK.tolist(), n_kept_B.tolist(), next_B.where(is_number_B, -1).tolist(), strict=True
        )
        return [[*guesses[:n_kept], token] for guesses, n_kept, token in kept_and_next]

    def _guess(
        self, scouts: Sequence["_Scout | None"], allowed_BTV: np.ndarray, uniforms_BK: Tensor
    ) -> Tensor:
        """Let the scouts go ahead; what they drew from (B, T, V), and what was allowed to them in place."""
        q_BTV = torch.zeros(self._target.logits_BTV.shape, device=self.device)
        for k in range(self.n_guesses):
            is_open_B = np.array([scout is not None and scout.is_open for scout in scouts])
            if not is_open_B.any():
                break
            self._read_draft(scouts, is_first=k == 0)
            _write_allowed(scouts, allowed_BTV[:, k])
            at_B = torch.tensor([scout.row.n > 0 if scout and k == 0 else 0 for scout in scouts]).long()
            logits_BV = self._draft.logits_BTV[torch.arange(len(scouts)), at_B.to(self.device)]
            logits_BV = _masked(logits_BV, allowed_BTV[:, k])
            q_BV = self.choice.probabilities(logits_BV)
            guesses_B = draw(q_BV, uniforms_BK[:, k]).where(logits_BV.amax(dim=-1).isfinite(), -1)
            q_BTV[:, k] = q_BV * torch.from_numpy(is_open_B).to(self.device).unsqueeze(1)
            for scout, guess, is_open in zip(scouts, guesses_B.tolist(), is_open_B, strict=True):
                if scout is not None and is_open:
                    scout.take(guess)
        # What may come after the last guess. Nothing comes after the end.
        for allowed_TV, scout in zip(allowed_BTV, scouts, strict=True):
            if scout is not None and not scout.has_ended:
                scout.write_allowed(allowed_TV[len(scout.guesses)])
        return q_BTV

    def _read_draft(self, scouts: Sequence["_Scout | None"], is_first: bool) -> None:
        """Let the draft read the newest token of each scout.

        At first also the one before it, which it has not read where all its guesses were kept.
        """
        n_B = np.array([scout.n if scout else 0 for scout in scouts])
        if not is_first:
            self._draft.read([scout.token_before(scout.n) if scout else 0 for scout in scouts], n_B)
            return
        places_B2 = np.maximum(n_B - 1, 0)[:, None] + np.arange(2)
        tokens = [
            [scout.token_before(n) if scout else 0 for n in places]
            for scout, places in zip(scouts, places_B2.tolist(), strict=True)
        ]
        self._draft.read(tokens, places_B2)


@dataclass
class _Scout:
    """Where a row would be after the tokens guessed so far."""

    row: Row
    n_most: int
    eos_id: int
    guesses: list[int] = field(default_factory=list)
    grammar: TokenGrammar | None = None

    def __post_init__(self) -> None:
        # The token after the guesses must fit as well.
        self.n_most = min(self.n_most, self.row.rules.max_tokens - self.row.n - 1)
        self.grammar = None if self.row.grammar is None else self.row.grammar.copy()

    @property
    def n(self) -> int:
        return self.row.n + len(self.guesses)

    @property
    def has_ended(self) -> bool:
        return bool(self.guesses) and self.guesses[-1] == self.eos_id

    @property
    def is_open(self) -> bool:
        return len(self.guesses) < self.n_most and not self.has_ended

    def token_before(self, n: int) -> int:
        """Token ``n - 1`` of the row with its guesses; anything for the first."""
        known = self.row.n
        if n <= known:
            return self.row.tokens[n - 1] if n > 0 else 0
        return self.guesses[n - 1 - known] if n - 1 - known < len(self.guesses) else 0

    def write_allowed(self, allowed_V: np.ndarray) -> None:
        self.row.write_allowed_at(self.n, self.grammar, allowed_V)

    def take(self, guess: int) -> None:
        if guess < 0:
            raise FloatingPointError(
                f"the draft's logits after token {self.n} of row {self.row.index} are not numbers; "
                "look at its weights"
            )
        if self.grammar is not None:
            self.grammar.advance(np.array([guess], dtype=np.int32))
        self.guesses.append(guess)


def _write_allowed(scouts: Sequence[_Scout | None], allowed_BV: np.ndarray) -> None:
    for allowed_V, scout in zip(allowed_BV, scouts, strict=True):
        if scout is not None and scout.is_open:
            scout.write_allowed(allowed_V)


def _masked(logits: Tensor, allowed: np.ndarray) -> Tensor:
    return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)


def _check_draft(model: "SilksongModel", draft: DraftModel, max_tokens: int) -> None:
    mine, other = model.config, draft.model.config
    if other.vocab_size != mine.vocab_size:
        raise ValueError(
            f"the draft has a vocabulary of {other.vocab_size} and the model of {mine.vocab_size}; "
            "give a draft of the same tokenizer"
        )
    if other.max_tokens < max_tokens:
        raise ValueError(
            f"the draft writes rows of at most {other.max_tokens} tokens; give max_tokens of that"
        )
    if draft.n_guesses < 1:
        raise ValueError(f"the draft guesses {draft.n_guesses} tokens; give at least 1")
