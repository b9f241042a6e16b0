"""Features of faces by the default definitions, against what geometry says."""

import math

import pytest
import torch

from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.features import discretize_features, face_features

RIGHT_TRIANGLE = torch.tensor([[[[0.0, 0.0, 0.5], [0.6, 0.0, 0.5], [0.0, 0.8, 0.5]]]])
SQUARE = torch.tensor([[[[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.0]]]])


def test_angles_are_those_of_the_face():
    angles = face_features(RIGHT_TRIANGLE, AutoencoderConfig()).angles[0, 0]
    expected = [math.pi / 2, math.atan2(0.8, 0.6), math.atan2(0.6, 0.8)]
    assert angles.tolist() == pytest.approx(expected, abs=1e-4)
    square = face_features(SQUARE, AutoencoderConfig(n_corners=4)).angles[0, 0]
    assert square.tolist() == pytest.approx([math.pi / 2] * 4, abs=1e-4)


def test_angles_do_not_depend_on_the_place_of_the_face():
    config = AutoencoderConfig()
    here = face_features(RIGHT_TRIANGLE, config)
    there = face_features(RIGHT_TRIANGLE - 0.4, config)
    torch.testing.assert_close(here.angles, there.angles, rtol=0, atol=1e-4)


def test_area_and_normal():
    features = face_features(RIGHT_TRIANGLE, AutoencoderConfig())
    assert features.area.exp().item() == pytest.approx(0.24)
    assert features.normals[0, 0].tolist() == pytest.approx([0, 0, 1])
    square = face_features(SQUARE, AutoencoderConfig(n_corners=4))
    assert square.area.exp().item() == pytest.approx(0.25)
    assert square.normals[0, 0].tolist() == pytest.approx([0, 0, 1])


def test_small_faces_are_told_apart_by_area():
    config = AutoencoderConfig()
    sizes = [0.01, 0.02, 0.04]
    bins = [
        discretize_features(face_features(RIGHT_TRIANGLE * size, config), config).area.item()
        for size in sizes
    ]
    assert len(set(bins)) == len(sizes)
    assert bins == sorted(bins)
    linear = AutoencoderConfig(area_scale="linear")
    assert discretize_features(face_features(RIGHT_TRIANGLE * 0.04, linear), linear).area.item() == 0


def test_a_face_without_area_has_a_normal_of_zero():
    features = face_features(torch.zeros(1, 1, 3, 3), AutoencoderConfig())
    assert not features.normals.any()
    assert all(values.isfinite().all() for values in features)
