"""Batches of prepared samples, for training and for held-out losses."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from training.data import Failed, Prepared, ShardDataset
from training.lifetime import leave_signals_to_parent
from training.order import Place, PlacesOfSteps, SampleOrder

PADDING = -1


class Batch(NamedTuple):
    """Samples of one rank and step as tensors by name, and those that could not be prepared."""

    tensors: dict[str, Tensor]
    """int64 or float32, (B, ..), shorter arrays padded with -1; empty where every sample failed."""
    mesh_ids: list[str]
    failed: list[Failed]

    @property
    def is_empty(self) -> bool:
        """Whether every sample failed."""
        return not self.mesh_ids


def collate(samples: Sequence[Prepared | Failed]) -> Batch:
    """Stack arrays of the same name, padded along their first axis to the longest."""
    good = [sample for sample in samples if isinstance(sample, Prepared)]
    failed = [sample for sample in samples if isinstance(sample, Failed)]
    names = list(good[0].arrays) if good else []
    tensors = {name: _stack([sample.arrays[name] for sample in good]) for name in names}
    return Batch(tensors, [sample.mesh_id for sample in good], failed)


def _stack(arrays: Sequence[NDArray[Any]]) -> Tensor:
    longest = max(len(array) for array in arrays)
    dtype = np.float32 if np.issubdtype(arrays[0].dtype, np.floating) else np.int64
    stacked = np.full((len(arrays), longest, *arrays[0].shape[1:]), PADDING, dtype=dtype)
    for place, array in zip(stacked, arrays, strict=True):
        place[: len(array)] = array
    return torch.from_numpy(stacked)


def training_batches(
    dataset: ShardDataset, offset: int, steps: int, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Batches of `rank` for the next `steps` steps, beginning at the global sample `offset`."""
    config = dataset.config
    faces = dataset.index["n_faces"].to_numpy()
    order = SampleOrder(config.seed, len(dataset), faces, config.data.balanced_epochs)
    stride = config.batch_size * world
    offsets = range(offset, offset + steps * stride, stride)
    return _load(dataset, PlacesOfSteps(order, offsets, config.batch_size, rank, world))


def held_out_batches(dataset: ShardDataset, count: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """The share of `rank` of the first `count` samples, in index order."""
    mine = [Place(0, index) for index in range(rank, min(count, len(dataset)), world)]
    size = dataset.config.batch_size
    return _load(dataset, [mine[i : i + size] for i in range(0, len(mine), size)])


def _load(dataset: ShardDataset, batches: Iterable[list[Place]]) -> Iterator[Batch]:
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
