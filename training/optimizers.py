"""Which parameters decay, and how fast all of them move."""

import torch
from torch import nn

from training.settings import OptimizerSettings


def build_optimizer(module: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW that decays matrices only: no norms, biases, embeddings or single vectors, unless `decay_all`."""
    embeddings = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.Embedding)
        for parameter in child.parameters()
    }
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for parameter in module.parameters():
        is_matrix = parameter.ndim >= 2 and min(parameter.shape) > 1 and id(parameter) not in embeddings
        (decayed if is_matrix or settings.decay_all else kept).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
    )
