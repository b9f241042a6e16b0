"""A third system takes one folder, and no change anywhere else."""

import math
import os
from pathlib import Path

import polars as pl
import pytest
from accelerate import Accelerator

from model.systems import known_systems, load_system
from tests.training.conftest import tiny_config
from training.averaging import WeightAverage
from training.checkpoints import (
    Position,
    RunError,
    build_module,
    earlier_networks,
    load_generator,
    load_network,
)
from training.config import ConfigError, dump_config, load_config, parse_config
from training.evaluation.report import evaluate_run
from training.launch import launch_training, prepare_run
from training.optimizers import build_optimizer
from training.reporting import read_metrics, read_quarantine
from training.saving import save_checkpoint

TOY = '''
"""Two stages: a number that counts faces, and one that writes a triangle as tall as the first one learned."""

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from model.systems import GeneratedRow, Generator, Needs, Stage, System


class ToyConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    start: float = 0.0
    weights: int = 1
    poisoned: str = ""


class Numbers(nn.Module):
    def __init__(self, start, weights):
        super().__init__()
        self.value = nn.Parameter(torch.full((weights,), start))


class Count(Stage):
    name = "count"

    def needs(self, config):
        return Needs(max_faces=20)

    def build(self, config):
        return Numbers(config.start, config.weights)

    def prepare(self, sample, config):
        n_faces = 1e30 if sample.mesh_id == config.poisoned else len(sample.faces)
        return {"n_faces": np.array([n_faces], dtype=np.float32)}

    def loss_sum(self, network, batch, earlier):
        missed = network.value.sum() - batch["n_faces"]
        return (missed**2).sum(), torch.tensor(batch["n_faces"].numel())


class Copy(Count):
    name = "copy"
    earlier = ("count",)

    def loss_sum(self, network, batch, earlier):
        missed = network.value.sum() - earlier["count"].value.sum()
        return (missed**2) * len(batch["n_faces"]), torch.tensor(len(batch["n_faces"]))


class Triangles(Generator):
    needs = Needs(max_tokens=3)
    vocab_size = 100

    def __init__(self, networks):
        self.networks = networks

    def generate(self, points, n_rows, sampling):
        height = round(float(self.networks["copy"].value.sum()))
        return [GeneratedRow(np.array([height], dtype=np.int32), True, 0.0) for _ in range(n_rows)]

    def decode(self, tokens, constrained):
        return np.array([[0, 0, 0], [0.5, 0, 0], [0, tokens[0] / 100, 0]]), np.array([[0, 1, 2]])


SYSTEM = System(ToyConfig, (Count(), Copy()), lambda networks, tokenizer: Triangles(networks))
'''
FACES_OF_A_BOX = 12


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a system that lies outside of this repository."""
    package = f"lab_{tmp_path.name}".replace("-", "_")
    (tmp_path / package / "toy").mkdir(parents=True)
    (tmp_path / package / "toy" / "system.py").write_text(TOY)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{package}.toy"


def toy_config(system: str, **changes: object):
    content = {
        "system": system,
        "optimizer": {"lr": 1.0, "weight_decay": 0},
        "schedule": {"steps": 60, "warmup": 0},
        "gradient_clip": 1000.0,
        "mixed_precision": "no",
        "threads": 1,
        "evaluate_every": 60,
        "log_every": 1,
        "data": {"augment": {"rotate": False, "scale": False}},
    }
    return parse_config({**content, **changes})


def test_a_system_of_ones_own_is_trained_generates_and_is_evaluated(
    toy: str, box_data: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    assert launch_training(toy_config(toy), box_data, first) == 0
    metrics = read_metrics(first)
    assert metrics["loss"][0] == FACES_OF_A_BOX**2
    assert metrics["loss"][-1] < 1
    assert metrics["validation_loss"][-1] < 1
    counted = float(load_network(first)[0].value.detach().sum())
    assert counted == pytest.approx(FACES_OF_A_BOX, abs=1)

    second = tmp_path / "second"
    config = toy_config(toy, stage="copy", earlier={"count": str(first)})
    assert launch_training(config, box_data, second) == 0
    generator, _ = load_generator(second)
    assert float(generator.networks["count"].value.detach().sum()) == counted
    assert float(generator.networks["copy"].value.detach().sum()) == pytest.approx(counted, abs=0.5)

    summary = evaluate_run(second, box_data, "test", tmp_path / "evaluation", limit=2)
    assert summary["requested"] == summary["valid"] == 2
    table = pl.read_parquet(tmp_path / "evaluation" / "generated" / "generated.parquet")
    assert table["tokens"].to_list() == [[FACES_OF_A_BOX]] * 2


def test_a_later_stage_keeps_to_the_networks_it_was_begun_with(
    toy: str, box_data: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    launch_training(toy_config(toy, schedule={"steps": 4, "warmup": 0}), box_data, first)
    later = toy_config(toy, stage="copy", earlier={"count": str(first)}, schedule={"steps": 4, "warmup": 0})
    prepare_run(later, box_data, second, resume=False)
    other = tmp_path / "other"
    launch_training(toy_config(toy, schedule={"steps": 9, "warmup": 0}), box_data, other)
    (first / "checkpoints").rename(first / "gone")
    (other / "checkpoints").rename(first / "checkpoints")
    with pytest.raises(RunError, match=r"earlier\.count: other weights than those"):
        prepare_run(later, box_data, second, resume=True)


@pytest.mark.parametrize(("changes", "expected"), [({}, 0.0), ({"earlier_weights": "raw"}, 5.0)])
def test_a_later_stage_uses_the_average_of_an_earlier_one(
    toy: str, box_data: Path, tmp_path: Path, changes: dict, expected: float
) -> None:
    first = toy_config(toy, average={})
    prepare_run(first, box_data, tmp_path / "first", resume=False)
    module = build_module(first)
    average = WeightAverage(module, first.average)
    module.value.data.fill_(5.0)
    optimizer = build_optimizer(module, first.optimizer)
    save_checkpoint(Accelerator(cpu=True), tmp_path / "first", module, optimizer, Position(1), 1, average)
    later = toy_config(toy, stage="copy", earlier={"count": str(tmp_path / "first")}, **changes)
    prepare_run(later, box_data, tmp_path / "later", resume=False)
    assert earlier_networks(tmp_path / "later", later)["count"].value.item() == expected
    prepare_run(later, box_data, tmp_path / "later", resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"weights": 2}}, r"earlier\.count: .*other settings: weights: 1 -> 2"),
        ({"earlier": {"count": "NOTHING"}}, r"NOTHING is not a run"),
        ({"earlier": {"count": "SILKSONG"}}, r"earlier\.count: .*trains silksong decoder, not .*toy count"),
    ],
)
def test_an_earlier_run_that_does_not_fit_is_refused(
    toy: str, box_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    launch_training(toy_config(toy, schedule={"steps": 2, "warmup": 0}), box_data, Path("first"))
    prepare_run(tiny_config(), box_data, Path("SILKSONG"), resume=False)
    config = toy_config(toy, **{"stage": "copy", "earlier": {"count": "first"}, **changes})
    with pytest.raises(RunError, match=message):
        prepare_run(config, box_data, Path("later"), resume=False)


def test_only_the_last_stage_generates(toy: str, box_data: Path, tmp_path: Path) -> None:
    launch_training(toy_config(toy, schedule={"steps": 2, "warmup": 0}), box_data, tmp_path / "run")
    with pytest.raises(RunError, match="trains the stage count; give a run of copy, which writes meshes"):
        load_generator(tmp_path / "run")


def test_a_loss_that_is_not_finite_ends_the_run_and_names_its_meshes(
    toy: str, box_data: Path, tmp_path: Path
) -> None:
    config = toy_config(toy, model={"poisoned": "box/003"}, batch_size=2, schedule={"steps": 5, "warmup": 0})
    lines: list[str] = []
    assert launch_training(config, box_data, tmp_path / "run", on_line=lines.append) != 0
    said = next(line for line in lines if "FloatingPointError: " in line)
    assert "box/003" in said
    assert "bad_steps=skip" in said
    assert len(said.split("Its meshes: ")[1].split(", ")) == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_a_step_that_is_left_out_changes_nothing_and_is_named(
    toy: str, box_data: Path, tmp_path: Path, processes: int
) -> None:
    config = toy_config(
        toy,
        model={"poisoned": "box/003"},
        bad_steps="skip",
        batch_size=2 // processes,
        processes=processes,
        schedule={"steps": 5, "warmup": 0},
        evaluate_every=5,
    )
    run = tmp_path / "run"
    assert launch_training(config, box_data, run) == 0
    quarantine = read_quarantine(run)
    [step] = quarantine["step"].unique()
    assert quarantine.height == 2
    assert "box/003" in quarantine["mesh_id"].to_list()
    metrics = read_metrics(run)
    assert metrics["step"].to_list() == [1, 2, 3, 4, 5]
    assert metrics["failed_samples"].to_list() == [2 * (row >= step) for row in range(1, 6)]
    assert math.isnan(metrics["grad_norm"][step - 1])
    assert math.isnan(metrics["loss"][step - 1])
    assert metrics["tokens"][-1] == 2 * 4
    assert load_network(run)[0].value.isfinite().all()


def test_the_configuration_is_the_systems_own(toy: str, tmp_path: Path) -> None:
    config = toy_config(toy, model={"start": 2.0})
    assert config.model.start == 2.0
    (tmp_path / "saved.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "saved.yaml") == config
    with pytest.raises(ConfigError, match=r"model\.width: unknown key; .*start, weights"):
        toy_config(toy, model={"width": 3})
    with pytest.raises(ConfigError, match="stage copy uses the networks of count"):
        toy_config(toy, stage="copy")
    with pytest.raises(ConfigError, match="stage: Input should be 'count' or 'copy'"):
        toy_config(toy, stage="decoder")


def test_systems_are_found_by_name() -> None:
    assert known_systems() == ["meshgpt", "silksong"]
    for name in known_systems():
        assert load_system(name).stages
    with pytest.raises(ValueError, match=r"no system 'numpy\.toy'.*Known are meshgpt, silksong"):
        load_system("numpy.toy")
