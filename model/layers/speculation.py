"""Which of the tokens that a draft guessed are kept, so that what is written is distributed as without it.

A guess x from the draft's distribution q is kept with probability min(1, p(x) / q(x)); the first one that is
not is replaced by a draw from the positive part of p - q, and after the last one a token is drawn from p
(Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding", arXiv 2211.17192).
Both p and q are what would be drawn from: after the mask of a grammar, the filters and the temperature.

Shape suffixes: B rows, K guesses, T = K + 1 places, V token ids.
"""

import torch
from torch import Tensor

from model.layers.sampling import draw


def acceptance(p_BTV: Tensor, q_BTV: Tensor, guesses_BT: Tensor) -> Tensor:
    """Probability (B, T), float64, that a guess is kept; 0 where the draft gives it none: there is none."""
    p_BT, q_BT = (of.gather(-1, guesses_BT.unsqueeze(-1)).squeeze(-1).double() for of in (p_BTV, q_BTV))
    return torch.where(q_BT > 0, p_BT / q_BT, 0.0).clamp(max=1.0)


def residual(p_BV: Tensor, q_BV: Tensor) -> Tensor:
    """What is drawn from where a guess was not kept, float64 (B, V); p itself where there was no guess."""
    p_BV = p_BV.double()
    positive_BV = (p_BV - q_BV.double()).clamp(min=0.0)
    total_B1 = positive_BV.sum(dim=-1, keepdim=True)
    # Nothing is left only where p and q are the same but for rounding.
    return torch.where(total_B1 > 0, positive_BV / total_B1, p_BV)


def verify_guesses(
    p_BTV: Tensor, q_BTV: Tensor, guesses_BK: Tensor, uniforms_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """How many guesses of each row are kept (B,), and the token after them (B,); both int64.

    Args:
        p_BTV: of each place, the network's distribution after the guesses before it.
        q_BTV: the draft's; all 0 where there is no guess, as at the last place.
        uniforms_BT: in [0, 1), float64: one for each guess, the last one for the token after them.
    """
    accepted_BK = uniforms_BT[:, :-1] < acceptance(p_BTV[:, :-1], q_BTV[:, :-1], guesses_BK)
    n_kept_B = accepted_BK.long().cumprod(dim=1).sum(dim=1)
    rows_B = torch.arange(len(n_kept_B), device=n_kept_B.device)
    next_BV = residual(p_BTV[rows_B, n_kept_B], q_BTV[rows_B, n_kept_B])
    return n_kept_B, draw(next_BV, uniforms_BT[:, -1])
