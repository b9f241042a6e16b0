"""Logit filters and draws."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from model.layers.sampling import (
    RowUniforms,
    draw,
    keep_maximum,
    keep_top_k,
    keep_top_k_and_p,
    keep_top_p,
    sampling_probabilities,
)
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(shared_path("golden", "silksong_model", "misc_golden.npz")))


@pytest.mark.parametrize(
    ("name", "keep"),
    [
        ("topk50", lambda logits: keep_top_k(logits, 50)),
        ("topp95", lambda logits: keep_top_p(logits, 0.95)),
        ("joint_k50_p95", lambda logits: keep_top_k_and_p(logits, 50, 0.95)),
        ("max_filter", keep_maximum),
    ],
)
def test_filters_agree_with_the_reference(
    name: str, keep: Callable[[Tensor], Tensor], golden: dict[str, np.ndarray]
) -> None:
    assert np.array_equal(keep(torch.from_numpy(golden["logits"])), golden[name])


def test_probabilities_agree_with_the_reference(golden: dict[str, np.ndarray]) -> None:
    probabilities = sampling_probabilities(torch.from_numpy(golden["logits"]), 0.5, 50, 0.95)
    np.testing.assert_allclose(probabilities, golden["probs_t05"], atol=1e-6)


def test_kept_ids_of_a_whole_vocabulary(golden: dict[str, np.ndarray]) -> None:
    kept = keep_top_k_and_p(torch.from_numpy(golden["logits_vocab"]), 50, 0.95).isfinite()
    for row in range(2):
        ids = kept[row].nonzero().flatten().tolist()
        assert len(ids) == golden["joint_vocab_keep"][row]
        assert ids == sorted(golden[f"joint_vocab_ids_row{row}"].tolist())


def test_draws_follow_the_probabilities_and_never_take_an_impossible_id() -> None:
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]])
    edges = torch.tensor([0.0, 0.25, 1 - 2**-53], dtype=torch.float64)
    assert draw(probabilities.expand(3, -1), edges).tolist() in ([1, 3, 3], [1, 1, 3])
    uniforms = RowUniforms(seed=3, rows=1)
    drawn = [draw(probabilities, uniforms.next([0], torch.device("cpu"))).item() for _ in range(2000)]
    assert set(drawn) == {1, 3}
    assert drawn.count(3) / 2000 == pytest.approx(0.75, abs=0.04)


def test_temperature_zero_has_no_distribution() -> None:
    with pytest.raises(ValueError, match="use argmax"):
        sampling_probabilities(torch.zeros(1, 4), 0.0)
