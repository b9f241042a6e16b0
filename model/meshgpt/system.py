"""MeshGPT for the trainer: an autoencoder of faces, then a transformer over the codes it gives them."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from model.layers.sampling import RowUniforms, draw, sampling_probabilities
from model.meshgpt.config import MeshgptConfig
from model.meshgpt.faces import mesh_of_corners, ordered_faces
from model.meshgpt.generate import generate
from model.meshgpt.modules import MeshAutoencoder, valid_faces
from model.meshgpt.reference import load_autoencoder, load_transformer
from model.meshgpt.transformer import MeshTransformer
from model.systems import (
    Batch,
    GeneratedRow,
    Generator,
    Needs,
    Networks,
    Sample,
    Sampling,
    Stage,
    System,
    Tokenizer,
)


def prepare_mesh(sample: Sample, config: MeshgptConfig) -> dict[str, NDArray[Any]]:
    """`vertices` (V, 3), `faces` (F, 3) and `pairs` (E, 2) of the ordered mesh.

    Raises tokenizer_rs.MeshError.
    """
    return ordered_faces(sample.vertices, sample.faces, config.autoencoder.n_coordinate_bins)._asdict()


class AutoencoderStage(Stage[MeshgptConfig, MeshAutoencoder]):
    """Faces to codes and back."""

    name = "autoencoder"

    def settings(self, config: MeshgptConfig) -> BaseModel:
        """The autoencoder's."""
        return config.autoencoder

    def needs(self, config: MeshgptConfig) -> Needs:
        """Meshes that the transformer has positions for; every coordinate is predicted."""
        longest = config.transformer.max_tokens // config.transformer.tokens_per_face
        return Needs(max_faces=longest, labels_per_face=3 * config.autoencoder.n_corners)

    def build(self, config: MeshgptConfig) -> MeshAutoencoder:
        """Random weights."""
        return MeshAutoencoder(config.autoencoder)

    def load_reference(self, path: str, config: MeshgptConfig) -> MeshAutoencoder:
        """The reference's weights. Raises KeyError or ValueError where they do not fit."""
        return load_autoencoder(path, config.autoencoder)

    def prepare(self, sample: Sample, config: MeshgptConfig) -> dict[str, NDArray[Any]]:
        """See `prepare_mesh`."""
        return prepare_mesh(sample, config)

    def loss_sum(self, network: MeshAutoencoder, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the coordinates and what the quantiser asks for, for each coordinate."""
        loss = network.loss(batch["vertices"], batch["faces"], batch["pairs"])
        count = valid_faces(batch["faces"]).sum() * (3 * network.config.n_corners)
        return loss.total * count, count


class TransformerStage(Stage[MeshgptConfig, MeshTransformer]):
    """The next code of a mesh."""

    name = "transformer"
    earlier = (AutoencoderStage.name,)

    def settings(self, config: MeshgptConfig) -> BaseModel:
        """The transformer's."""
        return config.transformer

    def needs(self, config: MeshgptConfig) -> Needs:
        """Meshes that there are positions for."""
        per_face = config.transformer.tokens_per_face
        return Needs(max_faces=config.transformer.max_tokens // per_face, labels_per_face=per_face)

    def build(self, config: MeshgptConfig) -> MeshTransformer:
        """Random weights."""
        return MeshTransformer(config.transformer)

    def load_reference(self, path: str, config: MeshgptConfig) -> MeshTransformer:
        """The reference's weights. Raises KeyError or ValueError where they do not fit."""
        return load_transformer(path, config.transformer)

    def prepare(self, sample: Sample, config: MeshgptConfig) -> dict[str, NDArray[Any]]:
        """See `prepare_mesh`."""
        return prepare_mesh(sample, config)

    def loss_sum(self, network: MeshTransformer, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of the codes and their end."""
        autoencoder = earlier[AutoencoderStage.name]
        assert isinstance(autoencoder, MeshAutoencoder)
        return network.token_loss_sum(codes_of(autoencoder, batch))


def codes_of(autoencoder: MeshAutoencoder, batch: Batch) -> Tensor:
    """Codes of each mesh as one row, int64 (B, F T), padded with -1.

    Each mesh is encoded alone: what rounding makes of its codes does not depend on its neighbours.
    """
    rows = []
    for vertices_VX, faces_FK, pairs_E2 in zip(
        batch["vertices"], batch["faces"], batch["pairs"], strict=True
    ):
        faces_FK = faces_FK[valid_faces(faces_FK)]
        pairs_E2 = pairs_E2[(pairs_E2 >= 0).all(-1)]
        codes_1FT = autoencoder.tokenize(
            vertices_VX[: int(faces_FK.max()) + 1].unsqueeze(0), faces_FK.unsqueeze(0), pairs_E2.unsqueeze(0)
        )
        rows.append(codes_1FT.flatten())
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


class MeshgptGenerator(Generator):
    """Meshes out of nothing: the rows differ by their random numbers alone."""

    def __init__(self, autoencoder: MeshAutoencoder, transformer: MeshTransformer) -> None:
        self.autoencoder, self.transformer = autoencoder, transformer
        self.needs = Needs(max_tokens=transformer.config.max_tokens)
        self.vocab_size = transformer.config.codebook_size
        self.networks = {AutoencoderStage.name: autoencoder, TransformerStage.name: transformer}

    def generate(self, points_BP6: Tensor | None, n_rows: int, sampling: Sampling) -> Sequence[GeneratedRow]:
        """Write rows of codes; a row that is cut keeps its whole faces."""
        device = self.transformer.start_vectors.device
        uniforms = RowUniforms(sampling.seed, n_rows)

        def choose(logits_BV: Tensor) -> Tensor:
            if sampling.temperature == 0:
                return logits_BV.argmax(-1)
            probabilities_BV = sampling_probabilities(
                logits_BV, sampling.temperature, sampling.top_k, sampling.top_p
            )
            return draw(probabilities_BV, uniforms.next(list(range(n_rows)), device))

        began = time.perf_counter()
        rows = generate(self.transformer, sampling.max_tokens, choose, n_rows)
        seconds = time.perf_counter() - began
        return [
            GeneratedRow(row.codes.flatten().to(torch.int32).cpu().numpy(), row.stopped == "end", seconds)
            for row in rows
        ]

    def decode(
        self, tokens: NDArray[np.int32], constrained: bool
    ) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        """What the autoencoder makes of the codes. Raises tokenizer_rs.MeshError where no face is left."""
        config = self.autoencoder.config
        codes_FT = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).view(-1, config.tokens_per_face)
        device = self.transformer.start_vectors.device
        corners_FKX = self.autoencoder.coordinates(codes_FT.unsqueeze(0).to(device))[0].cpu().numpy()
        return mesh_of_corners(corners_FKX, config.n_coordinate_bins, repaired=constrained)


def _generator(networks: Networks, tokenizer: Tokenizer | None) -> MeshgptGenerator:
    autoencoder, transformer = networks[AutoencoderStage.name], networks[TransformerStage.name]
    assert isinstance(autoencoder, MeshAutoencoder)
    assert isinstance(transformer, MeshTransformer)
    return MeshgptGenerator(autoencoder, transformer)


SYSTEM = System(config=MeshgptConfig, stages=(AutoencoderStage(), TransformerStage()), generator=_generator)
