"""Mean aggregation over neighbouring faces (GraphSAGE, arXiv 1706.02216, with projected neighbours).

Shape suffixes: N faces of all meshes of a batch, B batch, F faces, K corners of a face, E ordered pairs of
neighbours, I input width, O output width.
"""

import tokenizer_rs
import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 256
"""Faces that are compared with all others at once."""


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


def neighbour_pairs(faces_BFK: Tensor) -> Tensor:
    """Ordered pairs (B, E, 2) of faces that share two corners, each face with itself; padded with -1.

    Faces of padding (-1) come last. Triangles cost O(F log F), quads O(F^2).
    """
    pairs = [_pairs_of_mesh(faces_FK[(faces_FK >= 0).all(-1)]) for faces_FK in faces_BFK.cpu()]
    padded = torch.nn.utils.rnn.pad_sequence(pairs, batch_first=True, padding_value=-1)
    return padded.to(faces_BFK.device)


def _pairs_of_mesh(faces_FK: Tensor) -> Tensor:
    if faces_FK.shape[-1] == 3:
        return torch.from_numpy(tokenizer_rs.face_edges(faces_FK.numpy()))
    # Two quads may share opposite corners, and no edge.
    pairs = []
    for first in range(0, len(faces_FK), ROWS):
        is_shared = faces_FK[first : first + ROWS, None, :, None] == faces_FK[None, :, None, :]
        pairs.append((is_shared.any(-1).sum(-1) >= 2).nonzero() + torch.tensor([first, 0]))
    return torch.cat([*pairs, torch.empty(0, 2, dtype=torch.int64)])
