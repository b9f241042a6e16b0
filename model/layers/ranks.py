"""What the ranks of one training learn together within a step: sums over all, with gradient.

Every rank makes the same calls in the same order, as with a batch norm over ranks. Where no process group is
up, or it has one rank, all of them give back what they are given. A rank without a sample calls them within
`absent()`: it takes part, and adds nothing.

Shape suffixes: N rows of this rank, A rows of all ranks, C channels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

_IS_ABSENT: ContextVar[bool] = ContextVar("is_absent", default=False)


@contextmanager
def absent() -> Iterator[None]:
    """Within it this rank has nothing to add."""
    token = _IS_ABSENT.set(True)
    try:
        yield
    finally:
        _IS_ABSENT.reset(token)


def learns(module: nn.Module) -> bool:
    """Whether ranks wait for this module: in training, and on an absent rank in any mode."""
    return module.training or _IS_ABSENT.get()


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum over all ranks, the same on each, with gradient to every rank's part; float32 or wider."""
    if _IS_ABSENT.get():
        values = values * 0
    return all_reduce(values) if _n_ranks() > 1 else values


def gathered(rows_NC: Tensor) -> Tensor:
    """The rows (A, C) of all ranks by ascending first channel, without gradient; of an absent rank none.

    In this order what is drawn from them does not depend on which rank had which.
    """
    if _IS_ABSENT.get():
        rows_NC = rows_NC[:0]
    if _n_ranks() > 1:
        rows_NC = _of_all_ranks(rows_NC)
    return rows_NC[rows_NC[:, 0].argsort(stable=True)]


def of_first_rank(values: Tensor) -> Tensor:
    """What rank 0 gives, on every rank; the shape is the same everywhere."""
    if _n_ranks() > 1:
        dist.broadcast(values, src=0)
    return values


def _of_all_ranks(rows_NC: Tensor) -> Tensor:
    sizes = [torch.zeros(1, dtype=torch.int64, device=rows_NC.device) for _ in range(_n_ranks())]
    dist.all_gather(sizes, torch.tensor([len(rows_NC)], device=rows_NC.device))
    n_rows = [int(size) for size in sizes]
    padded_NC = rows_NC.new_zeros(max(n_rows), rows_NC.shape[1])
    padded_NC[: len(rows_NC)] = rows_NC
    parts = [torch.empty_like(padded_NC) for _ in n_rows]
    dist.all_gather(parts, padded_NC)
    return torch.cat([part[:n] for part, n in zip(parts, n_rows, strict=True)])


def _n_ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1
