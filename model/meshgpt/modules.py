"""The autoencoder: faces to codes of their vertices, and codes back to the coordinates of faces.

autoencoder = MeshAutoencoder(AutoencoderConfig())
codes = autoencoder.tokenize(vertices, faces)       # (B, F, T), the model's words for each face
corners = autoencoder.coordinates(codes)            # (B, F, K, 3)

Batches are padded with -1. Shape suffixes: B batch, V vertices, F faces, K corners of a face, E pairs of
neighbouring faces, N valid faces or corners of all meshes, C width of a code, Q codes of a vertex, T = K Q
codes of a face, W width, Z coordinates of a face (3 K), R coordinate bins, X coordinates of a position (3).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.meshgpt.attention import FaceAttention
from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.convolution import FaceConvolutions
from model.meshgpt.features import discretize, discretize_features, face_features, undiscretize
from model.meshgpt.graph import NeighbourLayer, flat_pairs
from model.meshgpt.loss import reconstruction_loss
from model.meshgpt.residual_fsq import ResidualFsq
from model.meshgpt.residual_lfq import ResidualLfq
from model.meshgpt.residual_vq import ResidualVq

PADDING = -1
QUANTIZERS: dict[str, type[ResidualLfq | ResidualVq | ResidualFsq]] = {
    "lfq": ResidualLfq,
    "vq": ResidualVq,
    "fsq": ResidualFsq,
}


class QuantizedFaces(NamedTuple):
    """Codes of the vertices of each face, and the vectors they stand for."""

    codes: Tensor
    """(B, F, T), int64, corner by corner; -1 for padded faces."""
    vectors: Tensor
    """(B, F, K C), corner by corner; zeros for padded faces."""
    losses: Tensor
    """(Q,)."""
    vertex_means: Tensor
    """(B, V, C), input of the quantiser; zero for a vertex that no face of its mesh uses."""


class Reconstruction(NamedTuple):
    """What a batch becomes on its way through the codes."""

    quantized: QuantizedFaces
    logits: Tensor
    """(B, F, Z, R) of the bins of each face's coordinates."""


class AutoencoderLoss(NamedTuple):
    """The loss and what it consists of; all scalars but the last."""

    total: Tensor
    reconstruction: Tensor
    quantization: Tensor
    """(Q,)."""


