"""From logits to one token: filters, temperature and a draw that depends on its own row alone.

The order is that of the published system: keep the ``top_k`` largest logits, of these the nucleus of
probability ``top_p`` (on the softmax *before* the temperature), then divide by the temperature.

Shape suffixes: B rows, V token ids, K candidates.
"""

import math

import numpy as np
import torch
from torch import Tensor


def keep_top_k(logits_BV: Tensor, top_k: int) -> Tensor:
    """Set all but the ``top_k`` largest logits of each row to -inf."""
    top_k = min(top_k, logits_BV.shape[-1])
    values_BK, ids_BK = logits_BV.topk(top_k, dim=-1)
    return torch.full_like(logits_BV, -math.inf).scatter(-1, ids_BK, values_BK)


def keep_top_p(logits_BV: Tensor, top_p: float) -> Tensor:
    """Set the tail of each row to -inf: every id whose more probable ids already exceed ``top_p`` together.

    The id that crosses the threshold is kept, the most probable one always.
    """
    sorted_BV, ids_BV = logits_BV.sort(dim=-1, descending=True)
    return torch.empty_like(logits_BV).scatter(-1, ids_BV, _keep_nucleus(sorted_BV, top_p))


def keep_top_k_and_p(logits_BV: Tensor, top_k: int, top_p: float) -> Tensor:
    """``keep_top_k``, then ``keep_top_p`` on what is left; only that is sorted."""
    sorted_BK, ids_BK = logits_BV.topk(min(top_k, logits_BV.shape[-1]), dim=-1)
    return torch.full_like(logits_BV, -math.inf).scatter(-1, ids_BK, _keep_nucleus(sorted_BK, top_p))


def _keep_nucleus(sorted_BK: Tensor, top_p: float) -> Tensor:
    """Set the tail of rows that fall from left to right to -inf."""
    cumulative_BK = sorted_BK.softmax(dim=-1).cumsum(dim=-1)
    before_BK = cumulative_BK.roll(1, dims=-1)
    before_BK[..., 0] = 0.0
    return sorted_BK.masked_fill(before_BK > top_p, -math.inf)


def keep_maximum(logits_BV: Tensor) -> Tensor:
    """Set all but the largest logit of each row to -inf."""
    return keep_top_k(logits_BV, 1)


def sampling_probabilities(
    logits_BV: Tensor, temperature: float, top_k: int | None = 50, top_p: float | None = 0.95
) -> Tensor:
    """Probabilities (B, V), float32, after the filters (``None`` leaves one out) and then the temperature.

    Raises:
        ValueError: the temperature is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} has no distribution; use argmax for temperature 0")
    logits_BV = logits_BV.float()
    if top_k is not None and top_p is not None:
        logits_BV = keep_top_k_and_p(logits_BV, top_k, top_p)
    elif top_k is not None:
        logits_BV = keep_top_k(logits_BV, top_k)
    elif top_p is not None:
        logits_BV = keep_top_p(logits_BV, top_p)
    return (logits_BV / temperature).softmax(dim=-1)


def draw(probabilities_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """Draw one id per row by inverting the cumulative distribution at ``uniforms_B`` in [0, 1), float64.

    Returns:
        int64 ids (B,); never one of probability 0.
    """
    cumulative_BV = probabilities_BV.double().cumsum(dim=-1)
    thresholds_B1 = uniforms_B.double().unsqueeze(-1) * cumulative_BV[:, -1:] * (1 - 1e-12)
    return torch.searchsorted(cumulative_BV, thresholds_B1, right=True).squeeze(-1)


class RowUniforms:
    """A stream of uniform numbers for each row, seeded with ``seed + row``: neighbours do not matter."""

    def __init__(self, seed: int, rows: int) -> None:
        self._streams = [np.random.default_rng(seed + row) for row in range(rows)]

    def next(self, rows: list[int], device: torch.device) -> Tensor:
        """The next number of each of these rows, float64 (len(rows),)."""
        return torch.tensor([self._streams[row].random() for row in rows], dtype=torch.float64, device=device)
