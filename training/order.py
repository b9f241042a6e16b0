"""Which samples a step visits: a function of seed, epoch and position alone.

The whole state is one integer, the global sample offset: sample `p` of a run is sample `p % n` of epoch
`p // n`. A step takes the next `batch_size * world` of them and rank r every world-th, so two processes
with a batch of 4 see exactly what one with a batch of 8 sees, and a run that stopped anywhere goes on exactly
there, with any number of processes and loader workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.resampling import balanced_resampling_weights


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
class PlacesOfSteps:
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
