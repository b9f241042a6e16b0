"""The exponential moving average of a network's weights, which is what is measured, kept and generated with.

Every rank averages what it holds, its share under FSDP2: the average of a share is that share of the average.
Frozen or not, all parameters are averaged, and buffers of floating point with them (MeshGPT's `vq` codes move
as the encoder does); other buffers are copied.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from training.settings import AverageSettings


def decay_at(step: int, settings: AverageSettings) -> float:
    """What stays of the average in its update after `step` optimiser steps; 0 copies the weights.

    1 - (1 + e / inverse_gamma) ** -power for e = step - update_after - 1, at least 0 and at most `decay`.
    """
    since = max(step - settings.update_after - 1, 0)
    return min(1 - (1 + since / settings.inverse_gamma) ** -settings.power, settings.decay)


class WeightAverage:
    """The average of a network's weights, in their precision, which the trainer keeps at float32."""

    def __init__(self, module: nn.Module, settings: AverageSettings) -> None:
        self._module, self._settings = module, settings
        self._means = [tensor.clone() for tensor in self._weights()]

    def is_due(self, step: int) -> bool:
        """Whether it is updated after this step."""
        return step % self._settings.update_every == 0

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move it towards the weights as they are after `step` steps."""
        pairs = list(zip(self._means, self._weights(), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        means, weights = zip(*floating, strict=True)
        get_ema_multi_avg_fn(decay_at(step, self._settings))(list(means), list(weights), None)
        for mean, weight in pairs:
            if not mean.is_floating_point():
                mean.copy_(weight)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has its average for weights; afterwards, what the weights are then is the average."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for mean, weight in zip(self._means, self._weights(), strict=True):
            kept = weight.clone()
            weight.copy_(mean)
            mean.copy_(kept)

    @torch.no_grad()
    def _weights(self) -> list[Tensor]:
        """What this rank holds of the parameters and buffers, themselves."""
        tensors = (*self._module.parameters(), *self._module.buffers())
        return [(tensor.to_local() if isinstance(tensor, DTensor) else tensor.detach()) for tensor in tensors]
