"""Candidates among many descriptors: the nearest ones within a radius, without comparing all pairs.

A k-d tree (scipy) over COARSE of a descriptor's numbers. Leaving numbers out only shortens a distance, so
that no neighbour within the radius is missed, as an index of random projections would miss some; whole
descriptors then decide. Each query is answered alone: the result is the same for any number of threads.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.duplicates.descriptor import DEGREES, SHELLS, SIZE, UNIT

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_SHELL_AND_DEGREE = ((1, 0), (2, 0), (2, 2), (3, 0), (3, 2), (4, 0), (4, 2), (5, 0))
COARSE = np.array(
    [shell * DEGREES + degree for shell, degree in _SHELL_AND_DEGREE] + list(range(SHELLS * DEGREES, SIZE))
)
"""The twelve numbers that vary most between real meshes: low degrees of middle shells, and the normals."""
NEIGHBOURS = 8
"""At most so many neighbours of a descriptor are returned."""
COARSE_NEIGHBOURS = 64
"""At most so many are looked at: in a crowd of more, the farther ones are passed over."""
_QUERIES_AT_ONCE = 1 << 14


def neighbours_within(
    descriptors: NDArray[np.uint16], radius: float, threads: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (P, 2) of descriptors (N, SIZE) within `radius`, and their distances (P,).

    Of each descriptor the NEIGHBOURS nearest; a pair is returned once, the smaller index first, in order.
    Equal descriptors are one: give distinct ones where there may be many.
    """
    from scipy.spatial import cKDTree

    coarse = descriptors[:, COARSE] * np.float32(UNIT)
    tree = cKDTree(coarse, balanced_tree=False, compact_nodes=True)
    near_one_another = tree.indices  # queries in this order find the tree's nodes in the processor's cache
    found = [
        _nearest(
            tree, coarse, descriptors, near_one_another[start : start + _QUERIES_AT_ONCE], radius, threads
        )
        for start in range(0, len(coarse), _QUERIES_AT_ONCE)
    ]
    pairs = np.concatenate([pairs for pairs, _ in found] or [np.zeros((0, 2), dtype=np.int64)])
    distances = np.concatenate([distances for _, distances in found] or [np.zeros(0)])
    _, first = np.unique(pairs[:, 0] * max(len(coarse), 1) + pairs[:, 1], return_index=True)
    return pairs[first], distances[first]


def _nearest(
    tree: "cKDTree",
    coarse: NDArray[np.float32],
    descriptors: NDArray[np.uint16],
    rows: NDArray[np.int64],
    radius: float,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs and distances of some rows with their nearest neighbours."""
    n_asked = min(COARSE_NEIGHBOURS + 1, len(coarse))  # one of them is the row itself
    bound = radius * (1 + 1e-6)  # the coarse numbers are rounded to float32
    _, nearest = tree.query(
        coarse[rows], k=[*range(1, n_asked + 1)], distance_upper_bound=bound, workers=threads
    )
    place, rank = np.nonzero((nearest < len(coarse)) & (nearest != rows[:, None]))
    first, second = rows[place], nearest[place, rank].astype(np.int64)
    difference = descriptors[first].astype(np.float32) - descriptors[second]
    distances = np.linalg.norm(difference, axis=1) * UNIT
    is_near = distances <= radius
    first, second, distances = first[is_near], second[is_near], distances[is_near]
    order = np.lexsort((second, distances, first))
    first, second, distances = first[order], second[order], distances[order]
    rank = np.arange(len(first)) - np.searchsorted(first, first)
    kept = rank < NEIGHBOURS
    pairs = np.sort(np.stack([first[kept], second[kept]], axis=1), axis=1)
    return pairs, distances[kept].astype(np.float64)
