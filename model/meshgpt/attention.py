"""The optional attention over faces: linear over all, softmax over a window, and a feed-forward.

Shape suffixes: B batch, F faces, W width, H heads, E head width, P products of head channels, S windows,
L window length, J keys that a window sees (3 L).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.feed_forward import GatedFeedForward
from model.meshgpt.config import AutoencoderConfig

ROTARY_BASE = 10_000.0


class RootMeanSquareNorm(nn.Module):
    """``gain * sqrt(W) * x / |x|``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x_BFW: Tensor) -> Tensor:
        """Keep the shape (.., W)."""
        return functional.normalize(x_BFW, dim=-1) * math.sqrt(x_BFW.shape[-1]) * self.gain


class LinearAttention(nn.Module):
    """Attention by the second-order Taylor series of the exponential: linear cost (arXiv 2312.04927)."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = RootMeanSquareNorm(width)
        self.to_q = nn.Linear(width, heads * head_width, bias=False)
        self.to_kv = nn.Linear(width, 2 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, width, bias=False)

    def forward(self, x_BFW: Tensor, is_face_BF: Tensor) -> Tensor:
        """Attend from each face to all valid ones; (B, F, W) to (B, F, W)."""
        x_BFW = self.norm(x_BFW)
        q_BHFE = self._heads(self.to_q(x_BFW))
        k_BHFE, v_BHFE = (self._heads(half) for half in self.to_kv(x_BFW).chunk(2, dim=-1))
        is_face_BHFE = is_face_BF[:, None, :, None]
        q_BHFP = _taylor_features(q_BHFE * q_BHFE.shape[-1] ** -0.5)
        k_BHFP = _taylor_features(k_BHFE) * is_face_BHFE
        sums_BHPE = k_BHFP.transpose(-1, -2) @ (v_BHFE * is_face_BHFE)
        weights_BHF1 = q_BHFP @ k_BHFP.sum(-2).unsqueeze(-1)
        y_BHFE = q_BHFP @ sums_BHPE / weights_BHF1.clamp(min=1e-5)
        return self.to_out(y_BHFE.transpose(1, 2).flatten(-2))

    def _heads(self, x_BFW: Tensor) -> Tensor:
        return x_BFW.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _taylor_features(x: Tensor) -> Tensor:
    products = (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2) / math.sqrt(2)
    return torch.cat([torch.ones_like(x[..., :1]), x, products], dim=-1)


class LocalAttention(nn.Module):
    """Softmax attention of each face to those at most a window away, with rotary positions."""

    def __init__(self, width: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.heads = config.local_heads
        self.window = config.attention_window
        self.first_query = self.window if config.rotary_queries == "middle" else 2 * self.window
        inner = config.local_heads * config.local_head_width
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, x_BFW: Tensor, is_face_BF: Tensor) -> Tensor:
        """Map (B, F, W) to (B, F, W); a face none of whose neighbours is valid gets zeros."""
        F, L = x_BFW.shape[1], self.window
        n_padding = -F % L
        packed_BFW = functional.pad(self.to_qkv(self.norm(x_BFW)), (0, 0, 0, n_padding))
        q_BHSLE, k_BHSLE, v_BHSLE = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2).unflatten(2, (-1, L))
            for part in packed_BFW.chunk(3, dim=-1)
        )
        is_key_BSL = functional.pad(is_face_BF, (0, n_padding)).unflatten(1, (-1, L))
        positions_J = torch.arange(3 * L, device=x_BFW.device)
        k_BHSJE = rotate(_with_neighbours(k_BHSLE, dim=2), positions_J)
        q_BHSLE = rotate(q_BHSLE, positions_J[:L] + self.first_query)
        is_key_BSJ = _with_neighbours(is_key_BSL, dim=1)
        is_near_LJ = (positions_J[None, :] - positions_J[L : 2 * L, None]).abs() <= L
        is_seen_B1SLJ = (is_key_BSJ[:, :, None] & is_near_LJ).unsqueeze(1)
        y_BHSLE = functional.scaled_dot_product_attention(
            q_BHSLE, k_BHSJE, _with_neighbours(v_BHSLE, dim=2), attn_mask=is_seen_B1SLJ
        )
        y_BHSLE = y_BHSLE.masked_fill(~is_seen_B1SLJ.any(-1, keepdim=True), 0)
        return self.to_out(y_BHSLE.flatten(2, 3)[:, :, :F].transpose(1, 2).flatten(-2))


def _with_neighbours(x: Tensor, dim: int) -> Tensor:
    """Each window between the one before and the one behind, zeros beyond the ends."""
    padding = torch.zeros_like(x.narrow(dim, 0, 1))
    padded = torch.cat([padding, x, padding], dim=dim)
    n = x.shape[dim]
    return torch.cat([padded.narrow(dim, i, n) for i in range(3)], dim=dim + 1)


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary positions (arXiv 2104.09864) that turn channel i with channel i + E/2."""
    half = x.shape[-1] // 2
    frequencies = ROTARY_BASE ** -(torch.arange(half, device=x.device) / half)
    angles = positions[:, None] * frequencies
    cosines, sines = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    first, second = x.split(half, dim=-1)
    return x * cosines + torch.cat([-second, first], dim=-1) * sines


class FaceAttention(nn.Module):
    """One block: linear attention, local attention and feed-forward, each residual."""

    def __init__(self, width: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.linear_attention = (
            LinearAttention(width, config.linear_heads, config.linear_head_width)
            if config.has_linear_attention
            else None
        )
        self.local_attention = LocalAttention(width, config)
        self.feed_forward_norm = RootMeanSquareNorm(width)
        self.feed_forward = GatedFeedForward(width)

    def forward(self, x_BFW: Tensor, is_face_BF: Tensor) -> Tensor:
        """Map (B, F, W) to (B, F, W)."""
        if self.linear_attention is not None:
            x_BFW = x_BFW + self.linear_attention(x_BFW, is_face_BF)
        x_BFW = x_BFW + self.local_attention(x_BFW, is_face_BF)
        return x_BFW + self.feed_forward(self.feed_forward_norm(x_BFW))
