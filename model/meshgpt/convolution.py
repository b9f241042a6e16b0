"""Convolutions along the sequence of faces: what turns quantised vertices back into coordinates.

Shape suffixes: B batch, F faces, W width, I width of the input, 1 one channel.
"""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

LEAST_EXCITE_WIDTH = 16


class ConvolutionUnit(nn.Module):
    """Convolution over three faces, norm over the channels, SiLU; padded faces are zero."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, out_width, 3, padding=1)

    def forward(self, x_BIF: Tensor, is_face_B1F: Tensor) -> Tensor:
        """From (B, I, F) to (B, W, F)."""
        x_BWF = self.convolution(x_BIF * is_face_B1F) * is_face_B1F
        length_B1F = x_BWF.norm(dim=1, keepdim=True).clamp(min=1e-4)
        return functional.silu(x_BWF / length_B1F * math.sqrt(x_BWF.shape[1]))


class SqueezeExcite(nn.Module):
    """Scale each channel by what the mean over the faces says (arXiv 1709.01507)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // 4, LEAST_EXCITE_WIDTH)
        self.squeeze = nn.Linear(width, inner)
        self.excite = nn.Linear(inner, width)

    def forward(self, x_BWF: Tensor, is_face_B1F: Tensor) -> Tensor:
        """Keep the shape (B, W, F)."""
        mean_BW = (x_BWF * is_face_B1F).sum(-1) / is_face_B1F.sum(-1).clamp(min=1e-5)
        scale_BW = self.excite(functional.silu(self.squeeze(mean_BW))).sigmoid()
        return x_BWF * scale_BW.unsqueeze(-1)


class ResidualBlock(nn.Module):
    """Two convolution units and a squeeze-excite, added to the input."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.first = ConvolutionUnit(width, out_width)
        self.second = ConvolutionUnit(out_width, out_width)
        self.squeeze_excite = SqueezeExcite(out_width)
        self.shortcut = nn.Conv1d(width, out_width, 1) if width != out_width else nn.Identity()

    def forward(self, x_BIF: Tensor, is_face_B1F: Tensor) -> Tensor:
        """From (B, I, F) to (B, W, F)."""
        y_BWF = self.second(self.first(x_BIF, is_face_B1F), is_face_B1F)
        return self.squeeze_excite(y_BWF, is_face_B1F) + self.shortcut(x_BIF)


class FaceConvolutions(nn.Module):
    """A wide convolution, then residual blocks; `widths` are that of the first and of each block."""

    def __init__(self, width: int, widths: tuple[int, ...], kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, widths[0], kernel, padding=kernel // 2)
        self.first_norm = nn.LayerNorm(widths[0])
        self.blocks = nn.ModuleList(ResidualBlock(before, behind) for before, behind in pairwise(widths))

    def forward(self, x_BFI: Tensor, is_face_BF: Tensor) -> Tensor:
        """From (B, F, I) to (B, F, W); what padded faces get is undefined and touches no valid face."""
        is_face_B1F = is_face_BF.unsqueeze(1)
        x_BWF = functional.silu(self.first(x_BFI.transpose(1, 2) * is_face_B1F))
        x_BWF = self.first_norm(x_BWF.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x_BWF = block(x_BWF, is_face_B1F)
        return x_BWF.transpose(1, 2)
