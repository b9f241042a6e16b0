"""Sampling weights that move from the natural to a balanced distribution of mesh sizes, and the size buckets.

Progressively balanced resampling as Mesh Silksong (arXiv 2507.02477) trains with it: early epochs see the
data as it is, late epochs see every class of face counts equally often.
"""

import numpy as np
from numpy.typing import ArrayLike

FACE_BUCKET_BOUNDS = (0, 1000, 2000, 4000, 8000, 12000, 16000)
COMPONENT_BUCKET_BOUNDS = (0, 1, 5, 10, 30, 50, 100)


def balance_at(epoch: int, epochs: int, beta0: float = 0.0, beta1: float = 1.0) -> float:
    """Share of the balanced distribution in an epoch: linear from ``beta0`` to ``beta1``."""
    if epochs <= 1:
        return beta1
    return beta0 + (beta1 - beta0) * min(epoch / (epochs - 1), 1.0)


def balanced_resampling_weights(
    faces: ArrayLike, epoch: int, epochs: int, face_delta: int = 100, beta0: float = 0.0, beta1: float = 1.0
) -> np.ndarray:
    """Probability of each item, float64, summing to 1.

    With K classes of ``face_delta`` faces that hold n_c of the N items, ``P(c) = beta / K + (1 - beta) n_c /
    N``, shared evenly by the items of the class.

    Args:
        faces: face count of each item, one-dimensional and not empty.
        epoch: from 0.
        epochs: of the whole run.
        face_delta: width of a class in faces.
        beta0: balance of the first epoch.
        beta1: balance of the last.

    Raises:
        ValueError: there are no items.
    """
    classes = np.asarray(faces, dtype=np.int64) // face_delta
    if classes.size == 0:
        raise ValueError("no items to weigh; the selection is empty")
    _, class_index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    beta = balance_at(epoch, epochs, beta0, beta1)
    class_probability = beta / len(counts) + (1 - beta) * counts / len(classes)
    weights = (class_probability / counts)[class_index]
    return weights / weights.sum()


def face_bucket(faces: ArrayLike) -> np.ndarray:
    """Bucket 0..7 of a face count: none (0), up to 1000, 2000, 4000, 8000, 12000, 16000, more."""
    return np.searchsorted(FACE_BUCKET_BOUNDS, np.asarray(faces), side="left")


def component_bucket(components: ArrayLike) -> np.ndarray:
    """Bucket 0..7 of a component count: none (0), 1, up to 5, 10, 30, 50, 100, more."""
    return np.searchsorted(COMPONENT_BUCKET_BOUNDS, np.asarray(components), side="left")
