"""Residual finite scalar quantisation: each code is a few numbers, each rounded to one of a few levels.

The numbers are kept between -1 and 1 and rounded to the nearest of their levels, which lie evenly from one
end to the other (arXiv 2309.15505; for an even number of levels that is its offset of half a level). What
this leaves is at most half a step, 1 / (levels - 1): the next layer does the same on that scale. No codebook
is learned, and there is no loss.

Shape suffixes: N tokens, C width of the input, M numbers (one for each entry of `levels`), Q layers.
"""

import math

import torch
from torch import Tensor, nn

from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.residual_lfq import Quantized


class ResidualFsq(nn.Module):
    """Rounded numbers of projected vectors, in `n_quantizers` layers."""

    steps: Tensor
    place_values: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        levels = config.levels
        self.project_in = nn.Linear(config.code_width, len(levels))
        self.project_out = nn.Linear(len(levels), config.code_width)
        # From one end to the other; the first number is the most significant digit of a code.
        place_values = [math.prod(levels[i + 1 :]) for i in range(len(levels))]
        self.register_buffer("steps", torch.tensor(levels) - 1, persistent=False)
        self.register_buffer("place_values", torch.tensor(place_values), persistent=False)

    def forward(self, x_NC: Tensor) -> Quantized:
        """Quantise tokens; the gradient passes straight through the rounding."""
        # A bfloat16 number could not hold what the second layer is to see.
        bounded_NM = self.project_in(x_NC).float().tanh()
        total_NM, codes = torch.zeros_like(bounded_NM), []
        for scale_M in self._scales():
            rest_NM = (bounded_NM - total_NM).detach() / scale_M
            digits_NM = self._digits(rest_NM)
            codes.append((digits_NM * self.place_values).sum(-1))
            total_NM = total_NM + self._levels(digits_NM) * scale_M
        straight_NM = bounded_NM + (total_NM - bounded_NM).detach()
        losses = bounded_NM.new_zeros(len(codes))
        return Quantized(self.project_out(straight_NM.to(x_NC.dtype)), torch.stack(codes, dim=-1), losses)

    def vectors(self, codes_NQ: Tensor) -> Tensor:
        """The vectors (N, C) of codes; a code of -1 adds nothing to the sum of its layers."""
        digits_NQM = codes_NQ.clamp(min=0).unsqueeze(-1) // self.place_values % (self.steps + 1)
        numbers_NQM = self._levels(digits_NQM) * (codes_NQ >= 0).unsqueeze(-1)
        return self.project_out((numbers_NQM * self._scales()).sum(-2).to(self.project_out.weight.dtype))

    def _scales(self) -> Tensor:
        """(Q, M)"""
        layers_Q1 = torch.arange(self.config.n_quantizers, device=self.steps.device).unsqueeze(-1)
        return (1 / self.steps) ** layers_Q1

    def _digits(self, numbers_NM: Tensor) -> Tensor:
        """The level nearest to each number in [-1, 1], counted from 0."""
        return ((numbers_NM + 1) / 2 * self.steps).round().long().clamp(min=0).minimum(self.steps)

    def _levels(self, digits: Tensor) -> Tensor:
        return digits / self.steps * 2 - 1
