"""What a text says about the mesh: pooled features that scale and shift channels.

Shape suffixes: B batch, S text tokens, C width of the text features, T tokens, D width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.layers.packing import Packing

TEXT_PADDING = -1.0


class Text(NamedTuple):
    """Features of a batch of texts."""

    features: Tensor
    """(B, S, C)."""
    is_token: Tensor
    """(B, S); false for padding, and everywhere for a text that is left out."""

    def without(self, rows_B: Tensor) -> "Text":
        """The same with the texts of these rows (bool) left out."""
        return Text(self.features, self.is_token & ~rows_B.unsqueeze(-1))

    def repeated(self, times_B: Tensor) -> "Text":
        """Each row so many times (int64), one after the other."""
        return Text(self.features.repeat_interleave(times_B, 0), self.is_token.repeat_interleave(times_B, 0))


class FeatureModulation(nn.Module):
    """``x (1 + g tanh(W c)) + h tanh(V c + b)``; g and h start at zero (FiLM, arXiv 1709.07871)."""

    def __init__(self, width: int, condition_width: int) -> None:
        super().__init__()
        self.to_scale = nn.Linear(condition_width, width, bias=False)
        self.to_shift = nn.Linear(condition_width, width)
        self.scale_gain = nn.Parameter(torch.zeros(1))
        self.shift_gain = nn.Parameter(torch.zeros(1))

    def forward(self, x_BTD: Tensor, condition_BC: Tensor, packing: Packing | None = None) -> Tensor:
        """Keep the shape (B, T, D); with a packing, (1, T, D) holds the rows of B conditions."""
        scale_BD = self.scale_gain * self.to_scale(condition_BC).tanh()
        shift_BD = self.shift_gain * self.to_shift(condition_BC).tanh()
        if packing is not None:
            return x_BTD * (1 + packing.spread(scale_BD)) + packing.spread(shift_BD)
        return x_BTD * (1 + scale_BD.unsqueeze(1)) + shift_BD.unsqueeze(1)


def pooled(text: Text) -> Tensor:
    """Mean (B, C) over the tokens of each text; zero where it is left out."""
    is_token_BS1 = text.is_token.unsqueeze(-1)
    sums_BC = text.features.masked_fill(~is_token_BS1, 0).sum(1)
    return sums_BC / is_token_BS1.sum(1).clamp(min=1)


def read_text(features_BSC: Tensor) -> Text:
    """Features whose padding rows hold -1 in every channel."""
    return Text(features_BSC, (features_BSC != TEXT_PADDING).any(-1))
