"""What a system gives the trainer, and nothing else that the trainer knows of it.

    system = load_system("silksong")       # SYSTEM of model.silksong.system
    system = load_system("my_lab.toy")     # SYSTEM of my_lab.toy.system, from any package

A system has a configuration, stages in the order of their training, and a generator made of the trained
networks. A stage says what it needs of a sample, how samples become tensors, which network it trains and with
which loss; a later stage may use the networks of earlier ones, which then stay as they are.

Shape suffixes: B batch, P points of a condition.
"""

import importlib
import importlib.util
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

import model
from model.layers.flops import PER_WEIGHT, n_matrix_weights

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)
Batch = Mapping[str, Tensor]
"""Tensors by name, int64 or float32: what `Stage.prepare` gave, with an axis for the samples in front."""
Networks = Mapping[str, nn.Module]
"""Networks by the name of the stage that trains them."""


@dataclass(frozen=True)
class Needs:
    """What a stage reads of each sample, or a generator of each condition, beside the mesh itself."""

    vocab_size: int | None = None
    """Ids of the tokens that are read; None where no tokens are."""
    max_tokens: int | None = None
    """Meshes with more are left out."""
    max_faces: int | None = None
    """Meshes with more are left out."""
    points: int = 0
    """Points with normals on the surface."""
    labels_per_face: int = 1
    """What is predicted of each face, nominally: a mesh's length, where no tokens are read."""
    text_width: int | None = None
    """Channels of the features of a text; None where none is read. They are then `text` (B, S, C) of a batch,
    padded with -1; a mesh of which nothing is said has padding alone."""
    counts: bool = False
    """Whether the counts of a mesh are read."""


class Counts(NamedTuple):
    """How large a mesh is; of a count of 0 nothing is said."""

    faces: int = 0
    components: int = 0
    """Connected by edges."""


NOTHING_SAID = Counts()


class Sample(NamedTuple):
    """One mesh as a stage sees it."""

    mesh_id: str
    vertices: NDArray[np.floating]
    """(V, 3), the longest side around 0, y up."""
    faces: NDArray[np.integer]
    """(F, 3)"""
    tokens: NDArray[np.int32] | None
    """(n,), without the end."""
    points: NDArray[np.float32] | None
    """(P, 6): positions and unit normals."""
    counts: Counts = NOTHING_SAID
    """Of what the tokens stand for, where `Needs.counts` asks for it."""


class SampleError(ValueError):
    """A stage can learn nothing from a sample; the message says why."""


class TokenGrammar(Protocol):
    """Which tokens may follow in each row of a batch; `tokenizer_rs` has one for every tokenizer."""

    def allowed(self, remaining: int) -> np.ndarray:
        """Which ids may follow, bool (rows, vocab_size + 1), the end last.

        `remaining` tokens, the end among them, may still be written: what is allowed can end within them.
        """

    def advance(self, tokens: np.ndarray) -> None:
        """Take one id a row, int32 (rows,); the end ends a row, and whatever comes after is left alone."""

    def copy(self) -> "TokenGrammar":
        """An independent copy, to look ahead with; asked for only where a draft guesses."""


