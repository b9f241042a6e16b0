"""Packed rows in one call of attention, under a mask that keeps each row to itself (FlexAttention).

    packing = MaskedPacking.of(is_read_BN)  # in the place of Packing.of

Gives what `Packing` gives row after row. On CUDA the masks and the attention are compiled for any lengths,
and blocks of 128 x 128 positions that no row reaches are skipped; elsewhere every score is computed, and
torch gives no gradients: that is for tests.

Shape suffixes: as in `model.layers.packing`; H heads, S positions of a context, E head width.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from model.layers.packing import Packing


@dataclass(frozen=True)
class MaskedPacking(Packing):
    """Attends with all rows at once; its masks are made once, for all layers."""

    _masks: dict[int | None, BlockMask] = field(default_factory=dict, compare=False, repr=False)

    def attend_causally(self, q_1HTE: Tensor, k_1HTE: Tensor, v_1HTE: Tensor, scale: float) -> Tensor:
        """As in `Packing`."""
        return self._attend(q_1HTE, k_1HTE, v_1HTE, self.mask(None), scale)

    def attend_to_contexts(self, q_1HTE: Tensor, k_BHSE: Tensor, v_BHSE: Tensor, scale: float) -> Tensor:
        """As in `Packing`."""
        mask = self.mask(k_BHSE.shape[2])
        return self._attend(q_1HTE, _side_by_side(k_BHSE), _side_by_side(v_BHSE), mask, scale)

    def _attend(
        self, q_1HTE: Tensor, k_1HSE: Tensor, v_1HSE: Tensor, mask: BlockMask, scale: float
    ) -> Tensor:
        attend = _for_device(flex_attention, q_1HTE.is_cuda)
        y_1HTE: Tensor = attend(q_1HTE, k_1HSE, v_1HSE, block_mask=mask, scale=scale)
        return y_1HTE

    def mask(self, context_size: int | None) -> BlockMask:
        """For contexts of so many positions side by side; None: for the rows themselves, causally."""
        if context_size not in self._masks:
            row_T = self.is_read.nonzero()[:, 0]
            n_queries, n_rows = len(row_T), len(self.lengths)
            n_keys = n_queries if context_size is None else n_rows * context_size
            allows = _same_row_before(row_T) if context_size is None else _own_context(row_T, context_size)
            create = _for_device(create_block_mask, row_T.is_cuda)
            self._masks[context_size] = create(allows, None, None, n_queries, n_keys, device=row_T.device)
        return self._masks[context_size]


def _same_row_before(row_T: Tensor) -> Callable[..., Tensor]:
    def allows(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (row_T[query] == row_T[key]) & (query >= key)

    return allows


def _own_context(row_T: Tensor, size: int) -> Callable[..., Tensor]:
    def allows(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return row_T[query] == key // size

    return allows


def _side_by_side(x_BHSE: Tensor) -> Tensor:
    """(B, H, S, E) to (1, H, B S, E)."""
    return x_BHSE.transpose(0, 1).flatten(1, 2).unsqueeze(0)


@functools.cache
def _for_device(function: Callable[..., Any], is_cuda: bool) -> Callable[..., Any]:
    """Compiled once where there is CUDA."""
    return torch.compile(function, dynamic=True) if is_cuda else function