class MeshAutoencoder(nn.Module):
    """Graph encoder, residual quantiser on the vertices, convolutional decoder over the sequence of faces."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.coordinate_embedding = nn.Embedding(config.n_coordinate_bins, config.coordinate_width)
        self.angle_embedding = nn.Embedding(config.n_angle_bins, config.angle_width)
        self.area_embedding = nn.Embedding(config.n_area_bins, config.area_width)
        self.normal_embedding = nn.Embedding(config.n_normal_bins, config.normal_width)
        self.project_in = nn.Linear(config.feature_width, config.code_width)
        first, *_, last = widths = (*config.encoder_widths,)
        self.first_layer = NeighbourLayer(config.code_width, first)
        self.first_norm = nn.LayerNorm(first)
        self.layers = nn.ModuleList(NeighbourLayer(width, behind) for width, behind in pairwise(widths))
        self.encoder_attention = nn.ModuleList(
            FaceAttention(last, config) for _ in range(config.encoder_attention_blocks)
        )
        corners_width = config.n_corners * config.code_width
        self.to_corners = nn.Linear(last, corners_width)
        self.quantizer = QUANTIZERS[config.quantizer](config)
        self.decoder_attention = nn.ModuleList(
            FaceAttention(corners_width, config) for _ in range(config.decoder_attention_blocks)
        )
        self.decoder = FaceConvolutions(corners_width, config.decoder_widths, config.first_kernel)
        self.head = nn.Linear(config.decoder_widths[-1], 3 * config.n_corners * config.n_coordinate_bins)

    def encode(self, vertices_BVX: Tensor, faces_BFK: Tensor, pairs_BE2: Tensor) -> Tensor:
        """Features (B, F, W) of faces; zeros where a face is padding.

        Args:
            vertices_BVX: float positions in `coordinate_range`.
            faces_BFK: int64 indices of vertices; a face with a -1 is padding, and padding comes last.
            pairs_BE2: int64 ordered pairs of neighbouring faces, each face with itself included.
        """
        is_face_BF = valid_faces(faces_BFK)
        bins = discretize_features(
            face_features(corners_of(vertices_BVX, faces_BFK), self.config), self.config
        )
        embedded_BFW = torch.cat(
            [
                self.coordinate_embedding(bins.coordinates.flatten(-2)).flatten(-2),
                self.angle_embedding(bins.angles).flatten(-2),
                self.area_embedding(bins.area).flatten(-2),
                self.normal_embedding(bins.normals).flatten(-2),
            ],
            dim=-1,
        )
        pairs_E2 = flat_pairs(pairs_BE2, is_face_BF)
        x_NW = self.first_layer(self.project_in(embedded_BFW[is_face_BF]), pairs_E2)
        x_NW = self.first_norm(functional.silu(x_NW))
        for layer in self.layers:
            x_NW = layer(x_NW, pairs_E2)
        x_BFW = x_NW.new_zeros(*is_face_BF.shape, x_NW.shape[-1])
        x_BFW[is_face_BF] = x_NW
        for block in self.encoder_attention:
            x_BFW = block(x_BFW, is_face_BF)
        return x_BFW * is_face_BF.unsqueeze(-1)

    def quantize(self, x_BFW: Tensor, faces_BFK: Tensor) -> QuantizedFaces:
        """Average the features of the faces round each vertex, and quantise the vertices."""
        is_face_BF = valid_faces(faces_BFK)
        is_face_BFK = is_face_BF.unsqueeze(-1).expand_as(faces_BFK)
        B, (_, F, K) = len(faces_BFK), faces_BFK.shape
        n_vertices = int(faces_BFK.max()) + 1
        corners_BFKC = self.to_corners(x_BFW).unflatten(-1, (K, -1))
        # Vertices of all meshes in one row.
        first_B11 = torch.arange(B, device=faces_BFK.device)[:, None, None] * n_vertices
        vertex_of_corner_N = (faces_BFK + first_B11)[is_face_BFK]
        C = corners_BFKC.shape[-1]
        sums = corners_BFKC.new_zeros(B * n_vertices, C).index_add(
            0, vertex_of_corner_N, corners_BFKC[is_face_BFK]
        )
        counts = torch.bincount(vertex_of_corner_N, minlength=B * n_vertices)
        means = sums / counts.clamp(min=1).unsqueeze(-1)
        is_quantized = counts > 0
        if self.config.lfq_loss == "all_pairs":
            # The reference lets the unused rows of shorter meshes take part.
            is_quantized = torch.ones_like(is_quantized)
        place = is_quantized.cumsum(0) - 1
        quantized = self.quantizer(means[is_quantized])
        chosen_N = place[vertex_of_corner_N]
        codes_BFKQ = faces_BFK.new_full((B, F, K, self.config.n_quantizers), PADDING)
        codes_BFKQ[is_face_BFK] = quantized.codes[chosen_N]
        vectors_BFKC = means.new_zeros(B, F, K, C)
        vectors_BFKC[is_face_BFK] = quantized.vectors[chosen_N].to(means.dtype)
        return QuantizedFaces(
            codes_BFKQ.flatten(-2), vectors_BFKC.flatten(-2), quantized.losses, means.unflatten(0, (B, -1))
        )

    def decode(self, vectors_BFC: Tensor, is_face_BF: Tensor) -> Tensor:
        """Logits (B, F, Z, R) of the bins of each face's coordinates."""
        x_BFC = vectors_BFC
        for block in self.decoder_attention:
            x_BFC = block(x_BFC, is_face_BF)
        logits = self.head(self.decoder(x_BFC, is_face_BF))
        return logits.unflatten(-1, (-1, self.config.n_coordinate_bins))

    def reconstruct(self, vertices_BVX: Tensor, faces_BFK: Tensor, pairs_BE2: Tensor) -> Reconstruction:
        """Faces to codes and back to logits, with gradient; see `encode` for the arguments."""
        quantized = self.quantize(self.encode(vertices_BVX, faces_BFK, pairs_BE2), faces_BFK)
        return Reconstruction(quantized, self.decode(quantized.vectors, valid_faces(faces_BFK)))

    def loss_of(self, found: Reconstruction, vertices_BVX: Tensor, faces_BFK: Tensor) -> AutoencoderLoss:
        """Cross-entropy (nats) of the blurred coordinate bins, plus what the quantiser asks for."""
        is_face_BF = valid_faces(faces_BFK)
        low, high = self.config.coordinate_range
        corners_BFKX = corners_of(vertices_BVX, faces_BFK)
        bins_BFZ = discretize(corners_BFKX, low, high, self.config.n_coordinate_bins).flatten(-2)
        reconstruction = reconstruction_loss(
            found.logits[is_face_BF], bins_BFZ[is_face_BF], self.config.blur_sigma
        )
        losses = found.quantized.losses
        return AutoencoderLoss(
            reconstruction + self.config.commitment_weight * losses.sum(), reconstruction, losses
        )

    def loss(self, vertices_BVX: Tensor, faces_BFK: Tensor, pairs_BE2: Tensor) -> AutoencoderLoss:
        """`loss_of` what `reconstruct` gives."""
        found = self.reconstruct(vertices_BVX, faces_BFK, pairs_BE2)
        return self.loss_of(found, vertices_BVX, faces_BFK)

    @torch.no_grad()
    def tokenize(self, vertices_BVX: Tensor, faces_BFK: Tensor, pairs_BE2: Tensor) -> Tensor:
        """Codes (B, F, T) of faces, -1 where a face is padding; runs in evaluation mode."""
        with _evaluation(self):
            return self.quantize(self.encode(vertices_BVX, faces_BFK, pairs_BE2), faces_BFK).codes

    @torch.no_grad()
    def coordinates(self, codes_BFT: Tensor) -> Tensor:
        """Corners (B, F, K, 3) of the faces that codes stand for; NaN for a face one of whose codes is -1."""
        with _evaluation(self):
            is_face_BF = (codes_BFT >= 0).all(-1)
            codes_BFKQ = codes_BFT.unflatten(-1, (self.config.n_corners, -1))
            vectors_BFC = (
                self.quantizer.vectors(codes_BFKQ.flatten(0, 2))
                .unflatten(0, codes_BFKQ.shape[:3])
                .flatten(-2)
            )
            return self.corners(self.decode(vectors_BFC * is_face_BF.unsqueeze(-1), is_face_BF), is_face_BF)

    def corners(self, logits_BFZR: Tensor, is_face_BF: Tensor) -> Tensor:
        """The most likely corners (B, F, K, 3); NaN for a face that is padding."""
        low, high = self.config.coordinate_range
        corners_BFZ = undiscretize(logits_BFZR.argmax(-1), low, high, self.config.n_coordinate_bins)
        corners_BFZ = corners_BFZ.masked_fill(~is_face_BF.unsqueeze(-1), float("nan"))
        return corners_BFZ.unflatten(-1, (self.config.n_corners, 3))


def valid_faces(faces_BFK: Tensor) -> Tensor:
    """Which faces (B, F) are not padding."""
    return (faces_BFK >= 0).all(-1)


def corners_of(vertices_BVX: Tensor, faces_BFK: Tensor) -> Tensor:
    """Positions (B, F, K, 3) of the corners of faces; those of padded faces are of vertex 0."""
    indices_BFK = faces_BFK.masked_fill(~valid_faces(faces_BFK).unsqueeze(-1), 0)
    rows_B11 = torch.arange(len(faces_BFK), device=faces_BFK.device)[:, None, None]
    return vertices_BVX[rows_B11, indices_BFK]


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and then the mode from before."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
