"""The decoder and all it keeps of the sequences in its slots, on the device; who they are it does not know.

A step has two halves, so that a grammar can be asked for its mask while the device computes the logits:

    decoder.read(tokens, positions)            # one token a slot, each at its own place
    chosen = decoder.choose(allowed, uniforms)

What was read is taken back by reading other tokens at its places: no place sees those after it.

Shapes are fixed, memory is taken once and written in place: on CUDA both halves are captured as graphs.

Shape suffixes: B slots, T tokens of a step, S condition vectors, C context width, V output classes, H heads,
E head width.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

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
        return draw(self.probabilities(logits_BV), uniforms_B)

    def probabilities(self, logits_BV: Tensor) -> Tensor:
        """What is drawn from, float32 (B, V); at temperature 0 all of it is on the most probable id."""
        if self.temperature == 0:
            return functional.one_hot(logits_BV.argmax(dim=-1), logits_BV.shape[-1]).float()
        return sampling_probabilities(logits_BV, self.temperature, self.top_k, self.top_p)


class SlotDecoder:
    """B slots of a model, each for a sequence of up to ``capacity`` tokens.

    Args:
        like_SC: any condition that will come: its shape, dtype and device.
        width: most tokens that a slot reads in one step.
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
        width: int = 1,
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
        self._tokens_and_positions_2BT = torch.zeros(2, n_slots, width, dtype=torch.int64, device=self.device)
        self.logits_BTV = torch.zeros(n_slots, width, n_classes, device=self.device)
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

    def read(self, tokens: ArrayLike, positions: ArrayLike) -> None:
        """Let each slot read the token before its position, or those before T positions in a row.

        Both are int64 (B,) or (B, T); ``logits_BTV[:, :T]`` is what comes there. See ``SilksongModel.step``.
        """
        both_2BT = torch.from_numpy(np.stack([np.asarray(tokens), np.asarray(positions)]))
        both_2BT = both_2BT.reshape(2, len(self.logits_BTV), -1)
        window = min(-(-(int(both_2BT[1].max()) + 1) // WINDOW_STEP) * WINDOW_STEP, self.capacity)
        if window > self._n_cleared:
            for cache in self._caches:
                cache.clear(self._n_cleared, window)
            self._n_cleared = window
        width = both_2BT.shape[2]
        self._tokens_and_positions_2BT[:, :, :width] = both_2BT.to(self.device)
        self._read(window, width)

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
        self._tokens_and_positions_2BT = self._tokens_and_positions_2BT[:, kept]
        self.logits_BTV, self._allowed_BV = self.logits_BTV[kept], self._allowed_BV[kept]
        self._uniforms_B, self._chosen_B = self._uniforms_B[kept], self._chosen_B[kept]

    def _compute_logits(self, window: int, width: int) -> None:
        step = compiled(_step_into) if self._is_compiled else _step_into
        tokens_BT, positions_BT = self._tokens_and_positions_2BT[:, :, :width]
        logits_BTV = self.logits_BTV[:, :width]
        step(self.model, tokens_BT, positions_BT, window, self._contexts_BHSE, self._caches, logits_BTV)

    def _compute_choice(self) -> None:
        logits_BV = self.logits_BTV[:, 0].masked_fill(~self._allowed_BV, -torch.inf)
        chosen_B = self.choice(logits_BV, self._uniforms_B)
        self._chosen_B.copy_(chosen_B.where(logits_BV.amax(dim=-1).isfinite(), -1))


def _step_into(
    model: "SilksongModel",
    tokens_BT: Tensor,
    positions_BT: Tensor,
    window: int,
    contexts_BHSE: list[tuple[Tensor, Tensor]],
    caches: list[SlotCache],
    logits_BTV: Tensor,
) -> None:
    logits_BTV.copy_(model.step(tokens_BT, positions_BT, window, contexts_BHSE, caches))
