"""What a face looks like: its corners, angles, area and normal, and the bins they fall into.

Shape suffixes: B batch, F faces, K corners of a face (3 or 4), X coordinates of a position (3).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from model.meshgpt.config import AutoencoderConfig

LEAST_AREA = 1e-8
"""Smaller faces share the first bin of the logarithmic scale; a bin is then a factor of 1.17."""
COSINE_MARGIN = 1e-5
"""Cosines stay this far from 1, as in the reference."""


class FaceFeatures(NamedTuple):
    """Features of the faces of a batch; float32, or int64 where they are bins."""

    coordinates: Tensor
    """(B, F, K, X)."""
    angles: Tensor
    """(B, F, K), in radians."""
    area: Tensor
    """(B, F, 1)."""
    normals: Tensor
    """(B, F, X), of unit length."""


def discretize(values: Tensor, low: float, high: float, n_bins: int) -> Tensor:
    """The bin, int64 in [0, n_bins), of each value; values outside [low, high] go to the nearest bin."""
    scaled = (values - low) / (high - low) * n_bins - 0.5
    return scaled.round().clamp(0, n_bins - 1).long()


def undiscretize(bins: Tensor, low: float, high: float, n_bins: int) -> Tensor:
    """The centre of each bin."""
    return (bins.float() + 0.5) / n_bins * (high - low) + low


def face_features(corners_BFKX: Tensor, config: AutoencoderConfig) -> FaceFeatures:
    """Angles, area and unit normal of faces given by the positions of their corners, without gradient.

    A quad's normal is the product of its diagonals. A face without area has a normal of zero. An area is in
    squared units of the coordinates or, as `config.area_scale` says, the logarithm of that.
    """
    corners_BFKX = corners_BFKX.detach()
    before_BFKX = corners_BFKX.roll(1, dims=-2)
    if corners_BFKX.shape[-2] == 3:
        sides = (corners_BFKX - before_BFKX).unbind(-2)[:2]
    else:
        sides = (corners_BFKX - corners_BFKX.roll(2, dims=-2)).unbind(-2)[:2]
    product_BFX = torch.linalg.cross(*sides)
    area_BF1 = product_BFX.norm(dim=-1, keepdim=True) / 2
    if config.angles == "position":
        angles_BFK = _angles(corners_BFKX, before_BFKX)
    else:
        behind_BFKX = corners_BFKX.roll(-1, dims=-2)
        angles_BFK = _angles(before_BFKX - corners_BFKX, behind_BFKX - corners_BFKX)
    return FaceFeatures(
        corners_BFKX,
        angles_BFK,
        area_BF1.clamp(min=LEAST_AREA).log() if config.area_scale == "logarithmic" else area_BF1,
        functional.normalize(product_BFX, dim=-1),
    )


def discretize_features(features: FaceFeatures, config: AutoencoderConfig) -> FaceFeatures:
    """The bins of all features."""
    low, high = config.coordinate_range
    least_area, largest_area = 0.0, (high - low) ** 2
    if config.area_scale == "logarithmic":
        least_area, largest_area = math.log(LEAST_AREA), math.log(largest_area)
    return FaceFeatures(
        discretize(features.coordinates, low, high, config.n_coordinate_bins),
        discretize(features.angles, 0, math.pi, config.n_angle_bins),
        discretize(features.area, least_area, largest_area, config.n_area_bins),
        discretize(features.normals, low, high, config.n_normal_bins),
    )


def _angles(first: Tensor, second: Tensor) -> Tensor:
    cosines = (functional.normalize(first, dim=-1) * functional.normalize(second, dim=-1)).sum(-1)
    return cosines.clamp(-1 + COSINE_MARGIN, 1 - COSINE_MARGIN).arccos()
