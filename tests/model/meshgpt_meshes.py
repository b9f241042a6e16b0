"""Small meshes for MeshGPT's tests."""

import torch
from torch import Tensor

TETRAHEDRON = (
    torch.tensor([[0.0, -0.9, -0.9], [0.9, 0.0, -0.9], [-0.9, 0.1, -0.9], [0.1, 0.1, 0.8]]),
    torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]]),
)


def all_pairs(faces_BFK: Tensor) -> Tensor:
    """Pairs (B, E, 2) where each face is next to all."""
    B, F, _ = faces_BFK.shape
    return torch.cartesian_prod(torch.arange(F), torch.arange(F)).expand(B, -1, -1)
