"""Generation: one code after the other, with caches for both stages.

rows = generate(transformer, max_tokens=600, choose=greedy, batch_size=4)
codes = rows[0].codes                       # (F, T), for MeshAutoencoder.coordinates

Shape suffixes: B batch, L tokens so far, T tokens of a face, D width, V token ids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.meshgpt.decoder import LayerCaches
from model.meshgpt.gate_loop import GateLoop
from model.meshgpt.text import Text
from model.meshgpt.transformer import MeshTransformer

Choose = Callable[[Tensor], Tensor]
"""From logits (B, V) to ids (B,)."""


@dataclass(frozen=True)
class GeneratedCodes:
    """One mesh as codes, and why it stopped."""

    codes: Tensor
    """(F, T), int64: whole faces only."""
    stopped: Literal["end", "length"]


@dataclass(frozen=True)
class Guidance:
    """How far to go from the logits without text to those with it, and beyond (arXiv 2207.12598)."""

    scale: float = 1.0
    parallel_share: float = 1.0
    """What is kept of the update's part along the logits with text (arXiv 2410.02416)."""
    rescale: float = 0.0
    """Share of logits brought back to the spread of those with text (arXiv 2305.08891)."""

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError(f"the guidance scale is {self.scale}; give 1 for none, or more")

    def apply(self, with_text_BLV: Tensor, without_BLV: Tensor) -> Tensor:
        """Guided logits (B, L, V)."""
        update_BLV = with_text_BLV - without_BLV
        if self.parallel_share != 1:
            update_BLV = update_BLV - (1 - self.parallel_share) * _along(update_BLV, with_text_BLV)
        logits_BLV = with_text_BLV + (self.scale - 1) * update_BLV
        if self.rescale:
            spread = with_text_BLV.std(dim=1, keepdim=True) / logits_BLV.std(dim=1, keepdim=True)
            logits_BLV = logits_BLV * (1 + self.rescale * (spread - 1))
        return logits_BLV


def _along(update_BLV: Tensor, direction_BLV: Tensor) -> Tensor:
    """The part of each row's update along a direction, both taken as one long vector."""
    flat, unit = update_BLV.flatten(1).double(), direction_BLV.flatten(1).double()
    unit = torch.nn.functional.normalize(unit, dim=-1)
    return ((flat * unit).sum(-1, keepdim=True) * unit).view_as(update_BLV).to(update_BLV.dtype)


