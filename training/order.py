"""Which samples a run visits: a function of seed, epoch and position alone.

The whole state is one integer, the global sample offset: sample `p` of a run is sample `p % n` of epoch
`p // n`. What a step takes of them, and what each rank does, follows from where it begins (`training.steps`),
so a run that stopped anywhere goes on exactly there, with any number of processes and loader workers.
"""

from collections.abc import Iterator
from itertools import count
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

    def visits(self, offset: int) -> Iterator[Place]:
        """The samples of the run from the global sample `offset` on, without end."""
        for position in count(offset):
            epoch, place = divmod(position, self._count)
            yield Place(epoch, int(self.epoch(epoch)[place]))
