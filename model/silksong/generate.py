"""Generation, one token a step, with a key/value cache and without rows that are done.

The context's keys and values are computed once per call. A row that ends leaves the batch; what the others
get does not depend on it, and neither do their random numbers (each row has a stream of its own).

Shape suffixes: B rows still running, N prompt tokens, T positions, D model width, C context width,
S condition vectors, V output classes, H heads, E head width.
"""

import secrets
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.layers.attention import KeyValueCache
from model.layers.sampling import RowUniforms, draw, sampling_probabilities
from model.systems import GeneratedRow, TokenGrammar

if TYPE_CHECKING:
    from model.silksong.modules import SilksongModel


@torch.inference_mode()
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
    grammar: TokenGrammar | None = None,
) -> list[GeneratedRow]:
    """Continue ``prompt`` (or nothing) for every row of the condition until EOS or ``max_tokens``.

    Args:
        model: the network; generation runs in its dtype, the filters in float32.
        condition_BSC: ``model.condition(points)``, in the model's dtype.
        max_tokens: most tokens of a row, its prompt included.
        temperature: 0 takes the most probable token; else the filters of ``model.layers.sampling`` and a
            draw.
        top_k: number of candidates, ``None`` for all.
        top_p: probability of the nucleus, ``None`` for all.
        seed: row i draws from a stream seeded ``seed + i``; ``None`` takes a fresh seed.
        generator: where to take the seed from instead.
        prompt: (B, N) ids without padding, to begin every row with.
        grammar: what may follow in each row, at its beginning; it is moved along. Without, every id may but
            the padding's.

    Raises:
        ValueError: ``max_tokens`` exceeds the model's, the prompt is padded, leaves the vocabulary or
            is longer than ``max_tokens``, both seed and generator are given, or the grammar allows nothing.
    """
    n_rows, config, device = len(condition_BSC), model.config, condition_BSC.device
    if max_tokens > config.max_tokens:
        raise ValueError(
            f"max_tokens {max_tokens} exceeds the model's {config.max_tokens}; give at most that"
        )
    tokens_BN = _prompt_tokens(prompt, n_rows, max_tokens, config.vocab_size, device)
    uniforms = RowUniforms(_base_seed(seed, generator), n_rows) if temperature > 0 else None
    written: list[list[int]] = tokens_BN.tolist()
    finished: list[GeneratedRow | None] = [None] * n_rows
    running = list(range(n_rows))
    began = time.perf_counter()

    def finish(row: int, ended: bool) -> None:
        tokens = np.array(written[row], dtype=np.int32)
        finished[row] = GeneratedRow(tokens, ended, time.perf_counter() - began)

    if grammar is not None:
        for tokens_B in tokens_BN.T.to(torch.int32).cpu().numpy():
            grammar.advance(tokens_B)
    decoder = _CachedDecoder(model, condition_BSC, capacity=max_tokens + 1)
    x_BTD = model.embed_with_start(tokens_BN)
    for length in range(tokens_BN.shape[1], max_tokens):
        if not running:
            break
        logits_BV = decoder.step(x_BTD)
        logits_BV[:, config.pad_row] = -torch.inf
        if grammar is not None:
            _forbid(logits_BV, running, grammar.allowed(max_tokens - length), length)
        if uniforms is None:
            chosen_B = logits_BV.argmax(dim=-1)
        else:
            probabilities_BV = sampling_probabilities(logits_BV, temperature, top_k, top_p)
            chosen_B = draw(probabilities_BV, uniforms.next(running, device))
        chosen = chosen_B.tolist()
        if grammar is not None:
            tokens_of_all = np.full(n_rows, config.eos_id, dtype=np.int32)
            tokens_of_all[running] = chosen
            grammar.advance(tokens_of_all)
        kept = [i for i, token in enumerate(chosen) if token != config.eos_id]
        for i, row in enumerate(running):
            if chosen[i] == config.eos_id:
                finish(row, ended=True)
            else:
                written[row].append(chosen[i])
        if len(kept) < len(running):
            rows = torch.tensor(kept, dtype=torch.int64, device=device)
            decoder.keep_rows(rows)
            chosen_B, running = chosen_B[rows], [running[i] for i in kept]
        if running and length + 1 < max_tokens:
            x_BTD = model.embed(chosen_B.unsqueeze(1), first_position=length)
    for row in running:
        finish(row, ended=False)
    return [row for row in finished if row is not None]


class _CachedDecoder:
    """The decoder with all that stays from step to step."""

    def __init__(self, model: "SilksongModel", condition_BSC: Tensor, capacity: int) -> None:
        self._model = model
        self._caches = [KeyValueCache(capacity) for _ in model.decoder_blocks()]
        self._contexts_BHSE = [block.keys_values(condition_BSC) for block in model.decoder_blocks()]

    def step(self, x_BTD: Tensor) -> Tensor:
        """Read T more embedded tokens; float32 logits (B, V) of what follows the last."""
        for block, context_BHSE, cache in zip(
            self._model.decoder_blocks(), self._contexts_BHSE, self._caches, strict=True
        ):
            x_BTD = block(x_BTD, context_BHSE, cache)
        return self._model.head(self._model.final_norm(x_BTD[:, -1])).float()

    def keep_rows(self, rows: Tensor) -> None:
        """Forget the other rows."""
        for i, cache in enumerate(self._caches):
            cache.keep_rows(rows)
            keys_BHSE, values_BHSE = self._contexts_BHSE[i]
            self._contexts_BHSE[i] = (keys_BHSE.index_select(0, rows), values_BHSE.index_select(0, rows))


def _prompt_tokens(
    prompt: Tensor | np.ndarray | None, n_rows: int, max_tokens: int, vocab_size: int, device: torch.device
) -> Tensor:
    if prompt is None:
        return torch.zeros(n_rows, 0, dtype=torch.int64, device=device)
    prompt_BN = torch.as_tensor(prompt, dtype=torch.int64, device=device)
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
    return prompt_BN


def _base_seed(seed: int | None, generator: torch.Generator | None) -> int:
    if seed is not None and generator is not None:
        raise ValueError("both seed and generator are given; give one")
    if generator is not None:
        return int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return secrets.randbits(62) if seed is None else seed


def _forbid(logits_BV: Tensor, running: list[int], allowed: np.ndarray, length: int) -> None:
    """Set what may not follow to -inf, in place; ``allowed`` has a row for every row of the call."""
    allowed_BV = torch.from_numpy(allowed[running] if len(running) < len(allowed) else allowed)
    if not bool(allowed_BV.any(dim=-1).all()):
        row = running[int(allowed_BV.any(dim=-1).logical_not().nonzero()[0])]
        raise ValueError(f"the grammar allows nothing after token {length} of row {row}")
    logits_BV[:, : allowed_BV.shape[1]].masked_fill_(~allowed_BV.to(logits_BV.device), -torch.inf)
