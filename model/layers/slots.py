"""Key/value caches of sequences that are written side by side, each at its own place.

Memory is taken once and written in place, and every shape is fixed by the number of slots and the window, so
that a step can be compiled, or captured as a graph. A new sequence takes a slot by beginning at place 0: it
sees no place after its own, hence nothing of who was there before.

Shape suffixes: B slots, S places, H heads, E head width.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Places(NamedTuple):
    """Where each slot writes in one step, and what it sees; the same for all layers."""

    slots: Tensor
    """(B,), int64: 0, 1, 2 .."""
    positions: Tensor
    """(B,), int64"""
    is_seen: Tensor
    """(B, 1, 1, S), bool: which places of the window are not after the slot's own."""

    @classmethod
    def of(cls, positions_B: Tensor, window: int) -> "Places":
        """The places of a step in which slot b writes at ``positions_B[b]`` (int64, below ``window``)."""
        slots_B = torch.arange(len(positions_B), device=positions_B.device)
        is_seen_BS = torch.arange(window, device=positions_B.device) <= positions_B.unsqueeze(1)
        return cls(slots_B, positions_B, is_seen_BS[:, None, None])


class SlotCache:
    """Keys and values of one layer, ``capacity`` places a slot; dtype and device are those of ``like``."""

    def __init__(self, n_slots: int, heads: int, capacity: int, head_width: int, like: Tensor) -> None:
        # Left as it is until `clear`: memory that no window reaches is never touched.
        self.keys_BHSE = like.new_empty(n_slots, heads, capacity, head_width)
        self.values_BHSE = torch.empty_like(self.keys_BHSE)

    def write(self, keys_BH1E: Tensor, values_BH1E: Tensor, places: Places) -> tuple[Tensor, Tensor]:
        """Store one token a slot; views of all keys and values of the window."""
        window = places.is_seen.shape[-1]
        self.keys_BHSE[places.slots, :, places.positions] = keys_BH1E.squeeze(2)
        self.values_BHSE[places.slots, :, places.positions] = values_BH1E.squeeze(2)
        return self.keys_BHSE[:, :, :window], self.values_BHSE[:, :, :window]

    def clear(self, first: int, end: int) -> None:
        """Put zeros at these places of all slots: what is not seen must still be finite."""
        self.keys_BHSE[:, :, first:end] = 0
        self.values_BHSE[:, :, first:end] = 0

    def keep_slots(self, slots: Tensor) -> None:
        """Keep only these slots (int64 indices), in this order."""
        self.keys_BHSE = self.keys_BHSE.index_select(0, slots)
        self.values_BHSE = self.values_BHSE.index_select(0, slots)
