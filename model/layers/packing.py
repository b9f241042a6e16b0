"""Rows of different lengths one behind the other, so that no position is computed that nobody reads.

All that treats positions apart (norms, projections, feed-forward, logits) sees one long row; attention stays
within each row by taking them one after the other.

Shape suffixes: B rows, N padded length, T all positions of all rows, D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """Which places of a padded batch (B, N) are read."""

    is_read: Tensor
    """(B, N), bool; in each row the first ones."""
    lengths: list[int]
    """Of the B rows; their sum is T."""

    @classmethod
    def of(cls, is_read_BN: Tensor) -> "Packing":
        """From a mask whose rows begin with what is read."""
        return cls(is_read_BN, is_read_BN.sum(dim=1).tolist())

    def pack(self, x_BND: Tensor) -> Tensor:
        """(B, N, ..) to (1, T, ..)."""
        return x_BND[self.is_read].unsqueeze(0)

    def rows(self, x_1HTE: Tensor) -> tuple[Tensor, ...]:
        """Each row's part of (1, H, T, E)."""
        return x_1HTE.split(self.lengths, dim=2)

    @staticmethod
    def join(rows: list[Tensor]) -> Tensor:
        """Undo ``rows``."""
        return torch.cat(rows, dim=2)
