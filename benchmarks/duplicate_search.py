"""How long the search for near duplicates takes among many meshes, how much memory, and what it finds.

    .venv/bin/python benchmarks/duplicate_search.py [N]     # default: 1,000,000 descriptors

The descriptors are synthetic: mixtures of those of three builtin meshes, with noise. One in a hundred is
planted a second time, changed by as much as a decimation of 5 to 10 % changes one (distances from 0 to 0.02).
Prints seconds of the search alone, the peak of the process's memory, and the share of planted pairs found.
"""

import os
import resource
import sys
import time

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates import describe, neighbours_within
from pipelines.duplicates.descriptor import UNIT
from pipelines.furniture import FAMILIES, build
from pipelines.stages.duplicates import CANDIDATE_DISTANCE

VARIANTS = 8
NOISE = 0.05
PLANTED_SHARE = 0.01
PLANTED_DISTANCE = 0.02


def prototypes() -> NDArray[np.float32]:
    """Descriptors of builtin meshes."""
    solids = [build(family, index) for family in sorted(FAMILIES) for index in range(VARIANTS)]
    found = [describe(np.asarray(solid.vertices), np.asarray(solid.faces)).descriptor for solid in solids]
    return np.array(found, dtype=np.float32) * np.float32(UNIT)


def synthetic(n: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Descriptors (n, SIZE), and the pairs (P, 2) of rows that were planted."""
    generator = np.random.default_rng(0)
    models = prototypes()
    rows = np.zeros((n, models.shape[1]), dtype=np.uint16)
    for start in range(0, n, 50_000):
        size = min(50_000, n - start)
        shares = generator.dirichlet((0.5, 0.5, 0.5), size).astype(np.float32)
        mixed = np.einsum("nk,nkd->nd", shares, models[generator.integers(0, len(models), (size, 3))])
        mixed *= 1 + NOISE * generator.standard_normal(mixed.shape, dtype=np.float32)
        rows[start : start + size] = _stored(mixed + 0.001 * generator.random(mixed.shape, dtype=np.float32))
    n_planted = int(n * PLANTED_SHARE)
    chosen = generator.permutation(n)[: 2 * n_planted].reshape(-1, 2)
    noise = generator.standard_normal((n_planted, rows.shape[1]))
    noise *= (generator.random(n_planted) * PLANTED_DISTANCE / np.linalg.norm(noise, axis=1))[:, None]
    rows[chosen[:, 1]] = _stored(rows[chosen[:, 0]] * UNIT + noise)
    return rows, np.sort(chosen, axis=1)


def _stored(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    return np.rint(values.clip(0, 1) / UNIT).astype(np.uint16)


def main(n: int) -> None:
    """Search, and print what it took."""
    rows, planted = synthetic(n)
    threads = len(os.sched_getaffinity(0))
    started, cpu = time.monotonic(), time.process_time()
    pairs, _ = neighbours_within(rows, CANDIDATE_DISTANCE, threads)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    found = set(map(tuple, pairs.tolist()))
    recall = np.mean([tuple(pair) in found for pair in planted.tolist()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{n:,} descriptors, {threads} threads: {seconds:.0f} s, {cpu:.0f} s of processor time")
    print(f"{len(pairs):,} pairs within {CANDIDATE_DISTANCE}; peak memory {peak:.2f} GB")
    print(f"planted {len(planted):,} pairs, found {recall:.2%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
