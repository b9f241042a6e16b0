"""Mesh Silksong for the trainer: one stage, a decoder of tokens conditioned on a cloud of points."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.silksong.config import SilksongConfig
from model.silksong.counts import left_out
from model.silksong.decoding import Choice
from model.silksong.flops import flops_per_token
from model.silksong.generate import stream_rows
from model.silksong.modules import SilksongModel
from model.silksong.reference import load_reference
from model.silksong.rows import Request
from model.silksong.writers import DraftModel
from model.systems import (
    NOTHING_SAID,
    Batch,
    Draft,
    GeneratedRow,
    Generator,
    Needs,
    Networks,
    RowRequest,
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
        """Tokens of the run's tokenizer, a cloud, and where it is conditioned on them, the counts."""
        return Needs(
            vocab_size=config.vocab_size,
            max_tokens=config.max_tokens,
            points=config.encoder.points,
            counts=config.count_condition,
        )

    def build(self, config: SilksongConfig) -> SilksongModel:
        """Random weights."""
        return SilksongModel(config)

    def load_reference(self, path: str, config: SilksongConfig) -> SilksongModel:
        """The published release's weights. Raises KeyError or ValueError where they do not fit."""
        return load_reference(path, config)

    def prepare(self, sample: Sample, config: SilksongConfig) -> dict[str, NDArray[Any]]:
        """`tokens` (n,), `points` (P, 6), and with `count_condition` `counts` (2,)."""
        assert sample.tokens is not None  # `needs` asks for both
        assert sample.points is not None
        prepared = {"tokens": sample.tokens, "points": sample.points}
        if config.count_condition:
            prepared["counts"] = np.array(sample.counts, dtype=np.int64)
        return prepared

    def loss_sum(self, network: SilksongModel, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of the tokens and their end; in training some counts are left out."""
        counts_B2 = batch.get("counts")
        if counts_B2 is not None and network.training:
            counts_B2 = left_out(counts_B2, network.config.count_drop)
        return network.token_loss_sum(batch["tokens"], network.condition(batch["points"], counts_B2))

    def flops_per_label(self, network: SilksongModel, mean_length: float) -> float:
        """The decoder's of each token, which attends to half of its row and to the condition; and a share of
        what the condition takes, once for each row."""
        return flops_per_token(network, mean_length)


class SilksongGenerator(Generator):
    """One row of tokens per cloud."""

    def __init__(self, network: SilksongModel, tokenizer: Tokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        config = network.config
        self.needs = Needs(
            max_tokens=config.max_tokens, points=config.encoder.points, counts=config.count_condition
        )
        self.vocab_size = network.config.vocab_size
        self.networks = {DecoderStage.name: network}

    def generate(
        self,
        points_BP6: Tensor | None,
        n_rows: int,
        sampling: Sampling,
        texts: Sequence[Tensor] | None = None,
    ) -> Sequence[GeneratedRow]:
        """Write one row per cloud. Raises ValueError without clouds."""
        if points_BP6 is None or len(points_BP6) != n_rows:
            raise ValueError(f"give one cloud of points for each of the {n_rows} rows")
        requests = [RowRequest(i, points_P6) for i, points_P6 in enumerate(points_BP6)]
        rows = dict(self.generate_each(requests, sampling, n_rows))
        return [rows[i] for i in range(n_rows)]

    def generate_each(
        self,
        requests: Iterable[RowRequest],
        sampling: Sampling,
        n_slots: int = 8,
        is_compiled: bool = False,
        draft: Draft | None = None,
    ) -> Iterator[tuple[int, GeneratedRow]]:
        """Write one row per cloud; a row's slot goes to the next request when it ends.

        A draft sees the first points of the cloud, as many as it was trained with, and the counts if it reads
        them. Raises ValueError where the draft is of another system or vocabulary or sees more points, and
        where counts are said to a network that reads none.
        """
        guessing = None if draft is None else self._draft_generator(draft)
        return stream_rows(
            self.network,
            (self._request(request, guessing) for request in requests),
            sampling.max_tokens,
            Choice(sampling.temperature, sampling.top_k, sampling.top_p),
            n_slots=n_slots,
            seed=sampling.seed,
            grammar=partial(self.tokenizer.grammar_batch, 1) if sampling.constrained else None,
            max_seconds=sampling.max_seconds,
            is_compiled=is_compiled,
            draft=None if draft is None or guessing is None else DraftModel(guessing.network, draft.n_tokens),
        )

    def _draft_generator(self, draft: Draft) -> "SilksongGenerator":
        if not isinstance(draft.generator, SilksongGenerator):
            raise ValueError("the draft is of another system; give a Silksong run")
        if draft.generator.needs.points > self.needs.points:
            raise ValueError(
                f"the draft sees {draft.generator.needs.points} points and the model {self.needs.points}; "
                "give a draft that sees no more"
            )
        return draft.generator

    def _request(self, request: RowRequest, guessing: "SilksongGenerator | None") -> Request:
        condition_SC = self._condition(request)
        if guessing is None or request.points is None:
            return Request(request.index, condition_SC)
        fewer = replace(request, points=request.points[: guessing.needs.points])
        if not guessing.needs.counts:
            fewer = replace(fewer, counts=NOTHING_SAID)
        return Request(request.index, condition_SC, draft_condition=guessing._condition(fewer))

    def _condition(self, request: RowRequest) -> Tensor:
        """Of one cloud by itself, so that rounding does not depend on others. Raises ValueError without."""
        if request.points is None:
            raise ValueError(f"give a cloud of points for row {request.index}")
        counts_12 = None
        if any(request.counts):
            counts_12 = torch.tensor([request.counts], device=request.points.device)
        return self.network.condition(request.points.unsqueeze(0), counts_12)[0]

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
