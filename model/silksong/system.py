"""Mesh Silksong for the trainer: one stage, a decoder of tokens conditioned on a cloud of points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.silksong.config import SilksongConfig
from model.silksong.modules import SilksongModel
from model.silksong.reference import load_reference
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


class DecoderStage(Stage[SilksongConfig, SilksongModel]):
    """Point encoder and token decoder, trained together."""

    name = "decoder"

    def needs(self, config: SilksongConfig) -> Needs:
        """Tokens of the run's tokenizer, and a cloud."""
        return Needs(vocab_size=config.vocab_size, max_tokens=config.max_tokens, points=config.encoder.points)

    def build(self, config: SilksongConfig) -> SilksongModel:
        """Random weights."""
        return SilksongModel(config)

    def load_reference(self, path: str, config: SilksongConfig) -> SilksongModel:
        """The published release's weights. Raises KeyError or ValueError where they do not fit."""
        return load_reference(path, config)

    def prepare(self, sample: Sample, config: SilksongConfig) -> dict[str, NDArray[Any]]:
        """`tokens` (n,) and `points` (P, 6)."""
        assert sample.tokens is not None  # `needs` asks for both
        assert sample.points is not None
        return {"tokens": sample.tokens, "points": sample.points}

    def loss_sum(self, network: SilksongModel, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of the tokens and their end."""
        return network.token_loss_sum(batch["tokens"], network.condition(batch["points"]))


class SilksongGenerator(Generator):
    """One row of tokens per cloud."""

    def __init__(self, network: SilksongModel, tokenizer: Tokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        self.needs = Needs(max_tokens=network.config.max_tokens, points=network.config.encoder.points)
        self.vocab_size = network.config.vocab_size
        self.networks = {DecoderStage.name: network}

    def generate(self, points_BP6: Tensor | None, n_rows: int, sampling: Sampling) -> Sequence[GeneratedRow]:
        """Write one row per cloud. Raises ValueError without clouds."""
        if points_BP6 is None or len(points_BP6) != n_rows:
            raise ValueError(f"give one cloud of points for each of the {n_rows} rows")
        return self.network.generate_with_status(
            self.network.condition(points_BP6),
            sampling.max_tokens,
            sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            seed=sampling.seed,
            grammar=self.tokenizer.grammar_batch(n_rows) if sampling.constrained else None,
        )

    def decode(
        self, tokens: NDArray[np.int32], constrained: bool
    ) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        """What the tokenizer makes of the tokens: manifold, always. Raises tokenizer_rs.MeshError."""
        return self.tokenizer.decode(tokens)


def _generator(networks: Networks, tokenizer: Tokenizer | None) -> SilksongGenerator:
    network = networks[DecoderStage.name]
    assert isinstance(network, SilksongModel)
    assert tokenizer is not None  # the stage's needs ask for tokens
    return SilksongGenerator(network, tokenizer)


SYSTEM = System(config=SilksongConfig, stages=(DecoderStage(),), generator=_generator)
