"""Rows of different lengths one behind the other, so that no position is computed that nobody reads.

All that treats positions apart (norms, projections, feed-forward, logits) sees one long row; attention stays
within each row by taking them one after the other (`model.layers.document_mask` takes them at once), and a
recurrence by forgetting where a row begins.

Shape suffixes: B rows, N padded length, T all positions of all rows, D width; H heads, S positions
of a context, E head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Packing:
    """Which places of a padded batch (B, N) are read."""

    is_read: Tensor
    """(B, N), bool; in each row the first ones."""
    lengths: list[int]
    """Of the B rows; their sum is T."""

    @classmethod
    def of(cls, is_read_BN: Tensor) -> Self:
        """From a mask whose rows begin with what is read."""
        return cls(is_read_BN, is_read_BN.sum(dim=1).tolist())

    @classmethod
    def of_lengths(cls, lengths: Sequence[int], device: torch.device) -> Self:
        """Rows of these lengths."""
        lengths_B1 = torch.tensor(lengths, device=device).unsqueeze(1)
        return cls(torch.arange(max(lengths), device=device) < lengths_B1, list(lengths))

    @cached_property
    def places(self) -> Tensor:
        """Place of each position in its row, int64 (T,)."""
        return torch.arange(self.is_read.shape[1], device=self.is_read.device).expand_as(self.is_read)[
            self.is_read
        ]

    def pack(self, x_BND: Tensor) -> Tensor:
        """(B, N, ..) to (1, T, ..)."""
        return x_BND[self.is_read].unsqueeze(0)

    def rows(self, x_1HTE: Tensor) -> tuple[Tensor, ...]:
        """Each row's part of (1, H, T, E)."""
        return x_1HTE.split(self.lengths, dim=2)

    def attend_causally(self, q_1HTE: Tensor, k_1HTE: Tensor, v_1HTE: Tensor, scale: float) -> Tensor:
        """Attention of each position to its row up to itself, (1, H, T, E); the scores are scaled."""
        rows = zip(self.rows(q_1HTE), self.rows(k_1HTE), self.rows(v_1HTE), strict=True)
        attend = functional.scaled_dot_product_attention
        return self.join([attend(q, k, v, is_causal=True, scale=scale) for q, k, v in rows])

    def attend_to_contexts(self, q_1HTE: Tensor, k_BHSE: Tensor, v_BHSE: Tensor, scale: float) -> Tensor:
        """Attention of each position to all of its row's context, (1, H, T, E)."""
        rows = zip(self.rows(q_1HTE), k_BHSE.split(1), v_BHSE.split(1), strict=True)
        attend = functional.scaled_dot_product_attention
        return self.join([attend(q, k, v, scale=scale) for q, k, v in rows])

    def spread(self, x_BD: Tensor) -> Tensor:
        """What is said of each row, at each of its positions: (B, ..) to (1, T, ..)."""
        return x_BD.repeat_interleave(torch.tensor(self.lengths, device=x_BD.device), 0).unsqueeze(0)

    @staticmethod
    def join(rows: list[Tensor]) -> Tensor:
        """Undo ``rows``."""
        return torch.cat(rows, dim=2)
