"""How a stage walks through its partitions: skip the current ones, send the rest through one pool.

A partition is current when its table, its rejects and, for some stages, its geometry carry the fingerprint
of its inputs. The table is written last, so that a killed run leaves the partition stale and the next run
redoes it.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import polars as pl

from pipelines.engines import folders_needed, over_partitions
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.sources import Source, without_listings
from pipelines.stages import PartitionResult, Progress
from pipelines.storage import DataFolder, ShardKey, table_fingerprint, write_table
from pipelines.tables import Rejected, polars_schema, validate
from pipelines.workers import Failed, map_capped

Row = dict[str, Any]
IDENTITY = ("mesh_id", "uri", "source", "shard", "sha256")
"""Columns that every table of a stage hands on."""


class UpstreamError(RuntimeError):
    """A partition whose earlier stages have not run, or do not belong together."""


class PartitionWriter(Protocol):
    """Collects what a stage keeps of one partition."""

    def keep(self, row: Row, value: Any) -> None:
        """Take the worker's value for one upstream row; a Failed where the stage keeps failures."""

    def finish(self) -> int:
        """Write everything, the table last; returns the number of rows."""


class StageWork(ABC):
    """What one stage does; everything else is the same for all."""

    stage: ClassVar[str]
    keeps_failures: ClassVar[bool] = False
    """Whether an item that fails is a row of the table as well, and nothing is rejected."""
    imports: tuple[str, ...]
    """Modules that `function` needs in a worker."""
    unexpected: ClassVar[Reason]
    """Reason of an item on which `function` raises anything but ItemError."""
    function: Callable[[Any], Any]
    """What a worker does with one task."""
    sources: Sequence[Source] = ()
    """Asked for the bytes of files without a path."""

    def __getstate__(self) -> dict[str, Any]:
        # sent to every task of another machine, and sources remember every file that they listed
        return {**vars(self), "sources": [without_listings(source) for source in self.sources]}

    @abstractmethod
    def fingerprint(self, key: ShardKey) -> str:
        """Name of the partition's result."""

    @abstractmethod
    def outputs(self, key: ShardKey) -> list[Path]:
        """Files of the partition besides its rejects; all carry the fingerprint."""

    @abstractmethod
    def n_rows(self, key: ShardKey) -> int:
        """Number of upstream rows."""

    @abstractmethod
    def tasks(self, key: ShardKey) -> Iterator[tuple[Row, Any]]:
        """Upstream rows in order, each with its task, or with a Failed that is known beforehand."""

    @abstractmethod
    def writer(self, key: ShardKey, fingerprint: str, stack: ExitStack) -> PartitionWriter:
        """Begin to write a partition; what is entered into `stack` is undone where it is not finished."""


@dataclass
class _Job:
    key: ShardKey
    fingerprint: str
    started: float = 0.0
    cpu_seconds: float = 0.0
    rejects: list[Row] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)
    writer: PartitionWriter | None = None


def run_partitions(
    data: DataFolder,
    work: StageWork,
    keys: Sequence[ShardKey],
    settings: CurationSettings,
    progress: Progress,
) -> list[PartitionResult]:
    """Bring partitions up to date where the settings say; results in the order of `keys`."""
    folders = folders_needed(data, settings, work.sources)
    return over_partitions(partial(_run, data, work), keys, settings, (work.stage, progress), folders)


