"""A pool of processes that works through items with a time and a memory cap on each.

    for index, outcome in map_capped(read_and_measure, tasks, limits):
        match outcome:
            case Ok(value): ...
            case Failed(reason, detail): ...

Outcomes come in the order of the items, whatever the number of workers. An item that runs too long, asks
for too much memory or crashes its process costs itself only: every worker has a pipe of its own and notes
which item it begins, so that a death is always that item's, and all others go on. (A pool with one queue for
all, such as pebble's, breaks when a worker dies between two items.) Small items travel together, which
takes fewer messages; those that a dead worker had not answered are begun anew.

A crash (SIGSEGV, SIGABRT, an exit) is the item's doing. Any other signal comes from outside, from a person or
from a kernel out of memory, and says nothing of the item: it is tried again, alone, while no other item is
worked on.
"""

import os
import pickle
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import Generic, TypeVar

from pipelines.kept_workers import Worker, give_back, taken
from pipelines.reasons import Reason
from pipelines.settings import WorkerLimits
from pipelines.worker_process import Failed, Job, Ok, late

__all__ = ["Failed", "Ok", "WorkerStartError", "map_capped", "n_workers"]

Item = TypeVar("Item")
Value = TypeVar("Value")

OUTCOMES_AHEAD_PER_WORKER = 32
"""How far workers may run ahead of an item that takes long."""
ITEMS_PER_MESSAGE = 16
BYTES_PER_MESSAGE = 1 << 17
"""A larger item travels alone."""
STARTS_WITHOUT_SUCCESS = 3
TRIES = 3
"""How often an item is begun whose worker is killed from outside; all but the first time alone."""
_CRASHES = {
    *(signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGTRAP, signal.SIGSYS),
}
"""Signals that a process brings upon itself."""


class WorkerStartError(RuntimeError):
    """Workers die before they take an item: a broken installation, or no memory left."""


def n_workers(limits: WorkerLimits) -> int:
    """Processes that the limits mean: as given, or one for each core this process may use."""
    if limits.workers:
        return limits.workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_capped(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    limits: WorkerLimits,
    unexpected: Reason = Reason.LOAD,
    imports: Sequence[str] = (),
) -> Iterator[tuple[int, Ok[Value] | Failed]]:
    """Apply `function` to each item in worker processes; yield (index, outcome) in the order of the items.

    Items are taken from the iterable only a few ahead of the outcomes. `function` must be importable by name.
    `imports` are modules that a worker loads before its first item, so that no item's caps pay for them.
    An exception other than ItemError becomes a failure with the reason `unexpected`.
    Leaving the iteration early stops the workers. Raises WorkerStartError.
    """
    pool = _Pool(function, limits, unexpected, imports)
    try:
        yield from pool.outcomes(iter(items))
    finally:
        pool.stop()


