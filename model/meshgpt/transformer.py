"""The generator: a transformer over faces that hands each face to a small one over the tokens of the face.

Position t of the sequence predicts token t. A face's T tokens are one step of the coarse stage; the fine
stage sees what the coarse one made of the faces before, and the tokens of its face.

Shape suffixes: B batch, L tokens, F complete faces, T tokens of a face, D width, V token ids (the codebook
and the end), X start vectors and faces, R rows of the fine stage (B times F + 1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.packing import Packing
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
        self._check_length(end)
        positions_L = torch.arange(first_position, end, device=tokens_BL.device)
        return self._embed_at(tokens_BL, positions_L)

    def _check_length(self, length: int) -> None:
        if length > self.config.max_tokens:
            raise ValueError(
                f"{length} tokens exceed max_tokens {self.config.max_tokens}; leave out meshes of more than "
                f"{self.config.max_tokens // self.config.tokens_per_face} faces or raise the limit"
            )

    def _embed_at(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """As `embed`, at these positions."""
        levels = self.level_vectors[positions % self.config.n_quantizers]
        corners = self.corner_vectors[positions // self.config.n_quantizers % self.config.n_corners]
        x = self.token_embedding(tokens.clamp(min=0)) + self.position_embedding(positions)
        return x + levels + corners

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
        """Logits (B, L + 1, V) of int64 tokens; logit i predicts token i."""
        B, L = tokens_BL.shape
        return self.head(self.hidden(tokens_BL, [L] * B, text)).view(B, L + 1, -1)

    def hidden(self, tokens_BL: Tensor, lengths: Sequence[int], text: Text | None = None) -> Tensor:
        """What the head reads, (1, N, D): the rows one behind the other, each with a position for its end.

        Nothing is computed for what lies behind a row's length, but to make its last face whole.

        Args:
            lengths: tokens of each row.

        Raises:
            ValueError: a row is longer than the position table, or there is no text where one is wanted.
        """
        T, device = self.config.tokens_per_face, tokens_BL.device
        self._check_length(max(lengths))
        condition = self.condition(text)
        # Row f of a mesh holds the tokens of face f; the last one is not whole, and mostly empty.
        n_faces = [length // T for length in lengths]
        rows = Packing.of_lengths([n + 1 for n in n_faces], device)
        n_padding = rows.is_read.shape[1] * T - tokens_BL.shape[1]
        tokens_BFT = functional.pad(tokens_BL, (0, n_padding)).unflatten(1, (-1, T))
        positions_RT = rows.places.unsqueeze(-1) * T + torch.arange(T, device=device)
        embedded_RTD = self._embed_at(
            tokens_BFT[rows.is_read], positions_RT.clamp(max=self.config.max_tokens - 1)
        )
        coarse_RD = self._coarse(embedded_RTD, rows, text, condition)

        # A row of the fine stage: what the coarse one says, then the tokens of the face but the last.
        x_RTD = torch.cat([coarse_RD.unsqueeze(1), embedded_RTD[:, :-1]], dim=1)
        x_1ND = x_RTD.flatten(0, 1).unsqueeze(0)
        meshes = Packing.of_lengths([(n + 1) * T for n in n_faces], device)
        for gate in self.fine_gates:
            x_1ND = gate(x_1ND, meshes)
        if self.fine_film is not None and condition is not None:
            x_1ND = self.fine_film(x_1ND, condition, meshes)
        fine_text: Text | tuple[None, None] = (None, None)
        if text is not None and self.config.fine_sees_text:
            fine_text = text.repeated(rows.is_read.sum(1))
        x_RTD = self.fine(x_1ND.squeeze(0).unflatten(0, (-1, T)), *fine_text)
        lengths_B = torch.tensor(lengths, device=device)
        is_predicted_N = meshes.places <= meshes.spread(lengths_B).squeeze(0)
        return x_RTD.flatten(0, 1)[is_predicted_N].unsqueeze(0)

    def _coarse(
        self, embedded_RTD: Tensor, rows: Packing, text: Text | None, condition: Tensor | None
    ) -> Tensor:
        """What the coarse stage says (R, D) to each row of the fine one, from the whole faces before."""
        n_start = self.config.n_start_vectors
        is_whole_R = rows.places < rows.spread(rows.is_read.sum(1) - 1).squeeze(0)
        faces_FD = self.face_vectors(embedded_RTD[is_whole_R].flatten(0, 1).unsqueeze(0)).squeeze(0)
        faces = faces_FD.split([length - 1 for length in rows.lengths])
        x_1XD = torch.cat(
            [part for of_mesh_FD in faces for part in (self.start_vectors, of_mesh_FD)]
        ).unsqueeze(0)
        packing = Packing.of_lengths([n_start - 1 + length for length in rows.lengths], x_1XD.device)
        if self.coarse_film is not None and condition is not None:
            x_1XD = self.coarse_film(x_1XD, condition, packing)
        for gate in self.coarse_gates:
            x_1XD = gate(x_1XD, packing)
        x_1XD = self.coarse(x_1XD, *(text or (None, None)), packing=packing)
        return x_1XD.squeeze(0)[packing.places >= n_start - 1]

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
        B, L = tokens_BL.shape
        # A row that has a label behind its end is read whole.
        lengths = [L] * B if self.config.labels_padding else (tokens_BL >= 0).sum(1).tolist()
        read = Packing.of_lengths([length + 1 for length in lengths], tokens_BL.device)
        labels_N = labels_BL[:, : read.is_read.shape[1]][read.is_read]
        logits_NV = self.head(self.hidden(labels_BL[:, :-1], lengths, text)).squeeze(0)
        total = functional.cross_entropy(logits_NV.float(), labels_N, ignore_index=PADDING, reduction="sum")
        return total, (labels_N != PADDING).sum()

    def loss(self, tokens_BL: Tensor, text: Text | None = None) -> Tensor:
        """Mean negative log-likelihood (nats) over all labels of the batch, the end included (scalar)."""
        total, count = self.token_loss_sum(tokens_BL, text)
        return total / count
