"""Residual vector quantisation with one codebook for all layers, learned by running means.

Each layer takes the code nearest to what is left. The codes follow the mean of the vectors that chose them
(arXiv 1711.00937, appendix A); the gradient is rotated onto the code (arXiv 2410.06424).

Shape suffixes: N tokens, C width, Q layers, K codes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.ranks import gathered, learns, of_first_rank, sum_over_ranks
from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.residual_lfq import Quantized

SMOOTHING = 1e-5
KMEANS_ROUNDS = 10


class ResidualVq(nn.Module):
    """Nearest codes of vectors, in `n_quantizers` layers that share the codebook."""

    codebook: Tensor
    sums: Tensor
    counts: Tensor
    is_initialized: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        K, C = config.codebook_size, config.code_width
        codebook_KC = torch.zeros(K, C)
        if not config.kmeans_initialization:
            nn.init.kaiming_uniform_(codebook_KC)
        self.register_buffer("codebook", codebook_KC)
        self.register_buffer("sums", codebook_KC.clone())
        self.register_buffer("counts", torch.ones(K) if not config.kmeans_initialization else torch.zeros(K))
        self.register_buffer("is_initialized", torch.tensor(not config.kmeans_initialization))

    def forward(self, x_NC: Tensor) -> Quantized:
        """Quantise tokens; in training also move the codes, by the tokens of all ranks."""
        is_learning = learns(self)
        # Where no rank has a token, the codes stay.
        has_tokens = is_learning and bool(sum_over_ranks(x_NC.new_tensor(len(x_NC))))
        if not bool(self.is_initialized):
            self.initialize(x_NC.detach().float())
        rest_NC, total_NC = x_NC, torch.zeros_like(x_NC)
        codes, losses = [], []
        for _ in range(self.config.n_quantizers):
            codes_N = self.nearest(rest_NC.detach())
            vectors_NC = self.codebook[codes_N].to(rest_NC.dtype)
            if is_learning:
                losses.append(_commitment(rest_NC, vectors_NC))
                if has_tokens:
                    self._count(rest_NC.detach().float(), codes_N)
                vectors_NC = rotated_onto(rest_NC, vectors_NC)
            else:
                losses.append(x_NC.new_zeros(()))
            codes.append(codes_N)
            total_NC = total_NC + vectors_NC
            rest_NC = rest_NC - vectors_NC.detach()
        if has_tokens:
            self._move_codes(x_NC.detach().float())
        return Quantized(total_NC, torch.stack(codes, dim=-1), torch.stack(losses))

    def vectors(self, codes_NQ: Tensor) -> Tensor:
        """The vectors (N, C) of codes; a code of -1 adds nothing to the sum of its layers."""
        vectors_NQC = self.codebook[codes_NQ.clamp(min=0)]
        return (vectors_NQC * (codes_NQ >= 0).unsqueeze(-1)).sum(-2)

    def nearest(self, x_NC: Tensor) -> Tensor:
        """The code nearest to each token; in training with `samples_codes`, drawn by Gumbel noise."""
        distances_NK = torch.cdist(x_NC.float(), self.codebook.float())
        if self.training and self.config.samples_codes:
            noise_NK = torch.rand_like(distances_NK).clamp(min=1e-20).log().neg().clamp(min=1e-20).log().neg()
            return (noise_NK - distances_NK).argmax(-1)
        return distances_NK.argmin(-1)

    @torch.no_grad()
    def initialize(self, x_NC: Tensor) -> None:
        """Take the first codes from a batch by k-means; fewer tokens than codes are repeated."""
        K = self.config.codebook_size
        if learns(self):
            x_NC = gathered(x_NC)
        if len(x_NC) == 0:
            return
        chosen = torch.randperm(len(x_NC), device=x_NC.device) if len(x_NC) >= K else None
        chosen = chosen[:K] if chosen is not None else torch.randint(len(x_NC), (K,), device=x_NC.device)
        means_KC = x_NC[of_first_rank(chosen.clone()) if learns(self) else chosen]
        counts_K = torch.zeros(K, device=x_NC.device)
        for _ in range(KMEANS_ROUNDS):
            codes_N = torch.cdist(x_NC, means_KC).argmin(-1)
            counts_K = torch.bincount(codes_N, minlength=K).float()
            sums_KC = torch.zeros_like(means_KC).index_add(0, codes_N, x_NC)
            means_KC = torch.where(counts_K[:, None] > 0, sums_KC / counts_K[:, None].clamp(min=1), means_KC)
        self.codebook.copy_(means_KC)
        self.sums.copy_(means_KC * counts_K[:, None])
        self.counts.copy_(counts_K)
        self.is_initialized.fill_(True)

    @torch.no_grad()
    def _count(self, x_NC: Tensor, codes_N: Tensor) -> None:
        counts_K = sum_over_ranks(torch.bincount(codes_N, minlength=len(self.counts)).float())
        sums_KC = sum_over_ranks(torch.zeros_like(self.sums).index_add(0, codes_N, x_NC))
        self.counts.lerp_(counts_K, 1 - self.config.decay)
        self.sums.lerp_(sums_KC, 1 - self.config.decay)

    @torch.no_grad()
    def _move_codes(self, x_NC: Tensor) -> None:
        K, n = len(self.counts), self.counts.sum()
        smoothed_K = (self.counts + SMOOTHING) / (n + K * SMOOTHING) * n
        self.codebook.copy_(self.sums / smoothed_K[:, None])
        is_rare_K = self.counts < self.config.least_cluster_size
        if bool(is_rare_K.any()):
            x_NC = gathered(x_NC)
            drawn = of_first_rank(torch.randint(len(x_NC), (int(is_rare_K.sum()),), device=x_NC.device))
            self.codebook[is_rare_K] = x_NC[drawn]
            self.counts[is_rare_K] = self.config.least_cluster_size
            self.sums[is_rare_K] = x_NC[drawn] * self.config.least_cluster_size


def _commitment(source_NC: Tensor, target_NC: Tensor) -> Tensor:
    """Mean square (scalar) over all ranks."""
    squares = (source_NC - target_NC).float().square().sum()
    total, n = sum_over_ranks(torch.stack([squares, squares.new_tensor(source_NC.numel())]))
    return total / n.clamp(min=1)


def rotated_onto(source_NC: Tensor, target_NC: Tensor) -> Tensor:
    """`target`, as `source` turned and scaled: the gradient of `source` is turned and scaled likewise."""
    source_length_N1 = source_NC.norm(dim=-1, keepdim=True)
    target_length_N1 = target_NC.norm(dim=-1, keepdim=True)
    from_NC = (source_NC / source_length_N1.clamp(min=1e-6)).detach()
    to_NC = (target_NC / target_length_N1.clamp(min=1e-6)).detach()
    middle_NC = functional.normalize(from_NC + to_NC, dim=-1).detach()
    turned_NC = (
        source_NC
        - 2 * (source_NC * middle_NC).sum(-1, keepdim=True) * middle_NC
        + 2 * (source_NC * from_NC).sum(-1, keepdim=True) * to_NC
    )
    return turned_NC * (target_length_N1 / source_length_N1.clamp(min=1e-6)).detach()
