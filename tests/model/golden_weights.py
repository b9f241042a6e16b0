"""The pseudo-random weights of the golden vectors: numbers made again from a seed and a key."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def golden_values(seed: int, key: str, n: int) -> np.ndarray:
    """SplitMix64 from the hash of ``seed:key``, as float64 with mean 0 and variance 1."""
    start = int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode("ascii")).digest()[:8], "little")
    z = np.arange(1, n + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(start)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    uniform = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (2 * uniform - 1) * math.sqrt(3)


def golden_tensor(seed: int, key: str, shape: Sequence[int]) -> Tensor:
    offset, scale = _offset_and_scale(key, shape)
    values = offset + scale * golden_values(seed, key, math.prod(shape))
    return torch.from_numpy(values.astype(np.float32)).reshape(tuple(shape))


def golden_state_dict(seed: int, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    return {key: golden_tensor(seed, key, shape) for key, shape in shapes.items()}


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode("ascii"))
        digest.update(np.ascontiguousarray(tensors[key].numpy().astype("<f4")).tobytes())
    return digest.hexdigest()


def _offset_and_scale(key: str, shape: Sequence[int]) -> tuple[float, float]:
    if key.endswith(".bias"):
        return 0.0, 0.05
    if key.endswith(".weight") and len(shape) == 1:
        return 1.0, 0.1
    tables = ("sos_token", "token_embed.weight", "abs_pos_emb.weight")
    if key in tables or key.endswith(("_embed", "encoder.query")):
        return 0.0, 0.5
    if key.endswith(("mem_k", "mem_v")):
        return 0.0, 1.0
    return 0.0, 1 / math.sqrt(shape[1])
