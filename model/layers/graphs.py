"""Steps that are called thousands of times: on a GPU one launch each, not one per kernel."""

from collections.abc import Callable
from functools import cache

import torch


@cache
def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The function compiled as one graph; the same for every caller, so that it is compiled once."""
    return torch.compile(function, fullgraph=True)


class Replay:
    """A function that reads and writes tensors which stay where they are.

    On CUDA it is captured as a graph at the first call with these arguments, and replayed from then on. It
    must give the same when it is called twice in a row.
    """

    def __init__(self, function: Callable[..., None], device: torch.device) -> None:
        self._function, self._device = function, device
        self._graphs: dict[tuple[int, ...], torch.cuda.CUDAGraph] = {}

    def __call__(self, *arguments: int) -> None:
        """Call or replay; on CUDA this returns before it is done."""
        if self._device.type != "cuda":
            self._function(*arguments)
            return
        if arguments not in self._graphs:
            self._graphs[arguments] = self._capture(arguments)
        self._graphs[arguments].replay()

    def _capture(self, arguments: tuple[int, ...]) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):  # what is set up or compiled at the first calls cannot be captured
            for _ in range(3):
                self._function(*arguments)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._function(*arguments)
        return graph
