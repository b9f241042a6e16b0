"""The decoder of tokens that both stages of the transformer use, and its key/value caches.

Shape suffixes: B batch, T query tokens, S key tokens, D width, C width of the text features, H heads, E head
width, M memory slots.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.attention import KeyValueCache, merge_heads, split_heads
from model.layers.feed_forward import GatedFeedForward
from model.layers.packing import Packing


class GainNorm(nn.Module):
    """LayerNorm without bias whose gain is stored as its difference from one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain_minus_one = nn.Parameter(torch.zeros(width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Keep the shape (.., D)."""
        return functional.layer_norm(x_BTD, x_BTD.shape[-1:], 1 + self.gain_minus_one)


@dataclass
class LayerCaches:
    """Keys and values of each layer's self-attention; learned memories come first."""

    capacity: int
    caches: list[KeyValueCache] = field(default_factory=list)

    def of(self, layer: int) -> KeyValueCache:
        """The cache of a layer; made where it is asked for the first time."""
        while len(self.caches) <= layer:
            self.caches.append(KeyValueCache(self.capacity))
        return self.caches[layer]


class MemoryAttention(nn.Module):
    """Softmax attention with learned keys and values that every token sees.

    Args:
        width: channels of the queries.
        context_width: channels of what keys and values are made of.
        has_mix: whether values are mixed with those of the first layer, token by token and head by head.
    """

    def __init__(
        self, width: int, context_width: int, heads: int, head_width: int, n_memories: int, has_mix: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.memory_keys = nn.Parameter(torch.randn(heads, n_memories, head_width))
        self.memory_values = nn.Parameter(torch.randn(heads, n_memories, head_width))
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(context_width, inner, bias=False)
        self.to_v = nn.Linear(context_width, inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)
        self.to_mix = nn.Linear(width, heads) if has_mix else None

    def values(self, context_BSC: Tensor) -> Tensor:
        """Values (B, H, S, E) before any mix."""
        return split_heads(self.to_v(context_BSC), self.heads)

    def attend_back(
        self,
        x_BTD: Tensor,
        values_BHTE: Tensor,
        first_values_BHTE: Tensor,
        cache: KeyValueCache | None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Self-attention from each token to itself and those before it, in the cache included.

        Several tokens can only be given to a cache that is empty. With a packing, all rows are one.
        """
        if self.to_mix is not None:
            mix_BHT1 = self.to_mix(x_BTD).sigmoid().transpose(1, 2).unsqueeze(-1)
            values_BHTE = mix_BHT1 * values_BHTE + (1 - mix_BHT1) * first_values_BHTE
        q_BHTE = split_heads(self.to_q(x_BTD), self.heads)
        k_BHSE = split_heads(self.to_k(x_BTD), self.heads)
        if packing is not None:
            rows = zip(packing.rows(q_BHTE), packing.rows(k_BHSE), packing.rows(values_BHTE), strict=True)
            y_BHTE = packing.join([_attend_back(q, *self._with_memories(k, v)) for q, k, v in rows])
            return self.to_out(merge_heads(y_BHTE))
        if cache is None or not cache.length:
            k_BHSE, values_BHTE = self._with_memories(k_BHSE, values_BHTE)
        if cache is not None:
            k_BHSE, values_BHTE = cache.append(k_BHSE, values_BHTE)
        return self.to_out(merge_heads(_attend_back(q_BHTE, k_BHSE, values_BHTE)))

    def attend_text(
        self,
        x_BTD: Tensor,
        context_BSC: Tensor,
        values_BHSE: Tensor,
        is_text_BS: Tensor,
        packing: Packing | None = None,
    ) -> Tensor:
        """Cross-attention to the memories and to the text that is not masked.

        With a packing, (1, T, D) holds the rows of B texts.
        """
        q_BHTE = split_heads(self.to_q(x_BTD), self.heads)
        k_BHSE, v_BHSE = self._with_memories(split_heads(self.to_k(context_BSC), self.heads), values_BHSE)
        is_seen_BS = functional.pad(is_text_BS, (self.memory_keys.shape[1], 0), value=True)
        is_seen_B11S = is_seen_BS[:, None, None]
        attend = functional.scaled_dot_product_attention
        if packing is None:
            y_BHTE = attend(q_BHTE, k_BHSE, v_BHSE, attn_mask=is_seen_B11S)
        else:
            texts = zip(k_BHSE.split(1), v_BHSE.split(1), is_seen_B11S.split(1), strict=True)
            rows = zip(packing.rows(q_BHTE), texts, strict=True)
            y_BHTE = packing.join([attend(q, k, v, attn_mask=is_seen) for q, (k, v, is_seen) in rows])
        return self.to_out(merge_heads(y_BHTE))

    def _with_memories(self, k_BHSE: Tensor, v_BHSE: Tensor) -> tuple[Tensor, Tensor]:
        B = len(k_BHSE)
        keys_BHME = self.memory_keys.to(k_BHSE.dtype).expand(B, -1, -1, -1)
        values_BHME = self.memory_values.to(v_BHSE.dtype).expand(B, -1, -1, -1)
        return torch.cat([keys_BHME, k_BHSE], dim=2), torch.cat([values_BHME, v_BHSE], dim=2)


def _attend_back(q_BHTE: Tensor, k_BHSE: Tensor, v_BHSE: Tensor) -> Tensor:
    """Attention (B, H, T, E) whose queries are the last of the keys: each sees its own and all before it."""
    T, S = q_BHTE.shape[2], k_BHSE.shape[2]
    is_seen_TS = torch.ones(T, S, dtype=torch.bool, device=q_BHTE.device).tril(S - T) if T > 1 else None
    return functional.scaled_dot_product_attention(q_BHTE, k_BHSE, v_BHSE, attn_mask=is_seen_TS)


class FirstValues(NamedTuple):
    """What the first layer attends to, and all others mix with theirs."""

    of_tokens: Tensor
    """(B, H, T, E)."""
    of_text: Tensor | None
    """(B, H, S, E), where the layers attend to text."""


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention where there is text, feed-forward; each pre-normed and residual."""

    def __init__(
        self, width: int, heads: int, head_width: int, n_memories: int, text_width: int | None, is_first: bool
    ) -> None:
        super().__init__()
        self.self_norm = GainNorm(width)
        self.self_attention = MemoryAttention(width, width, heads, head_width, n_memories, not is_first)
        self.cross_norm = GainNorm(width) if text_width else None
        self.cross_attention = (
            MemoryAttention(width, text_width, heads, head_width, n_memories, False) if text_width else None
        )
        self.feed_forward_norm = GainNorm(width)
        self.feed_forward = GatedFeedForward(width)

    def forward(
        self,
        x_BTD: Tensor,
        text_BSC: Tensor | None,
        is_text_BS: Tensor | None,
        first: FirstValues | None,
        cache: KeyValueCache | None,
        packing: Packing | None = None,
    ) -> tuple[Tensor, FirstValues]:
        """Map (B, T, D) to (B, T, D), and hand on the first layer's values; to that one none are given.

        Raises:
            ValueError: the layer attends to text, and there is none.
        """
        y_BTD = self.self_norm(x_BTD)
        values_BHTE = self.self_attention.values(y_BTD)
        first_BHTE = first.of_tokens if first is not None else values_BHTE
        x_BTD = x_BTD + self.self_attention.attend_back(y_BTD, values_BHTE, first_BHTE, cache, packing)
        text_values_BHSE = None
        if self.cross_attention is not None and self.cross_norm is not None:
            if text_BSC is None or is_text_BS is None:
                raise ValueError("these layers attend to text; give its features and their mask")
            text_values_BHSE = self.cross_attention.values(text_BSC)
            if first is not None and first.of_text is not None:
                text_values_BHSE = (text_values_BHSE + first.of_text) / 2
            x_BTD = x_BTD + self.cross_attention.attend_text(
                self.cross_norm(x_BTD), text_BSC, text_values_BHSE, is_text_BS, packing
            )
        x_BTD = x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))
        if first is None:  # copies, since what a block gives under FSDP2 must not be a view
            text = text_values_BHSE.contiguous() if text_values_BHSE is not None else None
            first = FirstValues(values_BHTE.contiguous(), text)
        return x_BTD, first


class Decoder(nn.Module):
    """Causal layers whose values are mixed with those of the first layer (arXiv 2410.17897).

    Args:
        text_width: channels of the text that the layers attend to; none for no text.
        out_width: channels of what comes out, where these are others.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        head_width: int,
        n_memories: int,
        text_width: int | None,
        out_width: int | None = None,
    ) -> None:
        super().__init__()
        self.n_memories = n_memories
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, head_width, n_memories, text_width, is_first=i == 0)
            for i in range(depth)
        )
        self.final_norm = GainNorm(width)
        self.to_out = nn.Linear(width, out_width) if out_width not in (None, width) else nn.Identity()

    def caches(self, n_tokens: int) -> LayerCaches:
        """Empty caches for a sequence of up to `n_tokens`."""
        return LayerCaches(n_tokens + self.n_memories)

    def forward(
        self,
        x_BTD: Tensor,
        text_BSC: Tensor | None = None,
        is_text_BS: Tensor | None = None,
        caches: LayerCaches | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D); with caches, the tokens follow those that are cached.

        With a packing, (1, T, D) holds the rows of B texts.

        Args:
            text_BSC: features of the text, where the layers were made for it.
            is_text_BS: which of them are not padding.
        """
        first: FirstValues | None = None
        for i, layer in enumerate(self.layers):
            cache = caches.of(i) if caches is not None else None
            x_BTD, first = layer(x_BTD, text_BSC, is_text_BS, first, cache, packing)
        return self.to_out(self.final_norm(x_BTD))
