"""Gated linear recurrence over the sequence (GateLoop, arXiv 2311.01927, with real gates).

Shape suffixes: B batch, T tokens, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.meshgpt.attention import RootMeanSquareNorm


class GateLoop(nn.Module):
    """``x + q * s`` with ``s_t = sigmoid(a_t) s_(t-1) + u_t``; q, u, a are projections of the normed x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(width)
        self.to_qua = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); cost O(T log T), all tokens at once."""
        q_BTD, u_BTD, a_BTD = self.to_qua(self.norm(x_BTD)).chunk(3, dim=-1)
        return x_BTD + q_BTD * gated_sums(a_BTD.sigmoid(), u_BTD)

    def step(self, x_B1D: Tensor, state_B1D: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next token and the new state; `state_B1D` is None before the first token."""
        q_B1D, u_B1D, a_B1D = self.to_qua(self.norm(x_B1D)).chunk(3, dim=-1)
        state_B1D = u_B1D if state_B1D is None else a_B1D.sigmoid() * state_B1D + u_B1D
        return x_B1D + q_B1D * state_B1D, state_B1D


def gated_sums(gates_BTD: Tensor, inputs_BTD: Tensor) -> Tensor:
    """``s_t = gate_t s_(t-1) + input_t``, by doubling the distance that is summed over."""
    T, distance = gates_BTD.shape[1], 1
    while distance < T:
        before_BTD = functional.pad(inputs_BTD, (0, 0, distance, 0))[:, :T]
        inputs_BTD = inputs_BTD + gates_BTD * before_BTD
        ones = torch.ones_like(gates_BTD[:, :distance])
        gates_BTD = gates_BTD * torch.cat([ones, gates_BTD[:, :-distance]], dim=1)
        distance *= 2
    return inputs_BTD
