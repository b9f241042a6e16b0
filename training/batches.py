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
from training.order import Place, SampleOrder
from training.steps import FixedSize, SharesOfRank, StepRule, TokenBudget

PADDING = -1
Derive = Callable[[Prepared | Failed, bool], Prepared | Failed]
"""What takes the place of a sample, from it and whether that is to be kept: see `training.derivation`."""


class Batch(NamedTuple):
    """Samples of one rank and step as tensors by name, and those that could not be prepared."""

    tensors: dict[str, Tensor]
    """int64 or float32, (B, ..), shorter arrays padded with -1; empty where no sample is left."""
    mesh_ids: list[str]
    failed: list[Failed]

    @property
    def is_empty(self) -> bool:
        """Whether there was no sample, or every one failed."""
        return not self.mesh_ids

    @property
    def n_visited(self) -> int:
        """Samples, failed ones included."""
        return len(self.mesh_ids) + len(self.failed)


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
    return _load(dataset, SharesOfRank(order.visits, step_rule(dataset, world), offset, steps, rank), derive)


def held_out_batches(
    dataset: ShardDataset, count: int, rank: int = 0, world: int = 1, derive: Derive | None = None
) -> Iterator[Batch]:
    """The share of `rank` of the first `count` samples, in index order; as many batches as any rank has."""
    rule, offset, mine = step_rule(dataset, world), 0, []
    while step := rule.take(Place(0, index) for index in range(offset, min(count, len(dataset)))):
        offset += len(step)
        mine.append(rule.share(step, rank))
    return _load(dataset, mine, derive)


def step_rule(dataset: ShardDataset, world: int) -> StepRule:
    """How large steps are, and how `world` ranks share one: what the experiment says."""
    config = dataset.config
    if config.tokens_per_step is None:
        return FixedSize(config.batch_size, world)
    return TokenBudget(config.tokens_per_step, dataset.lengths, world)


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
