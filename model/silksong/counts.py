"""What is said of the size of a mesh to come: its faces and its connected components, each or neither.

A count is known by its bin, faces by quarters of a power of two, components by powers of two. Its vector is
added to the global vector of the shape condition. All vectors begin at zero and that of "nothing said" stays
there, so that a network without them is this one, and where nothing is said always will be.

Shape suffixes: B batch, C context width.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn

FACE_BINS: Final = tuple(sorted({math.ceil(2 ** (quarter / 4)) for quarter in range(65)}))
"""Smallest number of faces of each bin, 1 to 65,536; more are in the last."""
COMPONENT_BINS: Final = (1, *(2**power + 1 for power in range(10)))
"""Smallest number of components of each bin: 1, 2, 3 to 4, 5 to 8 .. from 513 on."""


class CountEmbedding(nn.Module):
    """The sum of a vector for each count."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Row 0 stands for nothing said: no gradient reaches it.
        self.faces = nn.Embedding(len(FACE_BINS) + 1, width, padding_idx=0)
        self.components = nn.Embedding(len(COMPONENT_BINS) + 1, width, padding_idx=0)
        nn.init.zeros_(self.faces.weight)
        nn.init.zeros_(self.components.weight)

    def forward(self, counts_B2: Tensor) -> Tensor:
        """Vectors (B, C) of int64 faces and components; a count below 1 says nothing."""
        faces_B, components_B = counts_B2.T.contiguous()
        vectors_BC: Tensor = self.faces(bins(faces_B, FACE_BINS))
        return vectors_BC + self.components(bins(components_B, COMPONENT_BINS))


def bins(counts: Tensor, smallest: tuple[int, ...]) -> Tensor:
    """Number of the bin of each count, int64, from 1 on; 0 for counts below the first."""
    return torch.bucketize(counts, torch.tensor(smallest, device=counts.device), right=True)


def left_out(counts_B2: Tensor, probability: float) -> Tensor:
    """The counts, each of them unsaid with this probability, by torch's own random numbers."""
    return counts_B2.masked_fill(torch.rand(counts_B2.shape, device=counts_B2.device) < probability, 0)
