"""The average of the weights: its formula, and that everything after training uses it."""

import shutil
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.conftest import STEPS, assert_same_weights, tiny_config
from training.averaging import WeightAverage, decay_at
from training.batches import held_out_batches
from training.checkpoints import (
    AVERAGE,
    WEIGHTS,
    Position,
    RunError,
    checkpoints_of,
    load_generator,
    load_network,
    run_config,
    weights_file,
)
from training.data import ShardDataset
from training.launch import launch_training
from training.optimizers import build_optimizer
from training.reporting import read_metrics
from training.saving import load_checkpoint, save_checkpoint
from training.settings import AverageSettings, OptimizerSettings

SETTINGS = {"decay": 0.6, "update_after": 2, "update_every": 2, "power": 0.5, "inverse_gamma": 2.0}
# After step 4 e = 1, after step 6 e = 3, ...: 1 - 1.5 ** -0.5, 1 - 2.5 ** -0.5, and so on.
DECAYS = {2: 0.0, 4: 0.1835034191, 6: 0.3675444680, 8: 0.4654775161, 10: 0.5285954792, 12: 0.5735985673}


@pytest.fixture(scope="session")
def averaged_run(tmp_path_factory: pytest.TempPathFactory, box_data: Path) -> Path:
    """Twelve steps of one rank, every one of them kept."""
    run = tmp_path_factory.mktemp("averaged") / "run"
    config = tiny_config(schedule=STEPS, average=SETTINGS, checkpoint_every=1, keep_checkpoints=12)
    assert launch_training(config, box_data, run) == 0
    return run


@pytest.mark.parametrize(
    ("step", "decay"),
    [(0, 0), (100, 0), (101, 0), (102, 0.3700394751), (110, 0.7845565310), (127, 1 - 1 / 9), (1100, 0.99)],
)
def test_the_decay_grows_as_meshgpts_trainer_has_it(step: int, decay: float) -> None:
    assert decay_at(step, AverageSettings()) == pytest.approx(decay, abs=1e-9)


def test_the_decay_has_a_limit() -> None:
    assert decay_at(500_100, AverageSettings()) == pytest.approx(1 - 500_000 ** (-2 / 3))
    assert decay_at(2_000_000, AverageSettings()) == 0.9999


def test_the_average_is_that_of_a_plain_loop(averaged_run: Path) -> None:
    checkpoints = checkpoints_of(averaged_run)
    mean = load_file(checkpoints[1] / WEIGHTS)
    for step, checkpoint in enumerate(checkpoints, start=1):
        weights = load_file(checkpoint / WEIGHTS)
        if step in DECAYS:
            mean = {name: DECAYS[step] * mean[name] + (1 - DECAYS[step]) * weights[name] for name in mean}
        if step > 1:
            _assert_close(load_file(checkpoint / AVERAGE), mean, 1e-6)
    assert {tensor.dtype for tensor in load_file(checkpoints[-1] / AVERAGE).values()} == {torch.float32}
    assert any((mean[name] - weights[name]).abs().max() > 1e-4 for name in mean)


def test_averaging_leaves_training_as_it_is(averaged_run: Path, long_run: Path) -> None:
    assert_same_weights(averaged_run, long_run)
    raw = read_metrics(averaged_run)["raw_validation_loss"]
    assert raw.equals(read_metrics(long_run)["validation_loss"])
    assert read_metrics(long_run)["raw_validation_loss"].is_null().all()


def test_a_run_goes_on_with_the_same_bits_of_its_average(
    averaged_run: Path, box_data: Path, tmp_path: Path
) -> None:
    run = _stopped_at(averaged_run, 5, tmp_path)
    assert launch_training(run_config(run), box_data, run, resume=True) == 0
    assert_same_weights(run, averaged_run, file=AVERAGE)
    columns = ["step", "loss", "validation_loss", "raw_validation_loss"]
    assert read_metrics(run).select(columns).equals(read_metrics(averaged_run).select(columns))


def test_ranks_that_share_a_network_average_their_shares(
    averaged_run: Path, box_data: Path, tmp_path: Path
) -> None:
    run = _stopped_at(averaged_run, 5, tmp_path)
    shared = {"batch_size": 2, "processes": 2, "parallel": "fsdp"}
    config = tiny_config(schedule=STEPS, average=SETTINGS, **shared)
    assert launch_training(config, box_data, run, resume=True) == 0
    assert_same_weights(run, averaged_run, 1e-4, AVERAGE)
    for column in ("validation_loss", "raw_validation_loss"):
        difference = (read_metrics(run)[column] - read_metrics(averaged_run)[column]).drop_nulls()
        assert difference.abs().max() < 1e-4, column


@pytest.mark.parametrize(("column", "raw"), [("validation_loss", False), ("raw_validation_loss", True)])
def test_held_out_losses_are_of_the_average_and_of_the_weights(
    averaged_run: Path, box_data: Path, column: str, raw: bool
) -> None:
    network, config = load_network(averaged_run, raw_weights=raw)
    (batch,) = held_out_batches(ShardDataset(box_data, "val", config), 64)
    with torch.no_grad():
        loss_sum, count = config.training_stage.loss_sum(network, batch.tensors, {})
    metrics = read_metrics(averaged_run)
    assert metrics[column][-1] == pytest.approx(float(loss_sum / count), abs=1e-6)
    assert abs(metrics["validation_loss"][-1] - metrics["raw_validation_loss"][-1]) > 1e-4


def test_a_run_generates_with_its_average(averaged_run: Path, long_run: Path) -> None:
    last = checkpoints_of(averaged_run)[-1]
    for raw, file in ((False, AVERAGE), (True, WEIGHTS)):
        generator, _ = load_generator(averaged_run, raw_weights=raw)
        _assert_close(generator.networks["decoder"].state_dict(), load_file(last / file), 0)
    assert weights_file(checkpoints_of(long_run)[-1]).name == WEIGHTS


class Counter(nn.Module):
    """One weight, one moving number, and a count."""

    def __init__(self, weight: float, moving: float, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight]))
        self.register_buffer("moving", torch.tensor([moving]))
        self.register_buffer("count", torch.tensor([count]))


def test_buffers_are_averaged_too_and_counts_copied() -> None:
    module = Counter(0.0, 10.0, 1)
    average = WeightAverage(module, AverageSettings(decay=0.75, update_after=0, power=99))
    module.load_state_dict(Counter(4.0, 30.0, 7).state_dict())
    average.update(2)
    with average.in_place():
        assert _values(module) == [1.0, 15.0, 7]
    assert _values(module) == [4.0, 30.0, 7]


def test_a_checkpoint_without_the_average_is_not_gone_on_with(tmp_path: Path) -> None:
    module, accelerator = Counter(0.0, 0.0, 0), Accelerator(cpu=True)
    optimizer = build_optimizer(module, OptimizerSettings())
    save_checkpoint(accelerator, tmp_path, module, optimizer, Position(1), keep=1)
    with pytest.raises(RunError, match=r"step-000001 lacks average\.safetensors"):
        load_checkpoint(accelerator, tmp_path, module, optimizer, WeightAverage(module, AverageSettings()))


def _stopped_at(whole: Path, step: int, folder: Path) -> Path:
    """A run as it was after a step."""
    run = folder / "run"
    shutil.copytree(whole, run)
    for path in checkpoints_of(run)[step:]:
        shutil.rmtree(path)
    return run


def _values(module: nn.Module) -> list[float]:
    return [tensor.item() for tensor in module.state_dict().values()]


def _assert_close(tensors: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=tolerance)
