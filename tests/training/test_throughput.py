import pytest
import torch

from model.silksong import SilksongModel
from tests.training.conftest import tiny_config
from training.checkpoints import Position
from training.reporting import progress_line, take_row
from training.throughput import Throughput, peak_flops


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("NVIDIA H200", "bf16", 989e12),
        ("NVIDIA A100-SXM4-80GB", "fp16", 312e12),
        ("NVIDIA H200", "no", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bf16", None),
        ("Something New", "bf16", None),
        (None, "bf16", None),
    ],
)
def test_a_peak_is_known_by_the_name_or_not(name: str | None, precision: str, expected: float | None) -> None:
    assert peak_flops(tiny_config(mixed_precision=precision), name) == expected
    assert peak_flops(tiny_config(mixed_precision=precision, peak_tflops=2.0), name) == 2e12


def test_utilisation_is_the_work_done_over_the_most_that_two_devices_could() -> None:
    config = tiny_config(peak_tflops=0.5)
    network = SilksongModel(config.model)
    throughput = Throughput(network, config, torch.device("cpu"), n_devices=2)
    position = Position(samples=6, failed=1, tokens=100, interval_tokens=40, interval_seconds=2.0)
    row = take_row(position, 10, 1e-3, 1.0, None, None, throughput.utilisation_per_rate(position))
    done = config.training_stage.flops_per_label(network, 100 / 5) * 40 / 2.0
    assert row["model_flops_utilisation"] == pytest.approx(done / (2 * 0.5e12))
    row["model_flops_utilisation"] = 0.4137
    assert progress_line(row, 10).endswith("20 tokens/s  41.4% MFU")


def test_nothing_is_said_where_the_peak_is_not_known() -> None:
    config = tiny_config()
    throughput = Throughput(SilksongModel(config.model), config, torch.device("cpu"), n_devices=1)
    position = Position(samples=5, tokens=100, interval_tokens=40, interval_seconds=2.0)
    per_rate = throughput.utilisation_per_rate(position)
    assert per_rate is None
    row = take_row(position, 10, 1e-3, 1.0, None, None, per_rate)
    assert row["model_flops_utilisation"] is None
    assert "MFU" not in progress_line(row, 10)


def test_a_run_without_a_token_yet_has_no_utilisation() -> None:
    config = tiny_config(peak_tflops=1.0)
    throughput = Throughput(SilksongModel(config.model), config, torch.device("cpu"), n_devices=1)
    assert throughput.utilisation_per_rate(Position(samples=4, failed=4)) is None
    assert throughput.utilisation_per_rate(Position(samples=4)) is None
