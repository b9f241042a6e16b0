"""Runs that are killed wherever it hurts, and end with the bits of one that was not."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import STEPS, assert_same_weights, tiny_config
from training.checkpoints import load_network, newest_checkpoint
from training.config import ExperimentConfig, dump_config
from training.launch import launch_training
from training.reporting import read_metrics

ROOT = Path(__file__).parents[2]
OPERATIONS_OF_A_SAVE = 16


def mortal_config(**changes: object) -> ExperimentConfig:
    return tiny_config(system="tests.training.mortal", schedule=STEPS, checkpoint_every=2, **changes)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a process that finds this repository, tests included."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    return dict(os.environ)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 9))])
def test_random_deaths_change_no_bit(
    seed: int, long_run: Path, box_data: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    draw = random.Random(seed)
    run, config = tmp_path / "run", mortal_config(keep_checkpoints=2)
    deaths = [
        {"MORTAL_STEP": str(draw.randint(2, 5))},
        {"MORTAL_SAVE": str(draw.randint(1, 2 * OPERATIONS_OF_A_SAVE))},
    ]
    draw.shuffle(deaths)
    for death in deaths:
        assert launch_training(config, box_data, run, resume=True, env=death) == 128 + 9, death
        if newest_checkpoint(run) is not None:
            load_network(run)
    assert launch_training(config, box_data, run, resume=True) == 0
    assert_same_weights(run, long_run)
    columns = ["step", "epoch", "samples", "tokens", "loss", "validation_loss", "lr", "grad_norm"]
    assert read_metrics(run).select(columns).equals(read_metrics(long_run).select(columns))
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["step-000010", "step-000012"]


@pytest.mark.slow
def test_a_run_whose_launcher_is_killed_goes_on(
    two_ranks: Path, box_data: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    path, run = tmp_path / "mortal.yaml", tmp_path / "run"
    config = mortal_config(batch_size=2, processes=2)
    path.write_text(dump_config(config))
    command = [
        sys.executable,
        "-m",
        "meshloom",
        "train",
        str(path),
        "--data",
        str(box_data),
        "--out",
        str(run),
    ]
    environment |= {"MORTAL_STEP": "5", "MORTAL_WHOM": "launcher"}
    launcher = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=300)
    assert launcher.returncode == -9
    assert launch_training(config, box_data, run, resume=True) == 0
    assert_same_weights(run, two_ranks)
