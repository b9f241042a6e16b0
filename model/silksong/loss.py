"""Labels and cross-entropy of a token row (arXiv 2507.02477, training objective).

A row of n tokens has n + 1 labels: its tokens, then the end of the sequence. The model reads the start vector
and the labels without the last column, so logit i belongs to label i and nothing is shifted.

Shape suffixes: B batch, N padded token count, T = N + 1 label positions, D model width, V output classes,
P = B * T flattened positions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

PADDING = -1
CHUNK_POSITIONS = 2048


def labels_of(tokens_BN: Tensor, eos_id: int) -> Tensor:
    """Append a column of padding and put ``eos_id`` into the first padding position of every row.

    Args:
        tokens_BN: int64 ids, padded on the right with -1.
        eos_id: id of the end of the sequence.

    Returns:
        int64 labels (B, N + 1), -1 where there is nothing to predict.

    Raises:
        ValueError: a row has a token behind padding.
    """
    labels_BT = functional.pad(tokens_BN, (0, 1), value=PADDING)
    is_padding_BT = labels_BT == PADDING
    if bool((is_padding_BT[:, :-1] & ~is_padding_BT[:, 1:]).any()):
        raise ValueError("a row has tokens behind padding (-1); pad on the right only")
    first_B1 = is_padding_BT.int().argmax(dim=1, keepdim=True)
    return labels_BT.scatter(1, first_B1, eos_id)


def chunked_cross_entropy(
    hidden_BTD: Tensor, head: nn.Linear, labels_BT: Tensor, chunk_positions: int = CHUNK_POSITIONS
) -> tuple[Tensor, Tensor]:
    """Sum of the negative log-likelihoods in float32, without ever holding the logits of all positions.

    Each chunk's logits are computed again in the backward pass.

    Returns:
        The sum (scalar, natural logarithm) and the number of labels that are not -1 (scalar int64).
    """
    hidden_PD, labels_P = hidden_BTD.flatten(0, 1), labels_BT.flatten()
    total = hidden_PD.new_zeros((), dtype=torch.float32)
    many = len(labels_P) > chunk_positions
    for chunk_hidden_PD, chunk_labels_P in zip(
        hidden_PD.split(chunk_positions), labels_P.split(chunk_positions), strict=True
    ):
        if many and torch.is_grad_enabled():
            part = checkpoint(_nll_sum, chunk_hidden_PD, head, chunk_labels_P, use_reentrant=False)
            assert isinstance(part, Tensor)
            total = total + part
        else:
            total = total + _nll_sum(chunk_hidden_PD, head, chunk_labels_P)
    return total, (labels_P != PADDING).sum()


def _nll_sum(hidden_PD: Tensor, head: nn.Linear, labels_P: Tensor) -> Tensor:
    logits_PV = head(hidden_PD).float()
    return functional.cross_entropy(logits_PV, labels_P, ignore_index=PADDING, reduction="sum")
