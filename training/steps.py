"""How much of a run's order a step takes, and how its samples are dealt to the ranks.

A rule looks at nothing but the samples from the step's first one on, so that the global sample offset stays
the whole state of a run.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.order import Place


class StepRule(Protocol):
    """How large steps are, and who does what of one."""

    def take(self, places: Iterator[Place]) -> list[Place]:
        """The samples of the step that begins with the first of `places`; all of them where they end."""

    def share(self, step: list[Place], rank: int) -> list[Place]:
        """What `rank` does of a step, in the run's order; nothing where there are more ranks than samples."""


@dataclass(frozen=True)
class FixedSize:
    """The same number of samples for each rank, dealt in turn.

    Two processes with a batch of 4 see exactly what one with a batch of 8 sees.
    """

    batch_size: int
    world: int

    def take(self, places: Iterator[Place]) -> list[Place]:
        """The next `batch_size * world`."""
        return list(islice(places, self.batch_size * self.world))

    def share(self, step: list[Place], rank: int) -> list[Place]:
        """Every world-th."""
        return step[rank :: self.world]


@dataclass(frozen=True)
class TokenBudget:
    """As many samples as stay within a budget of tokens over all ranks, and at least one.

    What a step sees does not depend on the number of ranks. `lengths` are nominal, int64 (samples,), at least
    1: those of the index, so that no mesh has to be read to know where a step ends.
    """

    budget: int
    lengths: NDArray[np.int64]
    world: int

    def take(self, places: Iterator[Place]) -> list[Place]:
        """The next samples, up to the first that would exceed the budget."""
        step: list[Place] = []
        n_tokens = 0
        for place in places:
            n_tokens += self._length(place)
            if step and n_tokens > self.budget:
                break
            step.append(place)
        return step

    def share(self, step: list[Place], rank: int) -> list[Place]:
        """Longest first to the rank with the fewest tokens so far: at most 4/3 of the best (Graham, 1969)."""
        loads = [(0, r) for r in range(self.world)]
        mine = []
        for i in sorted(range(len(step)), key=lambda i: -self._length(step[i])):
            load, least_loaded = loads[0]
            heapq.heapreplace(loads, (load + self._length(step[i]), least_loaded))
            if least_loaded == rank:
                mine.append(i)
        return [step[i] for i in sorted(mine)]

    def _length(self, place: Place) -> int:
        return int(self.lengths[place.sample])


@dataclass(frozen=True)
class SharesOfRank:
    """A batch sampler: what `rank` does of each of `count` steps, worked out when it is asked for."""

    visits: Callable[[int], Iterator[Place]]
    """The samples of the run from an offset on."""
    rule: StepRule
    offset: int
    count: int
    rank: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[Place]]:
        offset = self.offset
        for _ in range(self.count):
            step = self.rule.take(self.visits(offset))
            offset += len(step)
            yield self.rule.share(step, self.rank)
