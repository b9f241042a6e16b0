"""What runs inside a worker of `pipelines.workers`, and what it sends back.

Imports nothing heavy: a worker that died is replaced within a second.
"""

import ctypes
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

from pipelines.reasons import Reason

Value = TypeVar("Value")

PR_SET_PDEATHSIG = 1
DETAIL_LENGTH = 300
SECONDS_PER_ANSWER = 0.1
"""A worker that has several items answers after so long with what it has: nobody waits for the whole."""
BEGUN = struct.Struct("=d")
"""What a worker notes when it begins an item: the time, as `time.monotonic` has it."""
_MAIN_LOCK = threading.Lock()


@dataclass(frozen=True)
class Ok(Generic[Value]):
    """What the function returned."""

    value: Value
    cpu_seconds: float = field(default=0.0, compare=False, repr=False)


@dataclass(frozen=True)
class Failed:
    """Why there is no value."""

    reason: Reason
    detail: str
    cpu_seconds: float = field(default=0.0, compare=False, repr=False)


class ItemError(Exception):
    """Raised by a function to reject its item with a reason of its own."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Job:
    """What is done with the items that follow."""

    function: Callable[[Any], Any]
    seconds_per_item: float
    bytes_per_item: int
    unexpected: Reason
    imports: tuple[str, ...]
    """Loaded before the first item, so that no item's caps pay for them."""


def worker_main(pipe: Connection, notes: Connection, parent: int, imports: Sequence[str]) -> None:
    """Work until the pipe closes.

    A job is answered by None once its imports are loaded. Some items, each a pickle, are answered by the
    pickled outcomes of one or more of the first of them. `notes` tells of each item when it was begun: where
    this process dies or hangs, it was at the last one noted. `imports` are loaded at once.
    """
    _die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    job: Job | None = None
    try:
        _load(imports)
        while True:
            message = pipe.recv()
            if isinstance(message, Job):
                job = message
                _load(job.imports)
                pipe.send(None)
            else:
                assert job is not None  # a job is always sent first
                pipe.send(_answers(job, message, notes))
    except (EOFError, OSError):
        return


def _load(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)


def _answers(job: Job, items: list[bytes], notes: Connection) -> list[bytes]:
    started = now = time.monotonic()
    outcomes = []
    for item in items:
        os.write(notes.fileno(), BEGUN.pack(now))
        outcomes.append(bytes(ForkingPickler.dumps(_answer(job, pickle.loads(item)))))
        now = time.monotonic()
        if now - started > SECONDS_PER_ANSWER:
            break
    return outcomes


def _answer(job: Job, item: Any) -> "Ok[Any] | Failed":
    started, cpu_started = time.monotonic(), time.process_time()
    outcome = run_item(job.function, item, job.bytes_per_item, job.unexpected)
    if time.monotonic() - started > job.seconds_per_item:
        # also where the parent was too busy to notice in time
        outcome = Failed(Reason.TIME_LIMIT, late(job.seconds_per_item))
    return replace(outcome, cpu_seconds=time.process_time() - cpu_started)


def run_item(
    function: Callable[[Any], Value], item: Any, bytes_per_item: int, unexpected: Reason
) -> Ok[Value] | Failed:
    """Apply the function to one item below the memory cap; every error becomes a Failed."""
    try:
        with _memory_cap(bytes_per_item):
            return Ok(function(item))
    except ItemError as error:
        return Failed(error.reason, one_line(error.detail))
    except MemoryError:
        size = f"{bytes_per_item / (1 << 20):.0f} MiB"
        return Failed(Reason.MEMORY_LIMIT, f"more than {size}; raise bytes_per_item to allow more")
    except Exception as error:
        return Failed(unexpected, one_line(f"{type(error).__name__}: {error}"))


def late(seconds_per_item: float) -> str:
    """Detail of an item that took too long."""
    return f"more than {seconds_per_item:g} s; raise seconds_per_item to wait longer"


def one_line(text: str) -> str:
    """A detail as one line of valid text of bounded length."""
    line = " ".join(text.encode(errors="replace").decode().split())
    return line if len(line) <= DETAIL_LENGTH else line[: DETAIL_LENGTH - 3] + "..."


@contextmanager
def main_module_hidden() -> Iterator[None]:
    """Keep a process that is started within from running the parent's script again.

    Workers need nothing of it, and a script without an `if __name__ == "__main__"` guard would start
    over in each of them.
    """
    with _MAIN_LOCK:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _die_with_parent(parent: int) -> None:
    """Let the kernel end this process when the parent is gone, even if it was killed."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


@contextmanager
def _memory_cap(bytes_per_item: int) -> Iterator[None]:
    """Let the address space grow by so many bytes, counted anew for each item."""
    if sys.platform != "linux":
        yield
        return
    in_use = _address_space()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    capped = in_use + bytes_per_item
    if hard != resource.RLIM_INFINITY:
        capped = min(capped, hard)
    resource.setrlimit(resource.RLIMIT_AS, (capped, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def _address_space() -> int:
    """Bytes that this process has mapped."""
    descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(descriptor, 64).split()[0]) * resource.getpagesize()
    finally:
        os.close(descriptor)
