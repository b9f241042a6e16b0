"""Samples of a data set, read by position, in an order that is a function of seed and epoch alone.

The whole state of the loading is one integer, the global sample offset: sample `p` of a run is sample
`p % n` of epoch `p // n`. A step takes the next `batch_size * world` of them and rank r every world-th,
so two processes with a batch of 4 see exactly what one with a batch of 8 sees, and a run that stopped
anywhere goes on exactly there, with any number of processes and loader workers.
"""

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipelines.storage import DataFolder
from pipelines.tokenizers import TokenizerSettings, build_tokenizer, parse_tokenizer
from training.config import ExperimentConfig
from training.lifetime import leave_signals_to_parent
from training.resampling import balanced_resampling_weights
from training.surface import (
    HALF_EXTENT,
    Mesh,
    NoSurfaceError,
    condition_cloud,
    generator,
    normalize_half_extent,
    rotate_azimuth,
)

OPEN_FILES_LIMIT = 128


class DataError(ValueError):
    """The data set cannot be trained on; the message says what is missing."""


class SampleFailure(StrEnum):
    """Why a sample contributes nothing to its step: the closed list."""

    UNREADABLE = "UNREADABLE"  # its bytes are not where the index says
    NO_SURFACE = "NO_SURFACE"  # no face with an area
    TOKENIZER = "TOKENIZER"  # the turned or scaled mesh does not tokenise
    TOO_LONG = "TOO_LONG"  # the turned or scaled mesh has more than max_tokens tokens


class Sample(NamedTuple):
    """One mesh as the model sees it: tokens int32 (n,), points float32 (P, 6)."""

    mesh_id: str
    tokens: NDArray[np.int32]
    points: NDArray[np.float32]


class Failed(NamedTuple):
    """A sample that could not be made."""

    mesh_id: str
    failure: SampleFailure
    detail: str


class Batch(NamedTuple):
    """Samples of one rank and step: tokens int64 (B, n) padded with -1, points (B, P, 6), and failures."""

    tokens: Tensor
    points: Tensor
    failed: list[Failed]

    @property
    def is_empty(self) -> bool:
        """Whether every sample failed."""
        return len(self.tokens) == 0


class Place(NamedTuple):
    """Which sample, on which visit."""

    epoch: int
    sample: int


class SampleOrder:
    """Which of `count` samples each position of a run visits; every sample once per epoch.

    With `balanced_epochs`, an epoch draws with replacement instead, and the probabilities move from the
    natural to a balanced mix of `faces` (the face count of each sample) within that many epochs.
    """

    def __init__(
        self,
        seed: int,
        count: int,
        faces: NDArray[np.int64] | None = None,
        balanced_epochs: int | None = None,
    ) -> None:
        self._seed, self._count = seed, count
        self._faces, self._balanced_epochs = faces, balanced_epochs
        self._orders: dict[int, NDArray[np.int64]] = {}

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """Indices in the order of their visits, int64 (count,)."""
        if epoch not in self._orders:
            while len(self._orders) > 1:
                self._orders.pop(next(iter(self._orders)))
            random = np.random.default_rng([self._seed, epoch])
            if self._balanced_epochs is None or self._faces is None:
                order = random.permutation(self._count)
            else:
                weights = balanced_resampling_weights(self._faces, epoch, self._balanced_epochs)
                order = random.choice(self._count, size=self._count, p=weights)
            self._orders[epoch] = order
        return self._orders[epoch]

    def places(self, offset: int, batch_size: int, rank: int = 0, world: int = 1) -> list[Place]:
        """Samples of `rank` in the step that begins at the global sample `offset`."""
        visits = [divmod(p, self._count) for p in range(offset + rank, offset + batch_size * world, world)]
        return [Place(epoch, int(self.epoch(epoch)[position])) for epoch, position in visits]


@dataclass(frozen=True)
class SplitCounts:
    """What the index holds of one split."""

    n_indexed: int
    n_too_long: int

    @property
    def n_used(self) -> int:
        """Samples that are read."""
        return self.n_indexed - self.n_too_long


