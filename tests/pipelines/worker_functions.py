"""What the tests of the pool let workers do: they import it by name."""

import os
import time
from pathlib import Path

from pipelines.reasons import Reason
from pipelines.worker_process import ItemError


def act(task: str) -> str:
    """Do what the task says; return it."""
    match task.split():
        case ["sleep"]:
            time.sleep(600)
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
        case ["pid", folder]:
            Path(folder, str(os.getpid())).touch()
            time.sleep(600)
    return task


def environment(name: str) -> str | None:
    """Value of a variable as the worker sees it."""
    return os.environ.get(name)
