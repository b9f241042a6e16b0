"""Batches of prepared samples, for training and for held-out losses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from training.data import DataError, Failed, Prepared, ShardDataset
from training.lifetime import leave_signals_to_parent
from training.order import Place, PlacesOfSteps, SampleOrder

PADDING = -1
Derive = Callable[[Prepared | Failed, bool], Prepared | Failed]
"""What takes the place of a sample, from it and whether that is to be kept: see `training.derivation`."""


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
    dataset: ShardDataset,
    offset: int,
    steps: int,
    rank: int = 0,
    world: int = 1,
    derive: Derive | None = None,
) -> Iterator[Batch]:
    """Batches of `rank` for the next `steps` steps, beginning at the global sample `offset`.

    `derive` is called in this process, whatever the number of workers.
    """
    config = dataset.config
    faces = dataset.index["n_faces"].to_numpy()
    order = SampleOrder(config.seed, len(dataset), faces, config.data.balanced_epochs)
    stride = config.batch_size * world
    offsets = range(offset, offset + steps * stride, stride)
    return _load(dataset, PlacesOfSteps(order, offsets, config.batch_size, rank, world), derive)


def held_out_batches(
    dataset: ShardDataset, count: int, rank: int = 0, world: int = 1, derive: Derive | None = None
) -> Iterator[Batch]:
    """The share of `rank` of the first `count` samples, in index order; as many batches as any rank has."""
    count, stride = min(count, len(dataset)), dataset.config.batch_size * world
    mine = [
        [Place(0, index) for index in range(first + rank, min(first + stride, count), world)]
        for first in range(0, count, stride)
    ]
    return _load(dataset, mine, derive)


def stand_in(dataset: ShardDataset, derive: Derive | None = None) -> Batch:
    """The first sample that can be prepared, for a rank that has none. Raises DataError where none can."""
    for index in range(len(dataset)):
        sample = dataset[Place(0, index)]
        if derive is not None:
            sample = derive(sample, dataset.is_fixed)
        if isinstance(sample, Prepared):
            return collate([sample])
    raise DataError(f"no sample of split {dataset.split} of {dataset.folder.root} can be used; see the log")


def _load(
    dataset: ShardDataset, batches: Iterable[list[Place]], derive: Derive | None = None
) -> Iterator[Batch]:
    workers = dataset.config.data.num_workers
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate if derive is None else list,
        num_workers=workers,
        worker_init_fn=leave_signals_to_parent if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    if derive is None:
        return iter(loader)
    return (collate([derive(sample, dataset.is_fixed) for sample in samples]) for samples in loader)
