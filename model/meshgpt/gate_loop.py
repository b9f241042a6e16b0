"""Gated linear recurrence over the sequence (GateLoop, arXiv 2311.01927, with real gates).

Shape suffixes: B batch, T tokens, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers.packing import Packing
from model.meshgpt.attention import RootMeanSquareNorm


class GateLoop(nn.Module):
    """``x + q * s`` with ``s_t = sigmoid(a_t) s_(t-1) + u_t``; q, u, a are projections of the normed x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(width)
        self.to_qua = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x_BTD: Tensor, packing: Packing | None = None) -> Tensor:
        """Map (B, T, D) to (B, T, D); cost O(T log T), all tokens at once.

        With a packing, (1, T, D) holds all rows as one; the cost is O(T log N) for a longest row of N.
        """
        q_BTD, u_BTD, a_BTD = self.to_qua(self.norm(x_BTD)).chunk(3, dim=-1)
        if packing is None:
            return x_BTD + q_BTD * gated_sums(a_BTD.sigmoid(), u_BTD)
        is_first_T1 = (packing.places == 0).unsqueeze(-1)
        gates_BTD = a_BTD.sigmoid().masked_fill(is_first_T1, 0)  # nothing comes over from the row before
        return x_BTD + q_BTD * gated_sums(gates_BTD, u_BTD, max(packing.lengths))

    def step(self, x_B1D: Tensor, state_B1D: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next token and the new state; `state_B1D` is None before the first token."""
        q_B1D, u_B1D, a_B1D = self.to_qua(self.norm(x_B1D)).chunk(3, dim=-1)
        state_B1D = u_B1D if state_B1D is None else a_B1D.sigmoid() * state_B1D + u_B1D
        return x_B1D + q_B1D * state_B1D, state_B1D


def gated_sums(gates_BTD: Tensor, inputs_BTD: Tensor, longest: int | None = None) -> Tensor:
    """``s_t = gate_t s_(t-1) + input_t``, by doubling the distance that is summed over.

    No sum goes over more than `longest` tokens, where the gates see to that.
    """
    T, distance = gates_BTD.shape[1], 1
    while distance < (T if longest is None else longest):
        before_BTD = functional.pad(inputs_BTD, (0, 0, distance, 0))[:, :T]
        inputs_BTD = inputs_BTD + gates_BTD * before_BTD
        ones = torch.ones_like(gates_BTD[:, :distance])
        gates_BTD = gates_BTD * torch.cat([ones, gates_BTD[:, :-distance]], dim=1)
        distance *= 2
    return inputs_BTD
