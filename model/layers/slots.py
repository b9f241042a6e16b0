"""Key/value caches of sequences that are written side by side, each at its own place.

Memory is taken once and written in place, and every shape is fixed by the number of slots and the window, so
that a step can be compiled, or captured as a graph. A new sequence takes a slot by beginning at place 0: it
sees no place after its own, hence nothing of who was there before.

Shape suffixes: B slots, T tokens of a step, S places, H heads, E head width.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Places(NamedTuple):
    """Where each slot writes in one step, and what it sees; the same for all layers."""

    slots: Tensor
    """(B, 1), int64: 0, 1, 2 .."""
    positions: Tensor
    """(B, T), int64"""
    is_seen: Tensor
    """(B, 1, T, S), bool: which places of the window are not after the token's own."""

    @classmethod
    def of(cls, positions_BT: Tensor, window: int) -> "Places":
        """The places of a step in which slot b writes at ``positions_BT[b]`` (int64, below ``window``)."""
        slots_B = torch.arange(len(positions_BT), device=positions_BT.device)
        is_seen_BTS = torch.arange(window, device=positions_BT.device) <= positions_BT.unsqueeze(2)
        return cls(slots_B.unsqueeze(1), positions_BT, is_seen_BTS.unsqueeze(1))


class SlotCache:
    """Keys and values of one layer, ``capacity`` places a slot; dtype and device are those of ``like``."""

    def __init__(self, n_slots: int, heads: int, capacity: int, head_width: int, like: Tensor) -> None:
        # Left as it is until `clear`: memory that no window reaches is never touched.
        self.keys_BHSE = like.new_empty(n_slots, heads, capacity, head_width)
        self.values_BHSE = torch.empty_like(self.keys_BHSE)

    def write(self, keys_BHTE: Tensor, values_BHTE: Tensor, places: Places) -> tuple[Tensor, Tensor]:
        """Store T tokens a slot; views of all keys and values of the window."""
        window = places.is_seen.shape[-1]
        self.keys_BHSE[places.slots, :, places.positions] = keys_BHTE.transpose(1, 2)
        self.values_BHSE[places.slots, :, places.positions] = values_BHTE.transpose(1, 2)
        return self.keys_BHSE[:, :, :window], self.values_BHSE[:, :, :window]

    def clear(self, first: int, end: int) -> None:
        """Put zeros at these places of all slots: what is not seen must still be finite."""
        self.keys_BHSE[:, :, first:end] = 0
        self.values_BHSE[:, :, first:end] = 0

    def keep_slots(self, slots: Tensor) -> None:
        """Keep only these slots (int64 indices), in this order."""
        self.keys_BHSE = self.keys_BHSE.index_select(0, slots)
        self.values_BHSE = self.values_BHSE.index_select(0, slots)
