"""Residual lookup-free quantisation: each code is the signs of a few numbers (arXiv 2310.05737).

Layer i takes what is left of the numbers, writes their signs at scale 2^-i as one code, and leaves the rest
to the next layer.

Shape suffixes: N tokens, C width of the input, M numbers (log2 of the codebook size), Q layers, K codes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.ranks import learns, sum_over_ranks
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
        """Over the tokens of all ranks, the same on each."""
        if not learns(self):
            return clamped_NM.new_zeros(())
        clamped_NM, signs_NM = clamped_NM.float(), signs_NM.float()
        weight = self.config.entropy_weight
        if self.config.lfq_loss == "all_pairs":
            # The reference lost the batch axis: its entropies cancel, and the commitment is the mean over all
            # pairs of a token and a code. Expanded, that mean needs no table of all pairs.
            squares_M = (clamped_NM.square() + signs_NM.square()).sum(0)
            squares_M, clamped_M, signs_M = _means(
                [squares_M, clamped_NM.sum(0), signs_NM.sum(0)], clamped_NM
            )
            constant = weight * functional.softplus(clamped_NM.new_tensor(ENTROPY_OFFSET))
            return constant + squares_M.mean() - 2 * (clamped_M * signs_M).mean()
        probabilities_NK = self.probabilities(clamped_NM, scale)
        sample_entropy, commitment_M, probabilities_K = _means(
            [
                _entropy(probabilities_NK).sum().unsqueeze(0),
                (clamped_NM - signs_NM).square().sum(0),
                probabilities_NK.sum(0),
            ],
            clamped_NM,
        )
        code_entropy = _entropy(probabilities_K)
        confusion = functional.softplus(sample_entropy[0] - code_entropy + ENTROPY_OFFSET)
        return weight * confusion + commitment_M.mean()

    def probabilities(self, clamped_NM: Tensor, scale: float) -> Tensor:
        """Soft codes (N, K) of tokens."""
        codes_K1 = torch.arange(self.config.codebook_size, device=clamped_NM.device).unsqueeze(-1)
        bits_KM = (codes_K1 & self.bit_values) != 0
        codes_KM = (2 * bits_KM - 1).to(clamped_NM.dtype) * scale
        return (2 * INVERSE_TEMPERATURE * clamped_NM @ codes_KM.T).softmax(-1)


def _means(sums: list[Tensor], tokens_NM: Tensor) -> list[Tensor]:
    """Vectors of sums over tokens, each divided by the number of them, over all ranks."""
    n = tokens_NM.new_full((1,), len(tokens_NM))
    *totals, n = sum_over_ranks(torch.cat([*sums, n])).split([*(len(part) for part in sums), 1])
    return [total / n.clamp(min=1) for total in totals]


def _entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp(min=LEAST_PROBABILITY).log()).sum(-1)