def _run(
    data: DataFolder, work: StageWork, keys: list[ShardKey], limits: WorkerLimits, progress: Progress
) -> list[PartitionResult]:
    """The same on this machine. All stale partitions share one pool, and at most a few are in memory."""
    fingerprints = {key: work.fingerprint(key) for key in keys}
    results = {
        key: _result(data, work, key, was_current=True)
        for key in keys
        if is_current(fingerprints[key], [*_rejected(data, work, key), *work.outputs(key)])
    }
    stale = [key for key in keys if key not in results]
    plan: deque[tuple[_Job, Row | None, Failed | None]] = deque()

    def feed() -> Iterator[Any]:
        for key in stale:
            job = _Job(key, fingerprints[key])
            for row, task in work.tasks(key):
                known = task if isinstance(task, Failed) else None
                plan.append((job, row, known))
                if known is None:
                    yield task
            plan.append((job, None, None))  # the end of the partition

    n_done, n_all = 0, sum(work.n_rows(key) for key in stale)

    def finish(job: _Job) -> PartitionResult:
        result = _finish(data, work, job)
        open_jobs.remove(job)
        return result

    def settle(outcome: Any) -> None:
        """Hand out what needs no worker, then, if given, the outcome of the next row that did."""
        nonlocal n_done
        while plan:
            job, row, known = plan[0]
            if row is not None and known is None and outcome is None:
                return
            plan.popleft()
            if job.writer is None:
                job.started = time.monotonic()
                job.writer = work.writer(job.key, job.fingerprint, job.stack)
                open_jobs.append(job)
            if row is None:
                # Workers need not wait while a table is written. Two at a time would be too much memory.
                if finishing:
                    finishing[-1][1].result()
                finishing.append((job.key, finisher.submit(finish, job)))
                continue
            if known is None:
                known, outcome = outcome, None
                job.cpu_seconds += known.cpu_seconds
            if isinstance(known, Failed) and work.keeps_failures:
                job.writer.keep(row, known)
            elif isinstance(known, Failed):
                job.rejects.append(reject(row, work.stage, known))
            else:
                job.writer.keep(row, known.value)
            n_done += 1
            progress(work.stage, n_done, n_all)

    open_jobs: list[_Job] = []
    finishing: list[tuple[ShardKey, Future[PartitionResult]]] = []
    try:
        with ThreadPoolExecutor(1, "meshloom-finish") as finisher:
            for _, outcome in map_capped(work.function, feed(), limits, work.unexpected, work.imports):
                settle(outcome)
            settle(None)
            results |= {key: result.result() for key, result in finishing}
    except BaseException as error:
        with ExitStack() as stacks:  # each is undone, also where undoing another fails
            for job in open_jobs:
                stacks.push(job.stack)
            raise error
    return [results[key] for key in keys]


def is_current(fingerprint: str, paths: Iterable[Path]) -> bool:
    """Whether all files of a partition carry its fingerprint."""
    return all(table_fingerprint(path) == fingerprint for path in paths)


def current_result(data: DataFolder, stage: Stage, key: ShardKey) -> PartitionResult:
    """Result of a partition that is on disk already."""
    n_kept = n_rows_on_disk(data.table(stage, key))
    return PartitionResult(key, n_kept, count_reasons(data.rejected(stage, key)), was_current=True)


def n_rows_on_disk(path: Path) -> int:
    """Number of rows of a table."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def count_reasons(path: Path) -> dict[str, int]:
    """Rows per reason of a table of rejects."""
    reasons = pl.read_parquet(path, columns=["reason"])["reason"]
    return dict(sorted(reasons.value_counts().iter_rows()))


def reject(row: Row, stage: str, failed: Failed) -> Row:
    """Row of the rejects table for one upstream row."""
    identity = {name: row.get(name) for name in IDENTITY}
    return {**identity, "stage": str(stage), "reason": failed.reason.value, "detail": failed.detail}


def write_rejects(data: DataFolder, stage: str, key: ShardKey, rejects: list[Row], fingerprint: str) -> None:
    """Write a partition's rejects, also where there are none."""
    frame = pl.DataFrame(rejects, schema=polars_schema(Rejected), orient="row")
    write_table(data.rejected(stage, key), validate(Rejected, frame), fingerprint)


def _finish(data: DataFolder, work: StageWork, job: _Job) -> PartitionResult:
    assert job.writer is not None
    if not work.keeps_failures:
        write_rejects(data, work.stage, job.key, job.rejects, job.fingerprint)
    job.writer.finish()
    job.stack.close()
    seconds = time.monotonic() - job.started
    return _result(data, work, job.key, seconds=seconds, cpu_seconds=job.cpu_seconds)


def _rejected(data: DataFolder, work: StageWork, key: ShardKey) -> list[Path]:
    return [] if work.keeps_failures else [data.rejected(work.stage, key)]


def _result(data: DataFolder, work: StageWork, key: ShardKey, **how: Any) -> PartitionResult:
    reasons = [count_reasons(path) for path in _rejected(data, work, key)]
    return PartitionResult(
        key, n_rows_on_disk(data.table(work.stage, key)), reasons[0] if reasons else {}, **how
    )
