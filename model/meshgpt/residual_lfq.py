"""Residual lookup-free quantisation: each code is the signs of a few numbers (arXiv 2310.05737).

Layer i takes what is left of the numbers, writes their signs at scale 2^-i as one code, and leaves the rest
to the next layer.

Shape suffixes: N tokens, C width of the input, M numbers (log2 of the codebook size), Q layers, K codes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.meshgpt.config import AutoencoderConfig

INVERSE_TEMPERATURE = 100.0
ENTROPY_OFFSET = 5.0
LEAST_PROBABILITY = 1e-5


class Quantized(NamedTuple):
    """What a quantiser makes of N tokens."""

    vectors: Tensor
    """(N, C)."""
    codes: Tensor
    """(N, Q), int64 in [0, codebook size)."""
    losses: Tensor
    """(Q,) auxiliary loss of each layer; zeros in evaluation."""


class ResidualLfq(nn.Module):
    """Signs of projected vectors, in `n_quantizers` layers."""

    bit_values: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.n_bits = config.codebook_size.bit_length() - 1
        self.project_in = nn.Linear(config.code_width, self.n_bits)
        self.project_out = nn.Linear(self.n_bits, config.code_width)
        # The first number is the most significant bit.
        self.register_buffer("bit_values", 2 ** torch.arange(self.n_bits).flip(0), persistent=False)

    def forward(self, x_NC: Tensor) -> Quantized:
        """Quantise tokens; the gradient passes straight through the signs."""
        rest_NM = self.project_in(x_NC)
        total_NM = torch.zeros_like(rest_NM)
        codes, losses = [], []
        for i in range(self.config.n_quantizers):
            scale, clamp = 2.0**-i, self.config.clamp * 2.0**-i
            clamped_NM = clamp * (rest_NM / clamp).tanh()
            bits_NM = clamped_NM > 0
            signs_NM = (2 * bits_NM - 1) * scale
            signs_NM = signs_NM.to(clamped_NM.dtype)
            codes.append((bits_NM * self.bit_values).sum(-1))
            losses.append(self._loss(clamped_NM, signs_NM, scale))
            total_NM = total_NM + clamped_NM + (signs_NM - clamped_NM).detach()
            rest_NM = rest_NM - signs_NM
        return Quantized(self.project_out(total_NM), torch.stack(codes, dim=-1), torch.stack(losses))

    def vectors(self, codes_NQ: Tensor) -> Tensor:
        """The vectors (N, C) of codes; a code of -1 adds nothing to the sum of its layers."""
        bits_NQM = (codes_NQ.unsqueeze(-1) & self.bit_values) != 0
        signs_NQM = (2 * bits_NQM - 1).float() * (codes_NQ >= 0).unsqueeze(-1)
        scales_Q1 = 2.0 ** -torch.arange(self.config.n_quantizers, device=codes_NQ.device).unsqueeze(-1)
        return self.project_out((signs_NQM * scales_Q1).sum(-2).to(self.project_out.weight.dtype))

    def _loss(self, clamped_NM: Tensor, signs_NM: Tensor, scale: float) -> Tensor:
        if not self.training:
            return clamped_NM.new_zeros(())
        weight = self.config.entropy_weight
        if self.config.lfq_loss == "all_pairs":
            # The reference lost the batch axis: its entropies cancel, and the commitment is the mean over all
            # pairs of a token and a code. Expanded, that mean needs no table of all pairs.
            constant = weight * functional.softplus(clamped_NM.new_tensor(ENTROPY_OFFSET))
            squares = clamped_NM.square().mean() + signs_NM.square().mean()
            return constant + squares - 2 * (clamped_NM.mean(0) * signs_NM.mean(0)).mean()
        sample_entropy, code_entropy = self.entropies(clamped_NM, scale)
        commitment = (clamped_NM - signs_NM).square().mean()
        return weight * functional.softplus(sample_entropy - code_entropy + ENTROPY_OFFSET) + commitment

    def entropies(self, clamped_NM: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Mean entropy (nats) of the tokens' soft codes, and entropy of their mean: low and high are good.

        Takes memory for N x K numbers.
        """
        codes_K1 = torch.arange(self.config.codebook_size, device=clamped_NM.device).unsqueeze(-1)
        bits_KM = (codes_K1 & self.bit_values) != 0
        codes_KM = (2 * bits_KM - 1).to(clamped_NM.dtype) * scale
        probabilities_NK = (2 * INVERSE_TEMPERATURE * clamped_NM @ codes_KM.T).softmax(-1)
        return _entropy(probabilities_NK).mean(), _entropy(probabilities_NK.mean(0))


def _entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp(min=LEAST_PROBABILITY).log()).sum(-1)
