"""The transformer behind the interface of meshgpt-pytorch.

Shapes: b meshes, nv vertices, nf faces, k corners of a face, L codes, q codes of a corner, s text tokens of c
channels.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from model.layers.sampling import keep_top_k
from model.meshgpt import transformer
from model.meshgpt.adapter.autoencoder import MeshAutoencoder
from model.meshgpt.adapter.options import Compat, own_options
from model.meshgpt.config import TransformerConfig
from model.meshgpt.generate import Guidance, generate
from model.meshgpt.modules import PADDING
from model.meshgpt.reference import (
    AUTOENCODER,
    load_transformer,
    reference_state_dict,
    transformer_state_dict,
)
from model.meshgpt.text import Text, read_text

TOP_SHARE = 0.1
"""Of the ids, that are kept when codes are drawn."""


class MeshTransformer(nn.Module):
    """The next code of a mesh.

    Args:
        autoencoder: makes the codes; it is not trained here.
        compat: the release whose mistakes are kept; none by default.
        text_encoder: from texts to their features (b, s, c), padded with -1, for calls with `texts`.
        options: those of meshgpt-pytorch.

    Raises:
        ValueError: an option is unknown, or none of ours; all such are named.
    """

    def __init__(
        self,
        autoencoder: MeshAutoencoder,
        *,
        compat: Compat | None = None,
        text_encoder: Callable[[Sequence[str]], Tensor] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder
        config = TransformerConfig.from_reference(
            own_options(options, is_autoencoder=False), autoencoder.config, has_quirks=compat is not None
        )
        self.network = transformer.MeshTransformer(config)

    @property
    def config(self) -> TransformerConfig:
        """Of the network."""
        return self.network.config

    def forward(
        self,
        codes: Tensor | None = None,
        *,
        vertices: Tensor | None = None,
        faces: Tensor | None = None,
        face_edges: Tensor | None = None,
        texts: Sequence[str] | None = None,
        text_embeds: Tensor | None = None,
        cond_drop_prob: float | None = None,
        return_loss: bool = True,
    ) -> Tensor:
        """The loss (nats for each code), or logits (b, L + 1, ids).

        Args:
            codes: (b, L) or (b, nf k, q); made of `vertices` and `faces` where there are none.
            text_embeds: (b, s, c) padded with -1, in the place of `texts`.
            cond_drop_prob: share of texts that are left out; by default that of the options, in training.
        """
        if (codes is None) == (vertices is None or faces is None):
            raise ValueError("give either codes, or vertices and faces")
        if codes is None:
            assert vertices is not None
            assert faces is not None
            codes = self.autoencoder.tokenize(vertices, faces, face_edges)
        text = self._text(texts, text_embeds)
        if cond_drop_prob is None:
            cond_drop_prob = self.config.text_drop if self.training else 0.0
        if text is not None and cond_drop_prob > 0:
            text = text.without(torch.rand(len(text.features), device=text.features.device) < cond_drop_prob)
        codes = codes.flatten(1)
        return self.network.loss(codes, text) if return_loss else self.network(codes, text)

    @torch.no_grad()
    def generate(
        self,
        prompt: Tensor | None = None,
        batch_size: int = 1,
        filter_logits_fn: Callable[..., Tensor] | None = None,
        filter_kwargs: dict[str, Any] | None = None,
        temperature: float = 1.0,
        texts: Sequence[str] | None = None,
        text_embeds: Tensor | None = None,
        cond_scale: float = 1.0,
        cache_kv: bool = True,
        max_seq_len: int | None = None,
        return_codes: bool = False,
        face_coords_to_file: Callable[[Tensor], Any] | None = None,
        remove_parallel_component: bool = False,
        keep_parallel_frac: float = 0.0,
        rescale_phi: float = 0.0,
    ) -> Any:
        """Coordinates (b, nf, k, 3), NaN for padding, and which faces are valid; whole faces only.

        Args:
            prompt: codes that each mesh begins with, (b, L) or (b, n, q).
            filter_logits_fn: from logits (b, ids), and `filter_kwargs`, to logits, what is not to be drawn
                at -inf; by default the tenth of largest logits is kept.
            temperature: 0 takes the most likely codes.
            cond_scale: guidance by the text, from 1 for none.
            cache_kv: keys and values are always kept; without, the same codes would only take longer.
            max_seq_len: codes at most.
            return_codes: codes (b, nf k, q) instead, padded with -1.
            face_coords_to_file: called with the coordinates (nf, k, 3) of each mesh; its results instead.
            remove_parallel_component: leave out the guidance along the logits, but for `keep_parallel_frac`.
            rescale_phi: share of logits brought back to the spread of those without guidance.
        """
        text = self._text(texts, text_embeds)
        parallel = keep_parallel_frac if remove_parallel_component else 1.0
        guidance = (
            Guidance(cond_scale, parallel, rescale_phi) if text is not None or cond_scale != 1 else None
        )

        def choose(logits: Tensor) -> Tensor:
            if temperature == 0:
                return logits.argmax(-1)
            if filter_logits_fn is None:
                logits = keep_top_k(logits, math.ceil(TOP_SHARE * logits.shape[-1]))
            else:
                logits = filter_logits_fn(logits, **(filter_kwargs or {}))
            return (logits / temperature).softmax(-1).multinomial(1).squeeze(-1)

        rows = generate(
            self.network,
            max_seq_len if max_seq_len is not None else self.config.max_tokens,
            choose,
            len(text.features) if text is not None else batch_size,
            prompt.flatten(1) if prompt is not None else None,
            text,
            guidance,
        )
        codes = nn.utils.rnn.pad_sequence(
            [row.codes for row in rows], batch_first=True, padding_value=PADDING
        )
        if return_codes:
            return codes.unflatten(-1, (self.config.n_corners, -1)).flatten(1, 2)
        coordinates, face_mask = self.autoencoder.decode_from_codes_to_faces(codes)
        if face_coords_to_file is None:
            return coordinates, face_mask
        return [face_coords_to_file(mesh[mask]) for mesh, mask in zip(coordinates, face_mask, strict=True)]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (b, s, c) of texts. Raises ValueError where there is no `text_encoder`."""
        if self.text_encoder is None:
            raise ValueError("texts need text_encoder=, a function to features; or give text_embeds")
        return self.text_encoder(texts)

    def save(self, path: str | Path) -> None:
        """Write the weights, with those of the autoencoder, as safetensors with the reference's keys."""
        beside = reference_state_dict(self.autoencoder.network)
        tensors = {AUTOENCODER + key: tensor for key, tensor in beside.items()}
        tensors |= transformer_state_dict(self.network)
        save_file({key: tensor.detach().cpu().clone() for key, tensor in tensors.items()}, str(path))

    def load(self, path: str | Path) -> None:
        """Take the reference's weights, of a network of the same options; the autoencoder keeps its own.

        Raises KeyError or ValueError where they do not fit.
        """
        found = load_transformer(path, self.config)
        self.network.load_state_dict(found.state_dict())
        self.network.carried = found.carried

    def _text(self, texts: Sequence[str] | None, text_embeds: Tensor | None) -> Text | None:
        if text_embeds is None and texts is not None:
            text_embeds = self.embed_texts(texts)
        return read_text(text_embeds) if text_embeds is not None else None
