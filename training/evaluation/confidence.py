"""How sure a mean is."""

import numpy as np
from numpy.typing import ArrayLike


def bootstrap_interval(
    values: ArrayLike, seed: int = 0, resamples: int = 1000, percent: float = 95
) -> tuple[float, float] | None:
    """Percentile interval of the mean over resampled shapes; None for fewer than two values."""
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return None
    chosen = np.random.default_rng(seed).integers(0, len(sample), size=(resamples, len(sample)))
    means = sample[chosen].mean(axis=1)
    low, high = np.percentile(means, [(100 - percent) / 2, (100 + percent) / 2])
    return float(low), float(high)
