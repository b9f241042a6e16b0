"""The decoder and all it keeps of the sequences in its slots, on the device; who they are it does not know.

A step has two halves, so that a grammar can be asked for its mask while the device computes the logits:

    decoder.read(tokens, positions)            # one token a slot, each at its own place
    chosen = decoder.choose(allowed, uniforms)

Shapes are fixed, memory is taken once and written in place: on CUDA both halves are captured as graphs.

Shape suffixes: B slots, S condition vectors, C context width, V output classes, H heads, E head width.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.layers.attention import HEAD_WIDTH
from model.layers.graphs import Replay, compiled
from model.layers.sampling import draw, sampling_probabilities
from model.layers.slots import SlotCache

if TYPE_CHECKING:
    from model.silksong.modules import SilksongModel

WINDOW_STEP = 256
"""The cache is looked at in multiples of so many places: one graph for each."""


@dataclass(frozen=True)
class Choice:
    """How a token is chosen from logits; temperature 0 takes the most probable (`model.layers.sampling`)."""

    temperature: float = 0.0
    top_k: int | None = 50
    top_p: float | None = 0.95

    def __call__(self, logits_BV: Tensor, uniforms_B: Tensor) -> Tensor:
        """Ids (B,) by uniform numbers in [0, 1)."""
        if self.temperature == 0:
            return logits_BV.argmax(dim=-1)
        return draw(sampling_probabilities(logits_BV, self.temperature, self.top_k, self.top_p), uniforms_B)


class SlotDecoder:
    """B slots of a model, each for a sequence of up to ``capacity`` tokens.

    Args:
        like_SC: any condition that will come: its shape, dtype and device.
        is_compiled: compile the network's half; minutes at first, then faster on a GPU.
    """

    def __init__(
        self,
        model: "SilksongModel",
        n_slots: int,
        capacity: int,
        choice: Choice,
        like_SC: Tensor,
        is_compiled: bool = False,
    ) -> None:
        self.model, self.capacity, self.choice = model, capacity, choice
        self.device, n_classes = like_SC.device, model.config.vocab_size + 2
        self._is_compiled = is_compiled
        self._caches = [
            SlotCache(n_slots, model.config.heads, capacity, HEAD_WIDTH, like_SC)
            for _ in model.decoder_blocks()
        ]
        self._contexts_BHSE = [
            (keys.repeat(n_slots, 1, 1, 1), values.repeat(n_slots, 1, 1, 1))
            for keys, values in (block.keys_values(like_SC.unsqueeze(0)) for block in model.decoder_blocks())
        ]
        self._n_cleared = 0
        self._tokens_and_positions_2B = torch.zeros(2, n_slots, dtype=torch.int64, device=self.device)
        self._logits_BV = torch.zeros(n_slots, n_classes, device=self.device)
        self._allowed_BV = torch.ones(n_slots, n_classes, dtype=torch.bool, device=self.device)
        self._uniforms_B = torch.zeros(n_slots, dtype=torch.float64, device=self.device)
        self._chosen_B = torch.zeros(n_slots, dtype=torch.int64, device=self.device)
        self._read = Replay(self._compute_logits, self.device)
        self._choose = Replay(self._compute_choice, self.device)

    def admit(self, slot: int, condition_SC: Tensor) -> None:
        """Give a slot to a new sequence: keys and values of its condition are computed here, once."""
        for block, context_BHSE in zip(self.model.decoder_blocks(), self._contexts_BHSE, strict=True):
            new_1HSE = block.keys_values(condition_SC.unsqueeze(0))
            for whole_BHSE, row_1HSE in zip(context_BHSE, new_1HSE, strict=True):
                whole_BHSE[slot] = row_1HSE[0]

    def read(self, tokens: list[int], positions: list[int]) -> None:
        """Let each slot read the token before its position; see ``SilksongModel.step``."""
        window = min(-(-(max(positions) + 1) // WINDOW_STEP) * WINDOW_STEP, self.capacity)
        if window > self._n_cleared:
            for cache in self._caches:
                cache.clear(self._n_cleared, window)
            self._n_cleared = window
        self._tokens_and_positions_2B.copy_(torch.tensor([tokens, positions]))
        self._read(window)

    def choose(self, allowed_BV: NDArray[np.bool_], uniforms: list[float]) -> list[int]:
        """One id a slot, of those allowed to it, for what was read last; -1 where logits are not numbers."""
        self._allowed_BV.copy_(torch.from_numpy(allowed_BV))
        self._uniforms_B.copy_(torch.tensor(uniforms, dtype=torch.float64))
        self._choose()
        return self._chosen_B.tolist()

    def keep_slots(self, slots: list[int]) -> None:
        """Keep only these slots, in this order. Not on CUDA, where graphs hold on to the memory."""
        kept = torch.tensor(slots, device=self.device)
        for cache in self._caches:
            cache.keep_slots(kept)
        self._contexts_BHSE = [(keys[kept], values[kept]) for keys, values in self._contexts_BHSE]
        self._tokens_and_positions_2B = self._tokens_and_positions_2B[:, kept]
        self._logits_BV, self._allowed_BV = self._logits_BV[kept], self._allowed_BV[kept]
        self._uniforms_B, self._chosen_B = self._uniforms_B[kept], self._chosen_B[kept]

    def _compute_logits(self, window: int) -> None:
        step = compiled(_step_into) if self._is_compiled else _step_into
        tokens_B, positions_B = self._tokens_and_positions_2B
        step(self.model, tokens_B, positions_B, window, self._contexts_BHSE, self._caches, self._logits_BV)

    def _compute_choice(self, _: int) -> None:
        logits_BV = self._logits_BV.masked_fill(~self._allowed_BV, -torch.inf)
        chosen_B = self.choice(logits_BV, self._uniforms_B)
        self._chosen_B.copy_(chosen_B.where(logits_BV.amax(dim=-1).isfinite(), -1))


def _step_into(
    model: "SilksongModel",
    tokens_B: Tensor,
    positions_B: Tensor,
    window: int,
    contexts_BHSE: list[tuple[Tensor, Tensor]],
    caches: list[SlotCache],
    logits_BV: Tensor,
) -> None:
    logits_BV.copy_(model.step(tokens_B, positions_B, window, contexts_BHSE, caches))
