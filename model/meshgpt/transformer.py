"""The generator: a transformer over faces that hands each face to a small one over the tokens of the face.

Position t of the sequence predicts token t. A face's T tokens are one step of the coarse stage; the fine
stage sees what the coarse one made of the faces before, and the tokens of its face.

Shape suffixes: B batch, L tokens, F complete faces, T tokens of a face, D width, V token ids (the codebook
and the end), X start vectors and faces, R rows of the fine stage (B times F + 1).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.meshgpt.config import TransformerConfig
from model.meshgpt.decoder import Decoder
from model.meshgpt.gate_loop import GateLoop
from model.meshgpt.text import FeatureModulation, Text, pooled

PADDING = -1


class MeshTransformer(nn.Module):
    """Logits of the next code of a mesh, from the codes so far and optionally a text."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, T = config.width, config.tokens_per_face
        fine_width, text_width = config.fine_width or width, config.text_width
        self.start_vectors = nn.Parameter(torch.randn(config.n_start_vectors, width))
        self.token_embedding = nn.Embedding(config.codebook_size + 1, fine_width)
        self.position_embedding = nn.Embedding(config.max_tokens, fine_width)
        self.level_vectors = nn.Parameter(torch.randn(config.n_quantizers, fine_width))
        self.corner_vectors = nn.Parameter(torch.randn(config.n_corners, fine_width))
        self.to_face = nn.Linear(T * fine_width, width)
        self.face_norm = nn.LayerNorm(width)
        self.coarse_gates = nn.ModuleList(GateLoop(width) for _ in range(config.coarse_gate_loops))
        self.fine_gates = nn.ModuleList(GateLoop(fine_width) for _ in range(config.fine_gate_loops))
        sizes = config.heads, config.head_width, config.n_memories
        self.coarse = Decoder(width, config.depth, *sizes, text_width, out_width=fine_width)
        sizes = config.fine_heads or config.heads, config.fine_head_width or config.head_width, sizes[-1]
        fine_text_width = text_width if config.fine_sees_text else None
        self.fine = Decoder(fine_width, config.fine_depth, *sizes, fine_text_width)
        has_film = bool(text_width and config.has_film)
        self.coarse_film = FeatureModulation(width, text_width) if has_film and text_width else None
        self.fine_film = FeatureModulation(fine_width, text_width) if has_film and text_width else None
        self.head = nn.Linear(fine_width, config.codebook_size + 1)
        self.carried: dict[str, Tensor] = {}
        """Weights of a published checkpoint that no computation uses."""

    def embed(self, tokens_BL: Tensor, first_position: int = 0) -> Tensor:
        """Sum (B, L, D) of the vectors of token, position, quantiser level and corner; -1 is looked up as 0.

        Raises:
            ValueError: the sequence is longer than the position table.
        """
        end = first_position + tokens_BL.shape[1]
        if end > self.config.max_tokens:
            raise ValueError(
                f"{end} tokens exceed max_tokens {self.config.max_tokens}; leave out meshes of more than "
                f"{self.config.max_tokens // self.config.tokens_per_face} faces or raise the limit"
            )
        positions_L = torch.arange(first_position, end, device=tokens_BL.device)
        levels_LD = self.level_vectors[positions_L % self.config.n_quantizers]
        corners_LD = self.corner_vectors[positions_L // self.config.n_quantizers % self.config.n_corners]
        x_BLD = self.token_embedding(tokens_BL.clamp(min=0)) + self.position_embedding(positions_L)
        return x_BLD + levels_LD + corners_LD

    def face_vectors(self, embedded_BLD: Tensor) -> Tensor:
        """Input (B, F, D) of the coarse stage, from the embedded tokens of whole faces."""
        faces_BFTD = embedded_BLD.unflatten(1, (-1, self.config.tokens_per_face))
        return self.face_norm(self.to_face(faces_BFTD.flatten(2)))

    def condition(self, text: Text | None) -> Tensor | None:
        """Pooled text (B, C); None for a model without text.

        Raises:
            ValueError: a text is given to a model without, or none to a model with text.
        """
        if (text is None) != (self.config.text_width is None):
            wanted = "a text" if text is None else "no text"
            raise ValueError(f"this model takes {wanted}; see text_width in its configuration")
        return pooled(text) if text is not None else None

    def forward(self, tokens_BL: Tensor, text: Text | None = None) -> Tensor:
        """Logits (B, L + 1, V) of int64 tokens padded on the right with -1; logit i predicts token i."""
        (B, L), T = tokens_BL.shape, self.config.tokens_per_face
        F = L // T
        condition = self.condition(text)
        embedded_BLD = self.embed(tokens_BL)
        start_BXD = self.start_vectors.expand(B, -1, -1)
        x_BXD = torch.cat([start_BXD, self.face_vectors(embedded_BLD[:, : F * T])], dim=1) if F else start_BXD
        if self.coarse_film is not None and condition is not None:
            x_BXD = self.coarse_film(x_BXD, condition)
        for gate in self.coarse_gates:
            x_BXD = gate(x_BXD)
        coarse_BFD = self.coarse(x_BXD, *(text or (None, None)))[:, -(F + 1) :]

        # A row of the fine stage: what the coarse one says, then the tokens of the face but the last.
        padded_BLD = functional.pad(embedded_BLD, (0, 0, 0, (F + 1) * T - L))
        inner_BFTD = padded_BLD.unflatten(1, (F + 1, T))[:, :, :-1]
        x_BLD = torch.cat([coarse_BFD.unsqueeze(2), inner_BFTD], dim=2).flatten(1, 2)
        for gate in self.fine_gates:
            x_BLD = gate(x_BLD)
        if self.fine_film is not None and condition is not None:
            x_BLD = self.fine_film(x_BLD, condition)
        x_RTD = x_BLD.unflatten(1, (F + 1, T)).flatten(0, 1)
        fine_text = text.repeated(F + 1) if text is not None and self.config.fine_sees_text else (None, None)
        x_RTD = self.fine(x_RTD, *fine_text)
        return self.head(x_RTD.unflatten(0, (B, F + 1)).flatten(1, 2)[:, : L + 1])

    def labels(self, tokens_BL: Tensor) -> Tensor:
        """What positions 0 .. L have to predict (B, L + 1): the tokens, the end, and -1 for nothing."""
        labels = functional.pad(tokens_BL, (0, 1), value=0 if self.config.labels_padding else PADDING)
        ends_B1 = (tokens_BL >= 0).sum(-1, keepdim=True)
        return labels.scatter(1, ends_B1, self.config.end_id)

    def token_loss_sum(self, tokens_BL: Tensor, text: Text | None = None) -> tuple[Tensor, Tensor]:
        """Summed negative log-likelihood (nats) and the number of labels.

        Sum both across ranks before dividing to weigh every token alike.
        """
        labels_BL = self.labels(tokens_BL)
        logits_BLV = self.forward(labels_BL[:, :-1], text)
        total = functional.cross_entropy(
            logits_BLV.flatten(0, 1).float(), labels_BL.flatten(), ignore_index=PADDING, reduction="sum"
        )
        return total, (labels_BL != PADDING).sum()

    def loss(self, tokens_BL: Tensor, text: Text | None = None) -> Tensor:
        """Mean negative log-likelihood (nats) over all labels of the batch, the end included (scalar)."""
        total, count = self.token_loss_sum(tokens_BL, text)
        return total / count
