"""Worker processes, and how a run of many stages keeps them from one stage to the next.

    with workers_kept():
        for index, outcome in map_capped(first, items, limits): ...
        for index, outcome in map_capped(second, others, limits): ...   # the same processes

A process takes longer to start than most stages take for a hundred meshes.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from typing import Any

from pipelines.worker_process import BEGUN, Job, main_module_hidden, worker_main

SINGLE_THREADED = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
    )
}
NOTES_SIZE = 1 << 16
"""More than the notes of the items that a worker has at a time."""


@dataclass
class Worker:
    """A process, the parent's ends of its pipes, and the items it works on."""

    process: Any
    pipe: connection.Connection
    notes: connection.Connection
    """Where it notes when it begins an item."""
    is_ready: bool = False
    """Whether it has answered its job."""
    was_kept: bool = False
    items: list[tuple[int, bytes]] = field(default_factory=list)
    """Sent and not answered: index and pickle of each, in the order in which it works."""
    begun: list[float] = field(default_factory=list)
    """When each of the first of them was begun, as far as its notes were read."""
    deadline: float = 0.0
    """When to look whether it is late."""

    @property
    def is_idle(self) -> bool:
        """Whether it waits for an item."""
        return self.is_ready and not self.items

    def read_notes(self) -> None:
        """Bring `begun` up to date."""
        if self.notes.poll():
            noted = os.read(self.notes.fileno(), NOTES_SIZE)
            self.begun += [time for (time,) in BEGUN.iter_unpack(noted)]

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.notes.close()


class _Kept(threading.local):
    """By thread: the kernel ends a worker when the thread that started it is gone."""

    workers: list[Worker] | None = None


_kept = _Kept()


@contextmanager
def workers_kept(n_ready: int = 0, imports: Sequence[str] = ()) -> Iterator[None]:
    """Let workers that are given back within wait for the next job; end them when it is left.

    So many are started at once, and load modules while the first job is still being prepared.
    """
    if _kept.workers is not None:
        yield
        return
    _kept.workers = [_started(imports) for _ in range(n_ready)]
    try:
        yield
    finally:
        workers, _kept.workers = _kept.workers, None
        for worker in workers:
            worker.end()


def taken(job: Job) -> Worker:
    """A worker that was kept, or a new one, with its job sent."""
    while _kept.workers:
        worker = _kept.workers.pop()
        try:
            worker.pipe.send(job)
        except OSError:  # it died while it waited
            worker.end()
        else:
            worker.is_ready, worker.was_kept = False, True
            return worker
    worker = _started()
    with suppress(OSError):  # where it died at once, the end of its pipe tells
        worker.pipe.send(job)
    return worker


def give_back(worker: Worker) -> None:
    """Keep an idle worker where workers are kept; else end it."""
    if _kept.workers is not None and worker.is_idle:
        _kept.workers.append(worker)
    else:
        worker.end()


def _started(imports: Sequence[str] = ()) -> Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    notes, theirs_for_notes = context.Pipe(duplex=False)
    process = context.Process(
        target=worker_main,
        args=(theirs, theirs_for_notes, os.getpid(), tuple(imports)),
        daemon=True,
        name="meshloom-worker",
    )
    with main_module_hidden(), _environment(SINGLE_THREADED):
        process.start()
    theirs.close()
    theirs_for_notes.close()
    return Worker(process, ours, notes)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables that a process started within inherits, unless they are set already."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
