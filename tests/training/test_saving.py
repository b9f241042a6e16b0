"""A save that is killed, wherever it is, leaves a whole checkpoint."""

import itertools
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from training.checkpoints import OPTIMIZER, Position, RunError
from training.optimizers import build_optimizer
from training.saving import load_checkpoint, save_checkpoint
from training.settings import OptimizerSettings


class Training:
    """A network and its optimiser; after step n its weights are n, and so are the optimiser's moments."""

    def __init__(self) -> None:
        self.accelerator = Accelerator(cpu=True)
        self.module = nn.Linear(3, 2)
        self.optimizer = build_optimizer(self.module, OptimizerSettings())

    def step(self, number: int) -> None:
        for parameter in self.module.parameters():
            parameter.grad = torch.ones_like(parameter)
        self.optimizer.step()
        for tensor in self.tensors():
            tensor.data.fill_(number)

    def tensors(self) -> list[torch.Tensor]:
        states = [value for state in self.optimizer.state.values() for value in state.values()]
        return [*self.module.parameters(), *states]

    def save(self, run: Path, step: int) -> None:
        self.step(step)
        save_checkpoint(self.accelerator, run, self.module, self.optimizer, Position(step), keep=1)

    def load(self, run: Path) -> int | None:
        position = load_checkpoint(self.accelerator, run, self.module, self.optimizer)
        return None if position is None else position.step


def test_a_save_that_is_killed_anywhere_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    training = Training()
    training.save(tmp_path, 1)
    found = []
    for operation in itertools.count(1):
        child = os.fork()
        if child == 0:
            _die_at(operation, tmp_path)
            training.save(tmp_path, 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        assert os.WIFSIGNALED(status)
        after = Training()
        step = after.load(tmp_path)
        assert step in (1, 2)
        assert all((tensor == step).all() for tensor in after.tensors())
        assert len(after.tensors()) == 2 + 2 * 3
        found.append(step)
    assert {1, 2} == set(found), len(found)
    assert found.count(1) > 10
    training.save(tmp_path, 3)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000003"]


def test_nothing_is_made_up_for_an_optimiser_that_has_not_moved(tmp_path: Path) -> None:
    training = Training()
    save_checkpoint(training.accelerator, tmp_path, training.module, training.optimizer, Position(1), keep=1)
    after = Training()
    assert after.load(tmp_path) == 1
    assert not training.optimizer.state
    assert not after.optimizer.state


def test_a_run_without_checkpoints_begins(tmp_path: Path) -> None:
    assert Training().load(tmp_path) is None


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    training = Training()
    training.save(tmp_path, 1)
    (tmp_path / "checkpoints" / "step-000001" / OPTIMIZER).unlink()
    with pytest.raises(RunError, match=r"lacks optimizer\.pt"):
        training.load(tmp_path)


def _die_at(operation: int, folder: Path) -> None:
    """Have this process killed before an operation on files in `folder`, counted from 1."""
    counter = itertools.count(1)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        is_ours = event.startswith(("open", "os.", "shutil.")) and str(folder) in str(arguments[:1])
        if is_ours and next(counter) == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