class _Pool(Generic[Item, Value]):
    def __init__(
        self,
        function: Callable[[Item], Value],
        limits: WorkerLimits,
        unexpected: Reason,
        imports: Sequence[str],
    ):
        self.limits = limits
        self.job = Job(function, limits.seconds_per_item, limits.bytes_per_item, unexpected, tuple(imports))
        self.n_workers = n_workers(limits)
        self.workers: list[Worker] = []
        self.pipes = selectors.DefaultSelector()
        self.n_failed_starts = 0
        self.backlog: deque[tuple[int, bytes]] = deque()
        """Items that wait, by index and pickle."""
        self.bereaved: deque[tuple[int, bytes]] = deque()
        """Items to be tried again alone."""
        self.n_kills: dict[int, int] = {}
        self.finished: dict[int, Ok[Value] | Failed] = {}

    def outcomes(self, items: Iterator[Item]) -> Iterator[tuple[int, Ok[Value] | Failed]]:
        """Yield (index, outcome) in order."""
        n_taken = n_yielded = 0
        is_exhausted = False
        while True:
            while n_yielded in self.finished:
                yield n_yielded, self.finished.pop(n_yielded)
                n_yielded += 1
            n_wanted = self.n_workers * OUTCOMES_AHEAD_PER_WORKER - (n_taken - n_yielded)
            n_wanted = min(n_wanted, self.n_workers * ITEMS_PER_MESSAGE - len(self.backlog))
            for _ in range(0 if is_exhausted else n_wanted):
                try:
                    item = next(items)
                except StopIteration:
                    is_exhausted = True
                    break
                self.backlog.append((n_taken, bytes(ForkingPickler.dumps(item))))
                n_taken += 1
            if is_exhausted and n_yielded == n_taken:
                return
            self._hand_out()
            self._wait()

    def stop(self) -> None:
        """Give idle workers back, and end the others; none holds anything that is worth a farewell."""
        for worker in self.workers:
            if not worker.is_idle:
                worker.process.kill()
        for worker in self.workers:
            give_back(worker)
        self.workers = []
        self.pipes.close()

    def _hand_out(self) -> None:
        """Give idle workers what waits; an item to be tried again waits until all others rest."""
        is_alone = self.bereaved or any(index in self.n_kills for w in self.workers for index, _ in w.items)
        n_most = 1 if is_alone else self.n_workers
        waiting = self.bereaved or self.backlog
        self._start_workers(min(len(waiting), n_most))
        # as much to each, so that none waits for the last one
        n_each = 1 if is_alone else -(-len(waiting) // self.n_workers)
        for worker in list(self.workers):
            n_busy = sum(bool(worker.items) for worker in self.workers)
            if worker.is_idle and waiting and n_busy < n_most:
                self._assign(worker, waiting, n_each)

    def _start_workers(self, n_waiting: int) -> None:
        n_free = sum(not worker.items for worker in self.workers)
        for _ in range(min(n_waiting - n_free, self.n_workers - len(self.workers))):
            worker = taken(self.job)
            self.workers.append(worker)
            self.pipes.register(worker.pipe, selectors.EVENT_READ)

    def _assign(self, worker: Worker, waiting: deque[tuple[int, bytes]], n_most: int) -> None:
        items = [waiting[0]]
        n_bytes = len(items[0][1])
        for index, item in islice(waiting, 1, min(n_most, ITEMS_PER_MESSAGE)):
            n_bytes += len(item)
            if n_bytes > BYTES_PER_MESSAGE:
                break
            items.append((index, item))
        try:
            worker.pipe.send([item for _, item in items])
        except OSError:  # died while idle, which is no item's fault: the next round replaces it
            self._remove(worker)
            return
        for _ in items:
            waiting.popleft()
        worker.items, worker.begun = items, []
        worker.deadline = time.monotonic() + self.limits.seconds_per_item

    def _wait(self) -> None:
        """Wait until a worker speaks, dies or is late, and act on it."""
        busy = [worker.deadline for worker in self.workers if worker.items]
        timeout = max(0.0, min(busy) - time.monotonic()) if busy else None
        ready = {key.fileobj for key, _ in self.pipes.select(timeout)} if self.workers else set()
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.pipe in ready:
                self._receive(worker)
            elif worker.items and now >= worker.deadline:
                self._remind(worker, now)

    def _receive(self, worker: Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._bury(worker, worker.process.exitcode)
            return
        if not worker.items:
            worker.is_ready = True
            self.n_failed_starts = 0
            return
        worker.read_notes()
        answered, rest = worker.items[: len(message)], worker.items[len(message) :]
        for (index, _), outcome in zip(answered, message, strict=True):
            self.finished[index] = pickle.loads(outcome)
        self.backlog.extendleft(reversed(rest))
        worker.items, worker.begun = [], []

    def _remind(self, worker: Worker, now: float) -> None:
        """End a worker whose item takes too long; wait for it where it has begun another one meanwhile."""
        worker.read_notes()
        if worker.begun:
            worker.deadline = worker.begun[-1] + self.limits.seconds_per_item
        if now >= worker.deadline:
            self._end(worker, Failed(Reason.TIME_LIMIT, late(self.limits.seconds_per_item)))

    def _bury(self, worker: Worker, code: int | None) -> None:
        """Remove a worker that died, and decide what becomes of the item that it was at."""
        if not worker.is_ready and not worker.was_kept:
            self.n_failed_starts += 1
            if self.n_failed_starts >= STARTS_WITHOUT_SUCCESS:
                raise WorkerStartError(
                    f"{self.n_failed_starts} workers died before their first item ({_cause(code)}); "
                    "see the error above"
                )
        worker.read_notes()
        if not worker.items or _is_crash(code):
            self._end(worker, Failed(Reason.WORKER_DIED, f"the worker died of {_cause(code)}"))
            return
        index, item = self._taken_from(worker)
        n_kills = self.n_kills[index] = self.n_kills.get(index, 0) + 1
        if n_kills < TRIES:
            self.bereaved.append((index, item))
        else:
            detail = f"its worker was killed {n_kills} times ({_cause(code)}), at last while it worked alone"
            self.finished[index] = Failed(Reason.WORKER_DIED, f"{detail}; memory may be short")
        self._remove(worker)

    def _end(self, worker: Worker, outcome: Failed) -> None:
        """Remove a worker; the item that it was at, if any, fails with `outcome`."""
        if worker.items:
            index, _ = self._taken_from(worker)
            self.finished[index] = outcome
        self._remove(worker)

    def _taken_from(self, worker: Worker) -> tuple[int, bytes]:
        """The item that a worker was at when it ended; its others wait again."""
        at = worker.items.pop(max(0, len(worker.begun) - 1))
        self.backlog.extendleft(reversed(worker.items))
        worker.items = []
        return at

    def _remove(self, worker: Worker) -> None:
        self.pipes.unregister(worker.pipe)
        worker.end()
        self.workers.remove(worker)


def _is_crash(exit_code: int | None) -> bool:
    """Whether a process ended of itself; another signal was sent to it."""
    return exit_code is None or exit_code >= 0 or -exit_code in _CRASHES


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and -exit_code in set(signal.Signals):
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
