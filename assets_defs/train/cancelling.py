"""A cancel that always arrives.

Dagster cancels a run by asking the code server that started it to send the run SIGINT. The code server of
`dagster job launch` takes no more requests once the run has started: the UI marks the run as cancelling, and
nobody tells it. So the training step looks itself.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import dagster as dg

POLL_SECONDS = 2.0
CANCELLED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


@contextlib.contextmanager
def interrupted_when_cancelled(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Send this process SIGINT, once, when its run is cancelled; a second one would cut the saving short."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    is_over = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def once(number: int, frame: FrameType | None) -> None:
        if not is_over.is_set():
            is_over.set()
            if callable(before):
                before(number, frame)

    def watch() -> None:
        while not is_over.wait(POLL_SECONDS):
            run = instance.get_run_by_id(run_id)
            if run is not None and run.status in CANCELLED and not is_over.is_set():
                os.kill(os.getpid(), signal.SIGINT)
                return

    signal.signal(signal.SIGINT, once)
    watcher = threading.Thread(target=watch, name="cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        signal.signal(signal.SIGINT, before)
        watcher.join(timeout=POLL_SECONDS)
