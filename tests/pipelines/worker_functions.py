"""What the tests of the pool let workers do: they import it by name."""

import os
import signal
import time
from pathlib import Path

from pipelines.reasons import Reason
from pipelines.worker_process import ItemError


def act(task: str) -> str:
    """Do what the task says; return it."""
    match task.split():
        case ["sleep"]:
            time.sleep(600)
        case ["nap"]:
            time.sleep(0.3)
        case ["allocate"]:
            return str(len(bytearray(2 << 30)))
        case ["abort"]:
            os.abort()
        case ["exit"]:
            os._exit(0)
        case ["raise"]:
            raise ValueError("two\nlines and \udcff")
        case ["reject"]:
            raise ItemError(Reason.NO_TRIANGLES, "only points")
        case ["crash", folder]:
            _note(folder, "begun")
            os.abort()
        case ["killed", folder, n_times]:
            _note(folder, "killed")
            if len(list(Path(folder).glob("killed-*"))) <= int(n_times):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.3)
            _note(folder, "alone")
        case ["neighbour", folder]:
            _note(folder, "begun")
            time.sleep(0.05)
            _note(folder, "ended")
        case ["quick", folder]:
            _note(folder, "ended")
        case ["meet", folder, n_processes]:
            Path(folder, f"met-{os.getpid()}").touch()
            while len(list(Path(folder).glob("met-*"))) < int(n_processes):
                time.sleep(0.01)
        case ["pid", folder]:
            Path(folder, str(os.getpid())).touch()
            time.sleep(600)
    return task


def _note(folder: str, what: str) -> None:
    Path(folder, f"{what}-{time.monotonic_ns()}").touch()


def environment(name: str) -> str | None:
    """Value of a variable as the worker sees it."""
    return os.environ.get(name)


def process(_: str) -> int:
    """Number of the worker's process."""
    return os.getpid()
