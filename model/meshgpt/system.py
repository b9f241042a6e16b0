"""MeshGPT for the trainer: an autoencoder of faces, then a transformer over the codes it gives them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.layers.sampling import RowUniforms, draw, sampling_probabilities
from model.meshgpt.config import MeshgptConfig
from model.meshgpt.faces import OrderedFaces, mesh_of_corners, ordered_faces
from model.meshgpt.flops import flops_per_code, flops_per_coordinate
from model.meshgpt.generate import Guidance, generate
from model.meshgpt.modules import MeshAutoencoder, valid_faces
from model.meshgpt.reference import load_autoencoder, load_transformer
from model.meshgpt.text import TEXT_PADDING, Text, read_text
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

    def flops_per_label(self, network: MeshAutoencoder, mean_length: float) -> float:
        """A face's, shared among its coordinates."""
        return flops_per_coordinate(network)


class TransformerStage(Stage[MeshgptConfig, MeshTransformer]):
    """The next code of a mesh."""

    name = "transformer"
    earlier = (AutoencoderStage.name,)
    derivation = "codes-1"

    def settings(self, config: MeshgptConfig) -> BaseModel:
        """The transformer's."""
        return config.transformer

    def needs(self, config: MeshgptConfig) -> Needs:
        """Meshes that there are positions for, and what is said of them where the model reads it."""
        per_face = config.transformer.tokens_per_face
        return Needs(
            max_faces=config.transformer.max_tokens // per_face,
            labels_per_face=per_face,
            text_width=config.transformer.text_width,
        )

    def build(self, config: MeshgptConfig) -> MeshTransformer:
        """Random weights."""
        return MeshTransformer(config.transformer)

    def load_reference(self, path: str, config: MeshgptConfig) -> MeshTransformer:
        """The reference's weights. Raises KeyError or ValueError where they do not fit."""
        return load_transformer(path, config.transformer)

    def prepare(self, sample: Sample, config: MeshgptConfig) -> dict[str, NDArray[Any]]:
        """See `prepare_mesh`."""
        return prepare_mesh(sample, config)

    def derive(self, prepared: Mapping[str, NDArray[Any]], earlier: Networks) -> dict[str, NDArray[Any]]:
        """`codes` (F T,) of the mesh."""
        autoencoder = earlier[AutoencoderStage.name]
        assert isinstance(autoencoder, MeshAutoencoder)
        return {"codes": codes_of(autoencoder, prepared)}

    def loss_sum(self, network: MeshTransformer, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of the codes and their end; in training some texts are left out."""
        if network.config.text_width is None:
            return network.token_loss_sum(batch["codes"])
        text = read_text(batch["text"])
        if network.training:
            draws_B = torch.rand(len(text.features), device=text.features.device)
            text = text.without(draws_B < network.config.text_drop)
        return network.token_loss_sum(batch["codes"], text)

    def flops_per_label(self, network: MeshTransformer, mean_length: float) -> float:
        """The fine stage's of each code, and a share of the coarse one's of its face."""
        return flops_per_code(network, mean_length)


def codes_of(autoencoder: MeshAutoencoder, prepared: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
    """Codes (F T,) of one mesh, as `prepare_mesh` gives it.

    Alone, so that what rounding makes of its codes does not depend on its neighbours.
    """
    device = next(autoencoder.parameters()).device
    vertices_1VX, faces_1FK, pairs_1E2 = (
        torch.from_numpy(prepared[name]).unsqueeze(0).to(device) for name in OrderedFaces._fields
    )
    codes_1FT = autoencoder.tokenize(vertices_1VX, faces_1FK, pairs_1E2)
    return codes_1FT.flatten().to(torch.int32).cpu().numpy()


class MeshgptGenerator(Generator):
    """Meshes out of nothing or out of texts; rows of the same text differ by their random numbers alone."""

    def __init__(self, autoencoder: MeshAutoencoder, transformer: MeshTransformer) -> None:
        self.autoencoder, self.transformer = autoencoder, transformer
        config = transformer.config
        self.needs = Needs(max_tokens=config.max_tokens, text_width=config.text_width)
        self.vocab_size = transformer.config.codebook_size
        self.networks = {AutoencoderStage.name: autoencoder, TransformerStage.name: transformer}

    def generate(
        self,
        points_BP6: Tensor | None,
        n_rows: int,
        sampling: Sampling,
        texts: Sequence[Tensor] | None = None,
    ) -> Sequence[GeneratedRow]:
        """Write rows of codes; a row that is cut keeps its whole faces.

        Raises ValueError for texts, or guidance, where the model reads none.
        """
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
        text = self._text(texts, n_rows)
        guidance = Guidance(sampling.guidance) if sampling.guidance != 1 else None
        rows = generate(self.transformer, sampling.max_tokens, choose, n_rows, text=text, guidance=guidance)
        seconds = time.perf_counter() - began
        return [
            GeneratedRow(row.codes.flatten().to(torch.int32).cpu().numpy(), row.stopped == "end", seconds)
            for row in rows
        ]

    def _text(self, texts: Sequence[Tensor] | None, n_rows: int) -> Text | None:
        """The texts side by side; none for a model without."""
        if texts is None and self.needs.text_width is not None:
            device = self.transformer.start_vectors.device
            texts = [torch.zeros(0, self.needs.text_width, device=device)] * n_rows
        if texts is None:
            return None
        return read_text(pad_sequence(list(texts), batch_first=True, padding_value=TEXT_PADDING))

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
