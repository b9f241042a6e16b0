"""Mean aggregation over neighbouring faces (GraphSAGE, arXiv 1706.02216, with projected neighbours).

Shape suffixes: N faces of all meshes of a batch, E ordered pairs of neighbours, I input width, O output
width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class NeighbourLayer(nn.Module):
    """``normalize(own(x_i) + mean_j relu(neighbour(x_j)) projected)``; rows have unit length."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.neighbour = nn.Linear(width, width)
        self.aggregated = nn.Linear(width, out_width)
        self.own = nn.Linear(width, out_width, bias=False)

    def forward(self, x_NI: Tensor, pairs_E2: Tensor) -> Tensor:
        """From (N, I) to (N, O); a pair (j, i) gives face i its neighbour j.

        A face without a pair sees zeros as its neighbours.
        """
        sources, targets = pairs_E2.unbind(-1)
        messages_EI = functional.relu(self.neighbour(x_NI))[sources]
        sums_NI = torch.zeros_like(x_NI, dtype=messages_EI.dtype).index_add(0, targets, messages_EI)
        counts_N1 = torch.bincount(targets, minlength=len(x_NI)).clamp(min=1).unsqueeze(-1)
        y_NO = self.aggregated(sums_NI / counts_N1) + self.own(x_NI)
        return functional.normalize(y_NO, dim=-1)


def flat_pairs(pairs_BE2: Tensor, is_face_BF: Tensor) -> Tensor:
    """Pairs (E, 2) over the valid faces of all meshes, one mesh after the other; padding (-1) left out."""
    n_faces_B = is_face_BF.sum(-1)
    first_B = n_faces_B.cumsum(0) - n_faces_B
    is_pair_BE = (pairs_BE2 >= 0).all(-1)
    return (pairs_BE2 + first_B[:, None, None])[is_pair_BE]
