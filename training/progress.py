"""The ranks' lines on a terminal: steps move a bar, everything else is printed above it."""

import re
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_STEP = re.compile(r"step (\d+)/\d+  (.*)")


class ProgressLines:
    """A context in which `take` shows one line at a time; without a terminal it only prints."""

    def __init__(self, steps: int, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=steps)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def take(self, line: str) -> None:
        """Show one line of a rank."""
        step = _STEP.fullmatch(line)
        if step and self._console.is_terminal:
            self._bar.update(self._task, completed=int(step[1]), description=step[2])
        else:
            self._console.print(line, markup=False, soft_wrap=True)
