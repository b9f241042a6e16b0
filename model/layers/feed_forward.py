"""The two feed-forward blocks in use: gated (token decoders) and plain (point encoder).

Shape suffixes: B batch, T tokens, D width, F inner width (4 D).
"""

from torch import Tensor, nn
from torch.nn import functional


class GatedFeedForward(nn.Module):
    """GEGLU: ``down(a * GELU(g))`` with ``a, g`` the two halves of ``up(x)`` and the exact (erf) GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 8 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D), each token by itself."""
        a_BTF, gate_BTF = self.up(x_BTD).chunk(2, dim=-1)
        return self.down(a_BTF * functional.gelu(gate_BTF))


class FeedForward(nn.Module):
    """``down(GELU(up(x)))`` with the exact (erf) GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D), each token by itself."""
        return self.down(functional.gelu(self.up(x_BTD)))
