"""The Silksong network: a point encoder, and a token decoder that cross-attends to it (arXiv 2507.02477).

    model = SilksongModel(SilksongConfig.tiny())
    condition = model.condition(points)          # (B, N, 6) -> (B, 1 + latents, context width)
    logits = model(tokens, condition)            # (B, n) padded with -1 -> (B, n + 1, vocabulary + 2)
    model.loss(tokens, condition).backward()
    rows = model.generate(condition, max_tokens=512, temperature=0.5, seed=0)

The decoder is a plain pre-norm stack of causal self-attention, cross-attention and gated feed-forward, behind
one learned start vector; logit i predicts token i.

Shape suffixes: B batch, N token count, T = N + 1 positions, D model width, C context width, S condition
vectors, V output classes (vocabulary, EOS, padding), P points, W encoder width, H heads, E head width.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.layers.attention import CausalCosineAttention, CosineCrossAttention
from model.layers.feed_forward import GatedFeedForward
from model.layers.packing import Packing
from model.layers.point_encoder import PointEncoder
from model.layers.slots import Places, SlotCache
from model.silksong import generate as generation
from model.silksong.config import SilksongConfig
from model.silksong.counts import CountEmbedding
from model.silksong.loss import PADDING, chunked_cross_entropy, labels_of

KINDS = ("in_layer_one", "in_layer_zero", "between_layers", "block", "offset")


class DecoderBlock(nn.Module):
    """Causal self-attention, cross-attention, gated feed-forward: each ``y + f(LayerNorm(y))``."""

    def __init__(self, config: SilksongConfig) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(config.width)
        self.self_attention = CausalCosineAttention(config.width, config.heads)
        self.cross_norm = nn.LayerNorm(config.width)
        self.cross_attention = CosineCrossAttention(config.width, config.heads, config.context_width)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = GatedFeedForward(config.width)

    def forward(
        self,
        x_BTD: Tensor,
        context: Tensor | tuple[Tensor, Tensor],
        cache: SlotCache | None = None,
        places: Places | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Update (B, T, D) from the context (B, S, C), or from what ``keys_values(context)`` made of it.

        With a packing, (1, T, D) holds the rows of B contexts.
        """
        keys_values_BHSE = self.keys_values(context) if isinstance(context, Tensor) else context
        x_BTD = x_BTD + self.self_attention(self.self_norm(x_BTD), cache, places, packing)
        x_BTD = x_BTD + self.cross_attention(self.cross_norm(x_BTD), keys_values_BHSE, packing)
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))

    def keys_values(self, context_BSC: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the context, with the memory slots in front; constant during generation."""
        return self.cross_attention.keys_values(context_BSC)


class SilksongModel(nn.Module):
    """Point cloud in, logits of the next token out; see the head of this file for its use.

    ``carried`` holds tensors of a reference checkpoint that no computation uses, so that they can be written
    back. They are neither parameters nor buffers. ``recompute_activations`` trades time for memory in
    training.
    """

    def __init__(self, config: SilksongConfig) -> None:
        super().__init__()
        self.config = config
        self.carried: dict[str, Tensor] = {}
        encoder = config.encoder
        self.encoder = PointEncoder(
            encoder.width, encoder.heads, encoder.layers, encoder.num_latents, encoder.frequencies
        )
        self.global_projection = nn.Linear(encoder.width, config.context_width)
        self.latent_projection = nn.Linear(encoder.width, config.context_width)
        self.token_embedding = nn.Embedding(config.vocab_size + 2, config.width)
        self.position_embedding = nn.Embedding(config.max_tokens, config.width)
        self.start_vector = nn.Parameter(torch.empty(config.width))
        self.kind_vectors = nn.ParameterDict(
            {kind: nn.Parameter(torch.empty(1, config.width)) for kind in KINDS if config.kind_bounds}
        )
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.depth))
        self.final_norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocab_size + 2)
        self._initialize_embeddings()
        # Last, so that it takes no random numbers from the others.
        self.counts = CountEmbedding(config.context_width) if config.count_condition else None

    def _initialize_embeddings(self) -> None:
        std = 1.0 if self.config.initialization == "reference" else 0.02
        for parameter in (
            self.token_embedding.weight,
            self.position_embedding.weight,
            self.start_vector,
            *self.kind_vectors.values(),
        ):
            nn.init.normal_(parameter, std=std)

    @property
    def recompute_activations(self) -> bool:
        """Whether blocks of encoder and decoder are run again in the backward pass."""
        return self.encoder.recompute_activations

    @recompute_activations.setter
    def recompute_activations(self, value: bool) -> None:
        self.encoder.recompute_activations = value

    def decoder_blocks(self) -> list[DecoderBlock]:
        """The decoder's blocks, first to last."""
        return [block for block in self.blocks if isinstance(block, DecoderBlock)]

    def condition(self, points_BP6: Tensor, counts_B2: Tensor | None = None) -> Tensor:
        """Encode points with unit normals (B, P, 6) to the condition (B, 1 + latents, C).

        Args:
            counts_B2: faces and components of the mesh to come, int64, 0 for unsaid; ``None`` says nothing.

        Raises:
            ValueError: there are counts, and the model reads none.
            FloatingPointError: the result has a NaN.
        """
        rows_BSW = self.encoder(points_BP6)
        global_B1C = self.global_projection(rows_BSW[:, :1])
        if counts_B2 is not None:
            if self.counts is None:
                raise ValueError("the model reads no counts; train one with count_condition, or say none")
            global_B1C = global_B1C + self.counts(counts_B2).unsqueeze(1).to(global_B1C.dtype)
        condition_BSC = torch.cat([global_B1C, self.latent_projection(rows_BSW[:, 1:])], dim=1)
        if bool(condition_BSC.isnan().any()):
            raise FloatingPointError(
                "the shape condition has NaN; look at the points or at the encoder's weights"
            )
        return condition_BSC

    def embed(self, tokens_BN: Tensor, positions_BN: Tensor | None = None) -> Tensor:
        """Sum of token, position and kind vectors (B, N, D); -1 is looked up as the padding row.

        Args:
            positions_BN: place of each token in its row, int64; 0, 1, 2 .. by default.

        Raises:
            ValueError: the row is longer than the position table.
        """
        N = tokens_BN.shape[1]
        if self.config.max_tokens < N:
            raise ValueError(
                f"{N} tokens exceed max_tokens {self.config.max_tokens}; drop the row or raise the limit"
            )
        ids_BN = tokens_BN.masked_fill(tokens_BN == PADDING, self.config.pad_row)
        x_BND = self.token_embedding(ids_BN)
        if positions_BN is None:
            x_BND = x_BND + self.position_embedding.weight[:N]
        else:
            x_BND = x_BND + self.position_embedding(positions_BN)
        if self.config.kind_bounds:
            none_1D = torch.zeros_like(self.start_vector).unsqueeze(0)
            table_7D = torch.cat([none_1D, *(self.kind_vectors[kind] for kind in KINDS), none_1D])
            kind_BN = torch.zeros_like(ids_BN)
            for bound in self.config.kind_bounds:
                kind_BN = kind_BN + (ids_BN >= bound)
            x_BND = x_BND + table_7D[kind_BN]
        return x_BND

    def embed_with_start(self, tokens_BN: Tensor) -> Tensor:
        """The decoder's input (B, N + 1, D): the start vector, then the embedded tokens."""
        start_B1D = self.start_vector.expand(len(tokens_BN), 1, -1)
        return torch.cat([start_B1D, self.embed(tokens_BN).to(start_B1D.dtype)], dim=1)

    def hidden(self, tokens_BN: Tensor, condition_BSC: Tensor, packing: Packing | None = None) -> Tensor:
        """Output of the final norm (B, N + 1, D); with a packing of it, only what is read (1, T, D)."""
        x_BTD = self.embed_with_start(tokens_BN)
        if packing is not None:
            x_BTD = packing.pack(x_BTD)
        recompute = self.recompute_activations and torch.is_grad_enabled()
        for block in self.decoder_blocks():
            if recompute:
                x_BTD = checkpoint(block, x_BTD, condition_BSC, None, None, packing, use_reentrant=False)
            else:
                x_BTD = block(x_BTD, condition_BSC, packing=packing)
        return self.final_norm(x_BTD)

    def step(
        self,
        tokens_BT: Tensor,
        positions_BT: Tensor,
        window: int,
        contexts_BHSE: Sequence[tuple[Tensor, Tensor]],
        caches: Sequence[SlotCache],
    ) -> Tensor:
        """Let each slot read T positions in a row; float32 logits (B, T, V) of the tokens that come there.

        Args:
            tokens_BT: the token before each position; at position 0 the start vector takes its place.
            positions_BT: int64, below ``window``. What is read after the model's last position says nothing.
            window: places of the caches that are looked at.
            contexts_BHSE: of each block, ``keys_values`` of the slots' conditions.
            caches: of each block.
        """
        places = Places.of(positions_BT, window)
        x_BTD = self.embed(tokens_BT, (positions_BT - 1).clamp(0, self.config.max_tokens - 1))
        is_first_BT1 = (positions_BT == 0).unsqueeze(2)
        x_BTD = torch.where(is_first_BT1, self.start_vector, x_BTD.to(self.start_vector.dtype))
        for block, context_BHSE, cache in zip(self.decoder_blocks(), contexts_BHSE, caches, strict=True):
            x_BTD = block(x_BTD, context_BHSE, cache, places)
        return self.head(self.final_norm(x_BTD)).float()

    def forward(self, tokens_BN: Tensor, condition_BSC: Tensor) -> Tensor:
        """Logits (B, N + 1, V) of int64 tokens padded on the right with -1; logit i predicts token i."""
        return self.head(self.hidden(tokens_BN, condition_BSC))

    def token_loss_sum(self, tokens_BN: Tensor, condition_BSC: Tensor) -> tuple[Tensor, Tensor]:
        """Summed negative log-likelihood (nats) and the number of labels.

        Padding is not computed: the rows are packed. Sum both results across ranks before dividing to weigh
        every token alike.
        """
        labels_BT = labels_of(tokens_BN, self.config.eos_id)
        packing = self._packing(labels_BT != PADDING)
        hidden_1TD = self.hidden(labels_BT[:, :-1], condition_BSC, packing)
        return chunked_cross_entropy(hidden_1TD, self.head, packing.pack(labels_BT))

    def _packing(self, is_read_BT: Tensor) -> Packing:
        if self.config.packed_attention == "rows" or not is_read_BT.is_cuda:
            return Packing.of(is_read_BT)
        from model.layers.document_mask import MaskedPacking  # brings torch's compiler along: a second

        return MaskedPacking.of(is_read_BT)

    def loss(self, tokens_BN: Tensor, condition_BSC: Tensor) -> Tensor:
        """Mean negative log-likelihood (nats) over all labels of the batch, EOS included (scalar)."""
        total, count = self.token_loss_sum(tokens_BN, condition_BSC)
        return total / count

    def generate(
        self, condition_BSC: Tensor, max_tokens: int, temperature: float = 0.0, **options: Any
    ) -> list[np.ndarray]:
        """Token rows, int32 without EOS; see ``model.silksong.generate.generate_rows`` for the options."""
        rows = generation.generate_rows(self, condition_BSC, max_tokens, temperature, **options)
        return [row.tokens for row in rows]

    def generate_with_status(
        self, condition_BSC: Tensor, max_tokens: int, temperature: float = 0.0, **options: Any
    ) -> Sequence[generation.GeneratedRow]:
        """Token rows with the reason they stopped and the time they took."""
        return generation.generate_rows(self, condition_BSC, max_tokens, temperature, **options)