class Tokenizer(Protocol):
    """The tokenizer of a run."""

    def decode(self, tokens: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
        """Vertices (V, 3) and faces (F, 3). Raises tokenizer_rs.MeshError."""

    def grammar_batch(self, rows: int) -> TokenGrammar:
        """What may follow at the beginning of so many rows."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; temperature 0 takes the most probable.

    Row i of a call draws from the random stream `seed + i`. Constrained, only what decodes is drawn, and
    every row ends within `max_tokens`, as far as the system can see to it. A row that takes longer than
    `max_seconds` is ended or cut, where the system can.
    """

    seed: int
    temperature: float
    max_tokens: int
    top_k: int | None = 50
    top_p: float | None = 0.95
    constrained: bool = True
    max_seconds: float | None = None
    guidance: float = 1.0
    """How far to go from the logits without a text to those with it, and beyond; 1 for those with it."""


@dataclass(frozen=True)
class RowRequest:
    """A row to write."""

    index: int
    """It draws from the random stream `seed + index`."""
    points: Tensor | None = None
    """(P, 6), the cloud of its condition, where `needs.points` asks for one."""
    text: Tensor | None = None
    """(S, C), features of its text, where `needs.text_width` asks for them; (0, C) for none."""
    counts: Counts = NOTHING_SAID
    """What the mesh should have, where `needs.counts` asks for it."""


@dataclass(frozen=True)
class GeneratedRow:
    """One row: its tokens (int32, with the prompt, without the end), why and after how long it stopped."""

    tokens: np.ndarray
    ended: bool
    """It came to its end; else it was cut at `max_tokens`."""
    seconds: float
    """Wall time."""
    out_of_time: bool = False
    """It took longer than it may, and was cut, or led to its end."""

    @property
    def stop_reason(self) -> Literal["ended", "length", "time"]:
        """What stopped it: its end, the limit of tokens, or that of time."""
        if self.out_of_time:
            return "time"
        return "ended" if self.ended else "length"


@dataclass(frozen=True)
class Draft:
    """A smaller generator of the same system and tokenizer, which guesses tokens ahead of a larger one."""

    generator: "Generator"
    n_tokens: int = 4
    """Guesses a step."""


class Stage(ABC, Generic[Config, Network]):
    """One training of a system."""

    name: ClassVar[str]
    earlier: ClassVar[tuple[str, ...]] = ()
    """Stages whose trained networks are used, as they are."""
    derivation: ClassVar[str | None] = None
    """Names what `derive` makes, anew with every change of it; None: there is nothing to derive."""

    def settings(self, config: Config) -> BaseModel:
        """The part of the configuration that says what this stage's weights are."""
        return config

    @abstractmethod
    def needs(self, config: Config) -> Needs:
        """What is read of each sample."""

    @abstractmethod
    def build(self, config: Config) -> Network:
        """The network with random weights, from torch's own random numbers."""

    def load_reference(self, path: str, config: Config) -> Network:
        """The network with the weights of a published checkpoint.

        Raises:
            ValueError: there is none for this stage, or it does not fit.
        """
        raise ValueError(f"stage {self.name} reads no published checkpoint; leave initial_weights out")

    @abstractmethod
    def prepare(self, sample: Sample, config: Config) -> dict[str, NDArray[Any]]:
        """What of a sample goes into a batch: arrays by name, integer or floating point.

        Runs in a loader's process. A batch pads each array along its first axis with -1.

        Raises:
            SampleError, tokenizer_rs.MeshError: the mesh cannot be used; it is then left out, and counted.
        """

    def derive(self, prepared: Mapping[str, NDArray[Any]], earlier: Networks) -> dict[str, NDArray[Any]]:
        """What earlier networks make of a prepared sample: arrays that go into the batch in its place.

        Runs on the device that trains, without autocast. It is kept for later visits and runs, so it has to
        be a function of its arguments alone.
        """
        raise NotImplementedError(f"stage {self.name} derives nothing")

    @abstractmethod
    def loss_sum(self, network: Network, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """The loss (nats) summed over what is predicted, and how many that are; two scalars.

        The trainer adds both over ranks before it divides, so that each prediction weighs the same.
        """

    def flops_per_label(self, network: Network, mean_length: float) -> float:
        """Operations of training, forward and backward, for each prediction, where a sample has so many.

        Here every matrix works once on each, and nothing attends. See `model.layers.flops` for what counts.
        """
        return float(PER_WEIGHT * n_matrix_weights(network))


class Generator(ABC):
    """Trained networks of a system, ready to write meshes."""

    needs: Needs
    """Of each condition; `max_tokens` is the longest row that can be written."""
    networks: Networks
    vocab_size: int
    """Ids that a row may hold, the end left out."""

    @abstractmethod
    def generate(
        self,
        points_BP6: Tensor | None,
        n_rows: int,
        sampling: Sampling,
        texts: Sequence[Tensor] | None = None,
    ) -> Sequence[GeneratedRow]:
        """Write `n_rows` rows, for these conditions where `needs` asks for any.

        `texts` (S, C) of the rows are given to a generator that reads some; without them nothing is said.
        """

    def generate_each(
        self,
        requests: Iterable[RowRequest],
        sampling: Sampling,
        n_slots: int = 8,
        is_compiled: bool = False,
        draft: Draft | None = None,
    ) -> Iterator[tuple[int, GeneratedRow]]:
        """Write a row for each request, `n_slots` at once; index and row, in any order.

        Requests are taken as they are needed. Here they are batches of consecutive indices; a system that can
        give the place of a row that ended to the next request does so, and may be compiled. With a draft,
        where the system can use one, rows are other ones of the same distribution.
        Raises ValueError where it cannot, or the draft does not fit.
        """
        if draft is not None:
            raise ValueError("this system generates without a draft; leave it out")
        for batch in _consecutive(requests, n_slots):
            clouds = [request.points for request in batch if request.points is not None]
            points_BP6 = torch.stack(clouds) if clouds else None
            of_batch = replace(sampling, seed=sampling.seed + batch[0].index)
            texts = [request.text for request in batch if request.text is not None]
            rows = self.generate(points_BP6, len(batch), of_batch, **({"texts": texts} if texts else {}))
            yield from zip((request.index for request in batch), rows, strict=True)

    @abstractmethod
    def decode(
        self, tokens: NDArray[np.int32], constrained: bool
    ) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        """Vertices (V, 3), y up, and faces (F, 3) of one row; manifold and oriented where constrained.

        Raises:
            tokenizer_rs.MeshError: the tokens do not decode.
        """


def _consecutive(requests: Iterable[RowRequest], size: int) -> Iterator[list[RowRequest]]:
    """Runs of requests with consecutive indices, each of at most `size`."""
    batch: list[RowRequest] = []
    for request in requests:
        if batch and (request.index != batch[-1].index + 1 or len(batch) == size):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch


@dataclass(frozen=True)
class System(Generic[Config]):
    """Everything the trainer knows of a system."""

    config: type[Config]
    stages: tuple[Stage[Config, Any], ...]
    """In the order of their training; the last one writes meshes."""
    generator: Callable[[Networks, Tokenizer | None], Generator]
    """From the networks of all stages, and the run's tokenizer where its tokens are read."""

    def stage(self, name: str) -> Stage[Config, Any]:
        """The stage of this name. Raises ValueError, naming the others."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"there is no stage {name}; known are {', '.join(s.name for s in self.stages)}")


def load_system(name: str) -> System[Any]:
    """The system of a folder of `model/`, or of any package by its dotted name.

    Raises:
        ValueError: there is no such system; those of `model/` are named.
    """
    module_name = f"{name}.system" if "." in name else f"{model.__name__}.{name}.system"
    try:
        system = importlib.import_module(module_name).SYSTEM
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not module_name.startswith(str(error.name)):
            raise  # a package that the system itself asks for
        raise ValueError(
            f"there is no system {name!r}: {module_name} is absent or has no SYSTEM. "
            f"Known are {', '.join(known_systems())}, and packages by their dotted names"
        ) from None
    if not isinstance(system, System):
        raise ValueError(f"{module_name}.SYSTEM is a {type(system).__name__}, not a System")
    return system


def known_systems() -> list[str]:
    """Names of the systems in `model/`."""
    folders = [module.name for module in pkgutil.iter_modules(model.__path__) if module.ispkg]
    return sorted(
        name for name in folders if importlib.util.find_spec(f"{model.__name__}.{name}.system") is not None
    )
