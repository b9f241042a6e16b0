"""What a network's work is counted as: two operations for each multiply-and-add of a matrix product.

Training takes each product once forward and twice backward, so 6 operations for each weight and position
that it works on, and 12 E for each pair of positions of which one attends to the other with heads of E
channels together (arXiv 2204.02311, appendix B). Recomputed activations, norms and lookups do not count.
"""

from torch import nn
from torch.nn.modules.conv import _ConvNd

PER_WEIGHT = 6
PER_PAIR = 12


def n_matrix_weights(*modules: nn.Module) -> int:
    """Weights of linear layers, convolutions and torch's own attention; biases, norms and tables left out."""
    kinds = (nn.Linear, _ConvNd, nn.MultiheadAttention)
    return sum(
        weight.numel()
        for module in modules
        for layer in module.modules()
        if isinstance(layer, kinds)
        for name, weight in layer.named_parameters(recurse=False)
        if name.endswith("weight")
    )
