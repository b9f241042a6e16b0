"""Generation: many conditions, a few slots, a slot given away as its sequence ends.

    for index, row in stream_rows(model, requests, max_tokens=2000, choice=Choice(0.5), n_slots=8, seed=0):
        ...                                       # as they end, not in order

What a row gets does not depend on its slot or its neighbours: each has a stream of random numbers, a grammar
and a clock of its own.

Shape suffixes: B rows, N prompt tokens, S condition vectors, C context width.
"""

import secrets
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.silksong.decoding import Choice
from model.silksong.rows import GrammarOfRow, Request, Row, Rules
from model.silksong.writers import DraftModel, OneByOne, Speculative, Writer
from model.systems import GeneratedRow

if TYPE_CHECKING:
    from model.silksong.modules import SilksongModel


@torch.inference_mode()
def stream_rows(
    model: "SilksongModel",
    requests: Iterable[Request],
    max_tokens: int,
    choice: Choice,
    *,
    n_slots: int = 8,
    seed: int = 0,
    grammar: GrammarOfRow | None = None,
    max_seconds: float | None = None,
    is_compiled: bool = False,
    draft: DraftModel | None = None,
) -> Iterator[tuple[int, GeneratedRow]]:
    """Write a row for each request, ``n_slots`` at once; index and row as each ends.

    Args:
        model: the network; generation runs in its dtype, the choice of tokens in float32.
        requests: taken one by one, as slots become free.
        max_tokens: most tokens of a row, its prompt included.
        grammar: what may follow in a row. Without, every id may but the padding's.
        max_seconds: a row that takes longer is led to its end by the grammar, or cut without one. What is
            written then depends on the machine.
        is_compiled: see ``SlotDecoder``.
        draft: guesses tokens ahead (``Speculative``); each request then has its condition of the draft.

    Raises:
        ValueError: ``max_tokens`` exceeds the model's or the draft's, the draft has another vocabulary, or
            the grammar allows nothing.
        FloatingPointError: logits are not numbers.
    """
    if max_tokens > model.config.max_tokens:
        raise ValueError(
            f"max_tokens {max_tokens} exceeds the model's {model.config.max_tokens}; give at most that"
        )
    rules = Rules(model.config.eos_id, max_tokens, max_seconds)
    waiting = iter(requests)
    first = list(islice(waiting, n_slots))
    if not first:
        return
    writer: Writer
    if draft is None:
        writer = OneByOne(model, len(first), max_tokens, choice, first[0], is_compiled)
    else:
        writer = Speculative(model, draft, len(first), max_tokens, choice, first[0], is_compiled)
    has_draws = choice.temperature > 0

    def begin(slot: int, request: Request) -> Row:
        writer.admit(slot, request)
        stream = np.random.default_rng(seed + request.index) if has_draws else None
        return Row(request, rules, stream, None if grammar is None else grammar())

    slots: list[Row | None] = [begin(slot, request) for slot, request in enumerate(first)]
    while any(slots):
        for slot, (row, tokens) in enumerate(zip(slots, writer.write(slots), strict=True)):
            if row is None:
                continue
            for token in tokens:
                row.take(token)
                if row.result is not None:
                    yield row.index, row.result
                    request = next(waiting, None)
                    slots[slot] = None if request is None else begin(slot, request)
                    break
        running = [slot for slot, row in enumerate(slots) if row is not None]
        if running and 2 * len(running) <= len(slots) and writer.device.type != "cuda":
            writer.keep_slots(running)
            slots = [slots[slot] for slot in running]


def generate_rows(
    model: "SilksongModel",
    condition_BSC: Tensor,
    max_tokens: int,
    temperature: float = 0.0,
    *,
    top_k: int | None = 50,
    top_p: float | None = 0.95,
    seed: int | None = None,
    generator: torch.Generator | None = None,
    prompt: Tensor | np.ndarray | None = None,
    grammar: GrammarOfRow | None = None,
    n_slots: int | None = None,
    max_seconds: float | None = None,
) -> list[GeneratedRow]:
    """Continue ``prompt`` (or nothing) for every row of the condition until EOS or ``max_tokens``.

    Args:
        condition_BSC: ``model.condition(points)``, in the model's dtype.
        top_k: number of candidates, ``None`` for all; without effect at temperature 0, as ``top_p`` is.
        top_p: probability of the nucleus, ``None`` for all.
        seed: row i draws from a stream seeded ``seed + i``; ``None`` takes a fresh seed.
        generator: where to take the seed from instead.
        prompt: (B, N) ids without padding, to begin every row with; read like what is written, one a step.
        n_slots: rows written at once; all by default.

    The rest is as for ``stream_rows``; so is what is raised, and besides:

    Raises:
        ValueError: the prompt is padded, leaves the vocabulary or is longer than ``max_tokens``, or both seed
            and generator are given.
    """
    prompts = _prompts(prompt, len(condition_BSC), max_tokens, model.config.vocab_size)
    base_seed = _base_seed(seed, generator)
    if prompts and len(prompts[0]) == max_tokens:
        return [GeneratedRow(np.array(prompt, dtype=np.int32), False, 0.0) for prompt in prompts]
    requests = [
        Request(i, condition_SC, prompt)
        for i, (condition_SC, prompt) in enumerate(zip(condition_BSC, prompts, strict=True))
    ]
    rows = stream_rows(
        model,
        requests,
        max_tokens,
        Choice(temperature, top_k, top_p),
        n_slots=n_slots or len(requests),
        seed=base_seed,
        grammar=grammar,
        max_seconds=max_seconds,
    )
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def _prompts(
    prompt: Tensor | np.ndarray | None, n_rows: int, max_tokens: int, vocab_size: int
) -> list[tuple[int, ...]]:
    if prompt is None:
        return [()] * n_rows
    prompt_BN = torch.as_tensor(prompt, dtype=torch.int64)
    if prompt_BN.ndim != 2 or len(prompt_BN) != n_rows:
        raise ValueError(
            f"prompt has shape {tuple(prompt_BN.shape)}; give ({n_rows}, tokens), one row a condition"
        )
    if prompt_BN.shape[1] > max_tokens:
        raise ValueError(f"prompt of {prompt_BN.shape[1]} tokens exceeds max_tokens {max_tokens}")
    if bool((prompt_BN >= vocab_size).any()):
        raise ValueError(
            f"prompt has ids outside the vocabulary of {vocab_size}; leave out the end of sequence"
        )
    if bool((prompt_BN < 0).any()):
        raise ValueError("prompt has padding (-1); generate prompts of different lengths apart")
    return [tuple(row) for row in prompt_BN.tolist()]


def _base_seed(seed: int | None, generator: torch.Generator | None) -> int:
    if seed is not None and generator is not None:
        raise ValueError("both seed and generator are given; give one")
    if generator is not None:
        return int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return secrets.randbits(62) if seed is None else seed
