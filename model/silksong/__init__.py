"""Mesh Silksong (arXiv 2507.02477): a token decoder that cross-attends to a point cloud's encoding."""

from model.silksong.config import PointEncoderConfig, SilksongConfig
from model.silksong.modules import SilksongModel
from model.silksong.reference import (
    load_point_encoder,
    load_reference,
    reference_name,
    reference_state_dict,
    save_reference,
)

__all__ = [
    "PointEncoderConfig",
    "SilksongConfig",
    "SilksongModel",
    "load_point_encoder",
    "load_reference",
    "reference_name",
    "reference_state_dict",
    "save_reference",
]
