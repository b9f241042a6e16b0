"""Attention with L2-normalised queries and keys, as Mesh Silksong uses it, and a key/value cache.

The scores are ten times the cosine between query and key, so no learned scale is needed and the logits of the
softmax stay within [-10, 10]. Heads are 64 channels wide whatever the model's width.

Shape suffixes: B batch, T query tokens, S key tokens, D model width, C context width, H heads, E head width
(64), M memory slots.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.packing import Packing
from model.layers.slots import Places, SlotCache

HEAD_WIDTH = 64
SCORE_SCALE = 10.0

attend = partial(functional.scaled_dot_product_attention, scale=SCORE_SCALE)
"""Attention over cosine scores: queries and keys are of unit length."""


def split_heads(x_BTD: Tensor, heads: int) -> Tensor:
    """View (B, T, H*E) as (B, H, T, E); the head is the outer of the two channel indices."""
    return x_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x_BHTE: Tensor) -> Tensor:
    """Undo ``split_heads``: (B, H, T, E) to (B, T, H*E)."""
    return x_BHTE.transpose(1, 2).flatten(-2)


def unit_length(x_BHTE: Tensor) -> Tensor:
    """Divide by the L2 norm over the channels (at least 1e-12), in the input's dtype."""
    return functional.normalize(x_BHTE, dim=-1, eps=1e-12).to(x_BHTE.dtype)


class KeyValueCache:
    """Keys and values of rows in step with each other, in memory taken once for ``capacity`` tokens.

    The buffers are made at the first ``append``, in the dtype and on the device of what is appended.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self._keys_BHSE: Tensor | None = None
        self._values_BHSE: Tensor | None = None

    def append(self, keys_BHTE: Tensor, values_BHTE: Tensor) -> tuple[Tensor, Tensor]:
        """Store T more tokens and return views of all keys and values so far.

        Raises:
            ValueError: the capacity is exceeded.
        """
        end = self.length + keys_BHTE.shape[2]
        if end > self.capacity:
            raise ValueError(f"{end} tokens do not fit a cache of {self.capacity}; give it a larger capacity")
        if self._keys_BHSE is None or self._values_BHSE is None:
            B, H, _, E = keys_BHTE.shape
            self._keys_BHSE = keys_BHTE.new_empty(B, H, self.capacity, E)
            self._values_BHSE = values_BHTE.new_empty(B, H, self.capacity, E)
        self._keys_BHSE[:, :, self.length : end] = keys_BHTE
        self._values_BHSE[:, :, self.length : end] = values_BHTE
        self.length = end
        return self._keys_BHSE[:, :, :end], self._values_BHSE[:, :, :end]


class CausalCosineAttention(nn.Module):
    """Causal self-attention over cosine scores; no biases, no learned scale (arXiv 2507.02477, decoder)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_k = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_v = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Linear(heads * HEAD_WIDTH, width, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        cache: SlotCache | None = None,
        places: Places | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Attend from each token to itself and those before it; (B, T, D) to (B, T, D).

        With a cache and places, ``x_BTD`` holds the next tokens of each slot; with a packing, all rows as
        one.
        """
        q_BHTE = unit_length(split_heads(self.to_q(x_BTD), self.heads))
        k_BHSE = unit_length(split_heads(self.to_k(x_BTD), self.heads))
        v_BHSE = split_heads(self.to_v(x_BTD), self.heads)
        if packing is not None:
            y_BHTE = packing.attend_causally(q_BHTE, k_BHSE, v_BHSE, SCORE_SCALE)
        elif cache is not None and places is not None:
            k_BHSE, v_BHSE = cache.write(k_BHSE, v_BHSE, places)
            y_BHTE = attend(q_BHTE, k_BHSE, v_BHSE, attn_mask=places.is_seen)
        else:
            y_BHTE = attend(q_BHTE, k_BHSE, v_BHSE, is_causal=True)
        return self.to_out(merge_heads(y_BHTE))


class CosineCrossAttention(nn.Module):
    """Cross-attention over cosine scores, with learned memory slots in front of the context.

    The memory keys are normalised like the others, the memory values are used as they are.
    """

    def __init__(self, width: int, heads: int, context_width: int, n_memories: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.memory_keys = nn.Parameter(torch.randn(heads, n_memories, HEAD_WIDTH))
        self.memory_values = nn.Parameter(torch.randn(heads, n_memories, HEAD_WIDTH))
        self.to_q = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_k = nn.Linear(context_width, heads * HEAD_WIDTH, bias=False)
        self.to_v = nn.Linear(context_width, heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Linear(heads * HEAD_WIDTH, width, bias=False)

    def keys_values(self, context_BSC: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised keys and values (B, H, M+S, E) of a context; constant while a sequence is generated."""
        B = context_BSC.shape[0]
        k_BHSE = split_heads(self.to_k(context_BSC), self.heads)
        v_BHSE = split_heads(self.to_v(context_BSC), self.heads)
        memory_keys_BHME = self.memory_keys.to(k_BHSE.dtype).expand(B, -1, -1, -1)
        memory_values_BHME = self.memory_values.to(v_BHSE.dtype).expand(B, -1, -1, -1)
        k_BHSE = unit_length(torch.cat([memory_keys_BHME, k_BHSE], dim=2))
        return k_BHSE, torch.cat([memory_values_BHME, v_BHSE], dim=2)

    def forward(
        self, x_BTD: Tensor, keys_values_BHSE: tuple[Tensor, Tensor], packing: Packing | None = None
    ) -> Tensor:
        """Attend from each token to all of ``keys_values(context)``; (B, T, D) to (B, T, D).

        With a packing, ``x_BTD`` holds all rows as one, and each attends to its own context.
        """
        k_BHSE, v_BHSE = keys_values_BHSE
        q_BHTE = unit_length(split_heads(self.to_q(x_BTD), self.heads))
        if packing is not None:
            y_BHTE = packing.attend_to_contexts(q_BHTE, k_BHSE, v_BHSE, SCORE_SCALE)
        else:
            y_BHTE = attend(q_BHTE, k_BHSE, v_BHSE)
        return self.to_out(merge_heads(y_BHTE))