class Decoding:
    """The state of a batch of sequences: give one token of each, get the logits of the next."""

    def __init__(self, model: MeshTransformer, batch_size: int, max_tokens: int, text: Text | None) -> None:
        self.model = model
        self.text = text
        self.condition = model.condition(text)
        self.n_tokens = 0
        self.of_face: list[Tensor] = []
        T = model.config.tokens_per_face
        self.coarse_caches = model.coarse.caches(model.config.n_start_vectors + max_tokens // T)
        self.coarse_states: list[Tensor | None] = [None for _ in model.coarse_gates]
        self.fine_states: list[Tensor | None] = [None for _ in model.fine_gates]
        start_BXD = model.start_vectors.expand(batch_size, -1, -1)
        for i in range(start_BXD.shape[1]):
            coarse_B1D = self._coarse(start_BXD[:, i : i + 1])
        self.fine_caches: LayerCaches = model.fine.caches(T)
        self.logits_BV = self._fine(coarse_B1D)

    def advance(self, tokens_B: Tensor) -> Tensor:
        """Append a token to each sequence; the logits (B, V) of the next."""
        embedded_B1D = self.model.embed(tokens_B.unsqueeze(1), self.n_tokens)
        self.n_tokens += 1
        self.of_face.append(embedded_B1D)
        if len(self.of_face) < self.model.config.tokens_per_face:
            self.logits_BV = self._fine(embedded_B1D)
        else:
            face_B1D = self.model.face_vectors(torch.cat(self.of_face, dim=1))
            self.of_face = []
            self.fine_caches = self.model.fine.caches(self.model.config.tokens_per_face)
            self.logits_BV = self._fine(self._coarse(face_B1D))
        return self.logits_BV

    def _coarse(self, x_B1D: Tensor) -> Tensor:
        if self.model.coarse_film is not None and self.condition is not None:
            x_B1D = self.model.coarse_film(x_B1D, self.condition)
        for i, gate in enumerate(self.model.coarse_gates):
            assert isinstance(gate, GateLoop)
            x_B1D, self.coarse_states[i] = gate.step(x_B1D, self.coarse_states[i])
        return self.model.coarse(x_B1D, *(self.text or (None, None)), caches=self.coarse_caches)

    def _fine(self, x_B1D: Tensor) -> Tensor:
        for i, gate in enumerate(self.model.fine_gates):
            assert isinstance(gate, GateLoop)
            x_B1D, self.fine_states[i] = gate.step(x_B1D, self.fine_states[i])
        if self.model.fine_film is not None and self.condition is not None:
            x_B1D = self.model.fine_film(x_B1D, self.condition)
        text = self.text if self.text is not None and self.model.config.fine_sees_text else (None, None)
        return self.model.head(self.model.fine(x_B1D, *text, caches=self.fine_caches))[:, 0]


@torch.no_grad()
def generate(
    model: MeshTransformer,
    max_tokens: int,
    choose: Choose,
    batch_size: int = 1,
    prompt_BL: Tensor | None = None,
    text: Text | None = None,
    guidance: Guidance | None = None,
) -> list[GeneratedCodes]:
    """Generate a mesh for each row.

    Args:
        max_tokens: sequences end here at the latest; faces that are not complete are left out.
        choose: the filter and the draw; it never sees the end where a mesh cannot end.
        prompt_BL: codes that each row begins with, int64 (B, L).
        text: one for each row, for a model with text.
        guidance: for a model with text; none for scale 1.

    Raises:
        ValueError: guidance without a text, or more tokens than the model's positions.
    """
    if guidance is not None and text is None:
        raise ValueError("guidance needs a text; give one, or leave guidance out")
    if max_tokens > model.config.max_tokens:
        raise ValueError(
            f"max_tokens is {max_tokens}; this model has positions for {model.config.max_tokens}"
        )
    T, end_id = model.config.tokens_per_face, model.config.end_id
    B = len(prompt_BL) if prompt_BL is not None else batch_size
    was_training = model.training
    model.eval()
    with_text = Decoding(model, B, max_tokens, text)
    without = None
    if guidance is not None and guidance.scale > 1 and text is not None:
        nobody_B = torch.ones(B, dtype=torch.bool, device=text.features.device)
        without = Decoding(model, B, max_tokens, text.without(nobody_B))
    device = model.start_vectors.device
    tokens_BL = torch.empty(B, 0, dtype=torch.int64, device=device)
    has_ended_B = torch.zeros(B, dtype=torch.bool, device=device)
    for n in range(max_tokens):
        if prompt_BL is not None and n < prompt_BL.shape[1]:
            tokens_B = prompt_BL[:, n]
        else:
            logits_BV = with_text.logits_BV
            if without is not None and guidance is not None:
                logits_BV = guidance.apply(logits_BV.unsqueeze(1), without.logits_BV.unsqueeze(1)).squeeze(1)
            if n == 0 or n % T:
                logits_BV = logits_BV.index_fill(-1, torch.tensor([end_id], device=device), float("-inf"))
            tokens_B = choose(logits_BV)
        has_ended_B = has_ended_B | (tokens_B == end_id)
        tokens_BL = torch.cat([tokens_BL, tokens_B.unsqueeze(1)], dim=1)
        if bool(has_ended_B.all()):
            break
        # A row that has ended goes on in step with the others; what it writes is cut off.
        for decoding in (with_text, without):
            if decoding is not None and n + 1 < max_tokens:
                decoding.advance(tokens_B)
    model.train(was_training)
    return [_whole_faces(row, end_id, T) for row in tokens_BL]


def _whole_faces(tokens_L: Tensor, end_id: int, tokens_per_face: int) -> GeneratedCodes:
    ends = (tokens_L == end_id).nonzero()
    n_tokens = int(ends[0]) if len(ends) else len(tokens_L)
    n_faces = n_tokens // tokens_per_face
    codes = tokens_L[: n_faces * tokens_per_face].view(n_faces, tokens_per_face)
    return GeneratedCodes(codes, "end" if len(ends) else "length")


def greedy(logits_BV: Tensor) -> Tensor:
    """The most likely ids (B,)."""
    return logits_BV.argmax(-1)
