"""The perceiver that reads a point cloud with normals into vectors (Michelangelo, arXiv 2306.17115).

Learned queries read the Fourier features of all points through one cross-attention block; self-attention
blocks then work on the queries alone, so the cost is linear in the number of points. Row 0 of the result is
the global embedding, the others are the shape latents. This is the encoder half of "shapevae-256": no
bottleneck, no decoder.

Shape suffixes: B batch, N points, Q queries (1 + latents), W width, H heads, E head width, F Fourier
features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from model.layers.feed_forward import FeedForward


def fourier_features(xyz_BN3: Tensor, frequencies: int) -> Tensor:
    """Coordinates with their sines and cosines at the frequencies 2^k (no factor pi), k < ``frequencies``.

    The last dimension is ``[x, y, z | sin(x f0), sin(x f1), .., sin(z f7) | cos(the same)]``:
    3 + 6 * frequencies values.
    """
    powers = (2 ** torch.arange(frequencies, device=xyz_BN3.device)).to(xyz_BN3.dtype)
    angles = (xyz_BN3.unsqueeze(-1) * powers).flatten(-2)
    return torch.cat([xyz_BN3, angles.sin(), angles.cos()], dim=-1)


class PackedSelfAttention(nn.Module):
    """Softmax self-attention whose projection packs ``[q | k | v]`` head by head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x_BQW: Tensor) -> Tensor:
        """Let every row attend to every row; (B, Q, W) to (B, Q, W)."""
        packed_BHQE = self.to_qkv(x_BQW).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q_BHQE, k_BHQE, v_BHQE = packed_BHQE.chunk(3, dim=-1)
        y_BHQE = functional.scaled_dot_product_attention(q_BHQE, k_BHQE, v_BHQE)
        return self.to_out(y_BHQE.transpose(1, 2).flatten(-2))


class PackedCrossAttention(nn.Module):
    """Softmax cross-attention whose key/value projection packs ``[k | v]`` head by head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x_BQW: Tensor, data_BNW: Tensor) -> Tensor:
        """Let every row of ``x_BQW`` attend to every row of ``data_BNW``; the result is (B, Q, W)."""
        q_BHQE = self.to_q(x_BQW).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        packed_BHNE = self.to_kv(data_BNW).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k_BHNE, v_BHNE = packed_BHNE.chunk(2, dim=-1)
        y_BHQE = functional.scaled_dot_product_attention(q_BHQE, k_BHNE, v_BHNE)
        return self.to_out(y_BHQE.transpose(1, 2).flatten(-2))


class ReadBlock(nn.Module):
    """Residual cross-attention from the queries to the points, then a feed-forward, both pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.data_norm = nn.LayerNorm(width)
        self.attention = PackedCrossAttention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x_BQW: Tensor, data_BNW: Tensor) -> Tensor:
        """Update (B, Q, W) from (B, N, W)."""
        x_BQW = x_BQW + self.attention(self.query_norm(x_BQW), self.data_norm(data_BNW))
        return x_BQW + self.feed_forward(self.feed_forward_norm(x_BQW))


class LatentBlock(nn.Module):
    """Residual self-attention among the queries, then a residual feed-forward, both pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = PackedSelfAttention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x_BQW: Tensor) -> Tensor:
        """Update (B, Q, W)."""
        x_BQW = x_BQW + self.attention(self.attention_norm(x_BQW))
        return x_BQW + self.feed_forward(self.feed_forward_norm(x_BQW))


class PointEncoder(nn.Module):
    """Points with normals (B, N, 6) to 1 + ``num_latents`` vectors (B, Q, W).

    Args:
        width: channels W; ``heads`` divides it.
        heads: attention heads.
        layers: self-attention blocks after the reading block.
        num_latents: local latents; one global query comes on top.
        frequencies: Fourier frequencies per coordinate.
    """

    def __init__(self, width: int, heads: int, layers: int, num_latents: int, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.recompute_activations = False
        self.queries = nn.Parameter(torch.empty(1 + num_latents, width))
        self.point_projection = nn.Linear(3 + 6 * frequencies + 3, width)
        self.read_block = ReadBlock(width, heads)
        self.blocks = nn.ModuleList(LatentBlock(width, heads) for _ in range(layers))
        self.final_norm = nn.LayerNorm(width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the published initialisation: weights N(0, 1/(16 W)), queries N(0, 0.02^2), zero biases."""
        nn.init.normal_(self.queries, std=0.02)
        std = 0.25 * self.queries.shape[1] ** -0.5
        for block in (self.read_block, *self.blocks):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=std)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    def forward(self, points_BN6: Tensor) -> Tensor:
        """Encode points (xyz in about [-1, 1], unit normals); the rows come in the order of the queries.

        The result depends on the set of the points, not on their order. With ``recompute_activations`` the
        blocks are run again in the backward pass instead of keeping what they computed.
        """
        features_BNF = torch.cat(
            [fourier_features(points_BN6[..., :3], self.frequencies), points_BN6[..., 3:]], dim=-1
        )
        data_BNW = self.point_projection(features_BNF)
        x_BQW = self.queries.expand(len(points_BN6), -1, -1)
        recompute = self.recompute_activations and torch.is_grad_enabled()
        if recompute:
            x_BQW = checkpoint(self.read_block, x_BQW, data_BNW, use_reentrant=False)
        else:
            x_BQW = self.read_block(x_BQW, data_BNW)
        for block in self.blocks:
            x_BQW = checkpoint(block, x_BQW, use_reentrant=False) if recompute else block(x_BQW)
        return self.final_norm(x_BQW)
