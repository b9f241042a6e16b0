"""Resampling weights and buckets agree with the reference."""

import numpy as np
import pytest

from tests.shared_data import shared_path
from training.resampling import (
    balance_at,
    balanced_resampling_weights,
    component_bucket,
    face_bucket,
)

EPOCHS = 11


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(shared_path("golden", "silksong_model", "misc_golden.npz")))


@pytest.mark.parametrize("epoch", [0, 3, 5, 10, 14])
def test_weights_agree_with_the_reference(epoch: int, golden: dict[str, np.ndarray]) -> None:
    assert balance_at(epoch, EPOCHS) == pytest.approx(golden[f"sampler_beta_epoch{epoch}"].item())
    weights = balanced_resampling_weights(golden["sampler_faces"], epoch, EPOCHS)
    np.testing.assert_allclose(weights, golden[f"sampler_w_epoch{epoch}"], rtol=1e-5)
    assert weights.sum() == pytest.approx(1)


def test_balanced_classes_weigh_the_same() -> None:
    weights = balanced_resampling_weights([10, 20, 30, 950], epoch=1, epochs=1)
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_nothing_to_weigh() -> None:
    with pytest.raises(ValueError, match="selection is empty"):
        balanced_resampling_weights([], 0, 1)


def test_buckets_agree_with_the_reference(golden: dict[str, np.ndarray]) -> None:
    assert np.array_equal(face_bucket(golden["bucket_in"]), golden["bucket_faces"])
    assert np.array_equal(component_bucket(golden["bucket_in"]), golden["bucket_cc"])
