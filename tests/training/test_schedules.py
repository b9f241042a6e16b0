"""Learning-rate multipliers agree with the reference."""

import re

import numpy as np
import pytest

from tests.shared_data import shared_path
from training.schedules import reference_schedule


def test_multipliers_agree_with_the_reference() -> None:
    golden = np.load(shared_path("golden", "silksong_model", "misc_golden.npz"))
    names = [name for name in golden.files if name.startswith("lr_mult_")]
    assert names
    for name in names:
        match = re.fullmatch(r"lr_mult_total(\d+)_warm([\d.]+)", name)
        assert match is not None
        total, warmup = int(match[1]), float(match[2])
        own = [reference_schedule(step, total, warmup) for step in range(total + 5)]
        np.testing.assert_allclose(own, golden[name], rtol=0, atol=1e-12)


def test_ends_at_half_the_peak() -> None:
    assert reference_schedule(0, 100, 0.1) == 0
    assert reference_schedule(10, 100, 0.1) == 1
    assert reference_schedule(100, 100, 0.1) == pytest.approx(0.5)


@pytest.mark.parametrize(("total", "warmup"), [(0, 0.1), (10, 1.0), (10, -0.1)])
def test_refuses_what_makes_no_sense(total: int, warmup: float) -> None:
    with pytest.raises(ValueError, match="give"):
        reference_schedule(1, total, warmup)