class ShardDataset(Dataset[Sample | Failed]):
    """Samples of one split; `dataset[Place(epoch, index)]` is a function of the seed and the place alone.

    Held-out splits are never turned, scaled or made noisy: their clouds are the same on every visit.
    Raises DataError where the index is absent or nothing of the split is short enough.
    """

    def __init__(self, data: Path, split: str, config: ExperimentConfig) -> None:
        self.folder = DataFolder(Path(data))
        self.split = split
        self.config = config
        index = read_index(self.folder)
        rows = index.filter(pl.col("split") == split)
        used = rows.filter(pl.col("n_tokens") <= config.max_tokens)
        self.counts = SplitCounts(rows.height, rows.height - used.height)
        if used.is_empty():
            present = dict(sorted(index["split"].value_counts().iter_rows()))
            raise DataError(
                f"split {split} of {data} has {rows.height} samples, {self.counts.n_too_long} of them longer "
                f"than {config.max_tokens} tokens; nothing is left. Samples by split: {present or 'none'}"
            )
        self.index = used
        self._rows: list[dict[str, Any]] = used.to_dicts()
        self._descriptors: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}

    def __getitem__(self, place: Place) -> Sample | Failed:
        epoch, index = place
        mesh_id = self._rows[index]["mesh_id"]
        try:
            return self._sample(mesh_id, epoch, index)
        except NoSurfaceError as error:
            return Failed(mesh_id, SampleFailure.NO_SURFACE, str(error))
        except (OSError, EOFError) as error:
            return Failed(mesh_id, SampleFailure.UNREADABLE, str(error))
        except _SampleError as error:
            return Failed(mesh_id, error.failure, str(error))

    def mesh(self, index: int) -> Mesh:
        """The cleaned, normalised mesh as stored: float32 (V, 3), int32 (F, 3).

        Raises OSError where the shard does not hold it.
        """
        return Mesh(self._member(index, "vertices"), self._member(index, "faces"))

    def tokens(self, index: int) -> NDArray[np.int32]:
        """The stored tokens. Raises OSError where the shard does not hold them."""
        return self._member(index, "tokens").astype(np.int32)

    def mesh_id(self, index: int) -> str:
        """Name of a sample."""
        return str(self._rows[index]["mesh_id"])

    def _sample(self, mesh_id: str, epoch: int, index: int) -> Sample:
        settings, augment = self.config.data, self.config.data.augment
        mesh, is_training = self.mesh(index), self.split == "train"
        random = generator(self.config.seed, "sample", epoch if is_training else self.split, index)
        tokens, noise = None, 0.0
        if is_training:
            # Every draw happens whether or not it is used, so that one option does not move the others.
            degrees = random.uniform(0, 360)
            bound = random.uniform(*augment.scale_range)
            noise = augment.noise_sigma if random.random() < augment.noise_probability else 0.0
            if augment.changes_mesh:
                mesh = _move(
                    mesh, degrees if augment.rotate else 0.0, bound if augment.scale else HALF_EXTENT
                )
                tokens = self._encode(mesh)
        points = condition_cloud(mesh, self.config.points, random, settings.point_pool, noise)
        return Sample(mesh_id, self.tokens(index) if tokens is None else tokens, points)

    def _encode(self, mesh: Mesh) -> NDArray[np.int32]:
        import tokenizer_rs

        try:
            tokenizer = build_tokenizer(self.config.tokenizer)
            encoded = tokenizer.encode(mesh.vertices.astype(np.float64), mesh.faces)
        except tokenizer_rs.MeshError as error:
            raise _SampleError(SampleFailure.TOKENIZER, f"{error.code}: {error}") from error
        tokens = np.asarray(encoded.tokens, dtype=np.int32)
        if len(tokens) > self.config.max_tokens:
            raise _SampleError(SampleFailure.TOO_LONG, f"{len(tokens)} tokens")
        return tokens

    def _member(self, index: int, name: str) -> NDArray[Any]:
        row = self._rows[index]
        size = row[f"{name}_size"]
        content = os.pread(self._descriptor(row["shard_file"]), size, row[f"{name}_offset"])
        try:
            return np.load(io.BytesIO(content), allow_pickle=False)
        except ValueError as error:
            raise OSError(
                f"{row['shard_file']} has no {name} of {row['mesh_id']} at {row[f'{name}_offset']}"
            ) from error

    def _descriptor(self, shard_file: str) -> int:
        if shard_file not in self._descriptors:
            if len(self._descriptors) >= OPEN_FILES_LIMIT:
                self.close()
            self._descriptors[shard_file] = os.open(self.folder.shards / shard_file, os.O_RDONLY)
        return self._descriptors[shard_file]

    def close(self) -> None:
        """Close the shards; they open again when needed."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


class _SampleError(Exception):
    def __init__(self, failure: SampleFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


def read_index(folder: DataFolder) -> pl.DataFrame:
    """Where each sample lies. Raises DataError where there are no shards."""
    path = folder.shards / "index.parquet"
    if not path.is_file():
        raise DataError(f"{folder.root} has no shards/index.parquet; run `meshloom curate` first")
    return pl.read_parquet(path)


def tokenizer_of(data: Path) -> TokenizerSettings | None:
    """The tokenizer that a data set's manifest names; None where there is no manifest that names one.

    Raises DataError for a manifest whose tokenizer this version does not know.
    """
    path = DataFolder(Path(data)).manifest
    try:
        content = json.loads(path.read_bytes())["settings"]["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        return parse_tokenizer(content)
    except ValueError as error:
        raise DataError(
            f"{path} names a tokenizer that is not known here; curate it again: {error}"
        ) from None


def with_tokenizer_of(config: ExperimentConfig, data: Path) -> ExperimentConfig:
    """The configuration with the data set's tokenizer filled in.

    Raises DataError where the configuration asks for another one, where neither names one, or where the
    model's vocabulary is not the tokenizer's.
    """
    theirs, ours = tokenizer_of(data), config.data.tokenizer
    if theirs is not None and ours is not None and theirs != ours:
        raise DataError(
            f"data.tokenizer is {ours.label}, but {data} was made with {theirs.label}; leave data.tokenizer "
            f"out, or curate the data set with it"
        )
    settings = ours or theirs
    if settings is None:
        raise DataError(f"the manifest of {data} names no tokenizer; give data.tokenizer.name")
    n_ids = build_tokenizer(settings).vocab_size
    if n_ids != config.model.vocab_size:
        raise DataError(
            f"{settings.label} has {n_ids} ids, and the model {config.model.vocab_size}; "
            f"give model.vocab_size={n_ids}"
        )
    filled = config.data.model_copy(update={"tokenizer": settings})
    return config.model_copy(update={"data": filled})


def collate(samples: list[Sample | Failed]) -> Batch:
    """Pad tokens on the right with -1 to the longest; failures keep their name and reason."""
    good = [sample for sample in samples if isinstance(sample, Sample)]
    failed = [sample for sample in samples if isinstance(sample, Failed)]
    tokens = np.full((len(good), max((len(s.tokens) for s in good), default=0)), -1, dtype=np.int64)
    for row, sample in zip(tokens, good, strict=True):
        row[: len(sample.tokens)] = sample.tokens
    points = np.stack([s.points for s in good]) if good else np.zeros((0, 0, 6), dtype=np.float32)
    return Batch(torch.from_numpy(tokens), torch.from_numpy(points), failed)


def training_batches(
    dataset: ShardDataset, offset: int, steps: int, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Batches of `rank` for the next `steps` steps, beginning at the global sample `offset`."""
    config = dataset.config
    faces = dataset.index["n_faces"].to_numpy()
    order = SampleOrder(config.seed, len(dataset), faces, config.data.balanced_epochs)
    stride = config.batch_size * world
    offsets = range(offset, offset + steps * stride, stride)
    return _load(dataset, _Places(order, offsets, config.batch_size, rank, world))


def held_out_batches(dataset: ShardDataset, count: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """The share of `rank` of the first `count` samples, in index order."""
    mine = [Place(0, index) for index in range(rank, min(count, len(dataset)), world)]
    size = dataset.config.batch_size
    return _load(dataset, [mine[i : i + size] for i in range(0, len(mine), size)])


@dataclass(frozen=True)
class _Places:
    """A batch sampler that works out each step's places when it is asked for them."""

    order: SampleOrder
    offsets: range
    batch_size: int
    rank: int
    world: int

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[list[Place]]:
        return (self.order.places(offset, self.batch_size, self.rank, self.world) for offset in self.offsets)


def _load(dataset: ShardDataset, batches: Any) -> Iterator[Batch]:
    workers = dataset.config.data.num_workers
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=leave_signals_to_parent if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def _move(mesh: Mesh, degrees: float, half_extent: float) -> Mesh:
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    if degrees:
        vertices = rotate_azimuth(vertices, degrees)
    return Mesh(normalize_half_extent(vertices, half_extent), mesh.faces)
