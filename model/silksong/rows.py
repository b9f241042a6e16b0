"""A sequence that is being written: what it was asked for, what may come next, and when it stops.

Shape suffixes: S condition vectors, C context width, V output classes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.systems import GeneratedRow, TokenGrammar

GrammarOfRow = Callable[[], TokenGrammar]
"""Makes the grammar of one new row, for example ``partial(tokenizer.grammar_batch, 1)``."""


@dataclass(frozen=True)
class Request:
    """A row to write: its random numbers are those of ``seed + index``."""

    index: int
    condition: Tensor
    """(S, C)"""
    prompt: tuple[int, ...] = ()
    draft_condition: Tensor | None = None
    """(S, C) of the draft, where there is one."""


@dataclass(frozen=True)
class Rules:
    """When a row stops."""

    eos_id: int
    max_tokens: int
    max_seconds: float | None


@dataclass
class Row:
    """A sequence that is being written."""

    request: Request
    rules: Rules
    stream: np.random.Generator | None
    grammar: TokenGrammar | None
    tokens: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    result: GeneratedRow | None = None

    @property
    def index(self) -> int:
        """Of its request."""
        return self.request.index

    @property
    def n(self) -> int:
        """Tokens so far."""
        return len(self.tokens)

    @property
    def last_token(self) -> int:
        """The newest token; anything where there is none."""
        return self.tokens[-1] if self.tokens else 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    @property
    def is_prompted(self) -> bool:
        """Whether the prompt goes on."""
        return self.n < len(self.request.prompt)

    @property
    def is_out_of_time(self) -> bool:
        """Whether it takes longer than it may."""
        return self.rules.max_seconds is not None and self.seconds > self.rules.max_seconds

    def write_allowed(self, allowed_V: NDArray[np.bool_]) -> None:
        """Say what may come next: the prompt's token, or what the grammar allows."""
        self.write_allowed_at(self.n, self.grammar, allowed_V)

    def write_allowed_at(self, n: int, grammar: TokenGrammar | None, allowed_V: NDArray[np.bool_]) -> None:
        """Say what may come as token ``n``, where ``grammar`` has read those before it."""
        if n < len(self.request.prompt):
            allowed_V[:] = False
            allowed_V[self.request.prompt[n]] = True
            return
        allowed_V[:] = True
        if grammar is not None:
            remaining = 1 if self.is_out_of_time else self.rules.max_tokens - n
            (of_grammar,) = grammar.allowed(remaining)
            allowed_V[: len(of_grammar)] = of_grammar
        allowed_V[self.rules.eos_id + 1 :] = False
        if not allowed_V.any():
            raise ValueError(f"the grammar allows nothing after token {n} of row {self.index}")

    def uniform(self) -> float:
        """The next number of the row's stream; a prompt takes none."""
        return 0.0 if self.stream is None or self.is_prompted else self.stream.random()

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """The next numbers of the row's stream, (count,)."""
        return np.zeros(count) if self.stream is None else self.stream.random(count)

    def take(self, token: int) -> None:
        """Append what was chosen, and stop where the rules say so."""
        if token < 0:
            raise FloatingPointError(
                f"the logits after token {self.n} of row {self.index} are not numbers; look at the weights"
            )
        if self.grammar is not None:
            self.grammar.advance(np.array([token], dtype=np.int32))
        has_ended = token == self.rules.eos_id
        if not has_ended:
            self.tokens.append(token)
        is_late = self.is_out_of_time and not self.is_prompted
        if has_ended or self.n == self.rules.max_tokens or (is_late and self.grammar is None):
            tokens = np.array(self.tokens, dtype=np.int32)
            self.result = GeneratedRow(tokens, has_ended, self.seconds, is_late)
