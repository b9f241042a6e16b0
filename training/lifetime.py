"""Processes that end when they are told to, and leave none behind.

A rank follows its parent into death, turns SIGTERM and SIGINT into a wish that the loop reads once per step,
and a launcher stops a whole process group and waits until it is empty.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.1


def follow_parent(parent: int, death_signal: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send `death_signal` when the process `parent` dies (Linux; elsewhere nothing)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:  # it died before: the signal would never come
        os.kill(os.getpid(), death_signal)


def leave_signals_to_parent(_worker: int = 0) -> None:
    """In a loader worker: a signal to the whole group is its rank's to answer; die with the rank."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    follow_parent(os.getppid(), signal.SIGKILL)


class StopWish:
    """Remembers that SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.signal_number = 0

    @property
    def is_made(self) -> bool:
        """Whether a signal came."""
        return self.signal_number != 0

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self._hear)
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number


def group_is_alive(process: subprocess.Popen[str]) -> bool:
    """Whether any process of the group that `process` leads is left; reaps the leader."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def stop_group(process: subprocess.Popen[str], grace_seconds: float) -> None:
    """SIGTERM to the group that `process` leads, wait until it is empty, SIGKILL after the grace."""
    deadline = time.monotonic() + grace_seconds
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    while group_is_alive(process) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
