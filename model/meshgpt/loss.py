"""The loss of the autoencoder: coordinates as classes that neighbouring bins share.

Shape suffixes: N valid faces, Z coordinates of a face, R bins.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def blur_kernel(sigma: float) -> Tensor:
    """Normalised Gaussian weights (float32) over the least odd number of bins that is not below 5 sigma."""
    half = math.ceil(5 * sigma) // 2
    offsets = torch.arange(-half, half + 1, dtype=torch.float32)
    weights = (-(offsets**2) / (2 * sigma**2)).exp()
    return weights / weights.sum()


def blurred_targets(bins: Tensor, n_bins: int, sigma: float) -> Tensor:
    """Targets (.., R): a Gaussian over the bins next to the true one; what falls off the ends is lost."""
    kernel = blur_kernel(sigma).to(bins.device)
    one_hot = functional.one_hot(bins, n_bins).float().flatten(0, -2).unsqueeze(1)
    blurred = functional.conv1d(one_hot, kernel[None, None], padding=len(kernel) // 2)
    return blurred.squeeze(1).unflatten(0, bins.shape)


def reconstruction_loss(logits_NZR: Tensor, bins_NZ: Tensor, sigma: float) -> Tensor:
    """Mean cross-entropy (nats) between the blurred bins and the logits."""
    targets_NZR = blurred_targets(bins_NZ, logits_NZR.shape[-1], sigma)
    return -(targets_NZR * logits_NZR.float().log_softmax(-1)).sum(-1).mean()
