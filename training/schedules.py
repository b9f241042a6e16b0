"""Learning-rate multipliers as functions of the step."""

import math


def reference_schedule(step: int, total: int, warmup: float) -> float:
    """Linear warm-up, then half a cosine down to 50 % (Mesh Silksong's published schedule).

    Args:
        step: optimiser steps done; 0 gives 0 unless there is no warm-up.
        total: steps of the whole run, at least 1.
        warmup: share of the run spent warming up, in [0, 1).

    Raises:
        ValueError: ``total`` or ``warmup`` is out of its range.
    """
    if total < 1:
        raise ValueError(f"total is {total}; give at least one step")
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is {warmup}; give the share of the run as a number in [0, 1)")
    progress = step / total
    if progress < warmup:
        return progress / warmup
    progress = (progress - warmup) / (1 - warmup)
    return max(0.5, 0.5 + 0.25 * (1 + math.cos(math.pi * progress)))
