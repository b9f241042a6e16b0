"""Checkpoints of a run: complete or absent, the newest found from disk alone.

RUN/earlier/<stage>/model.safetensors, config.yaml   networks of earlier stages that this one uses, copied
RUN/checkpoints/step-000100/model.safetensors     weights, under the module's own names
                           /average.safetensors   their average, likewise, where the run has one
                           /optimizer.pt          state of the optimiser by parameter name, and fp16's scaler
                           /position.json         where the run stood; written last

All of it is whole, whatever number of ranks wrote it and however they shared the network, so that any other
number may go on. Rank 0 alone writes and reads: no other machine needs the folder.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from model.systems import Draft, Generator, Networks, load_system
from pipelines.tokenizers import build_tokenizer
from training.config import ConfigError, ExperimentConfig, load_config

WEIGHTS = "model.safetensors"
AVERAGE = "average.safetensors"
OPTIMIZER = "optimizer.pt"
POSITION = "position.json"
_STEP_FOLDER = re.compile(r"step-\d{6,}")


class RunError(RuntimeError):
    """A run folder cannot be used as asked; the message says what is there and what to do."""


class OtherRunError(RunError):
    """A run folder belongs to a run of another configuration or data set version."""


@dataclass
class Position:
    """Where a run stands: all of its state beside weights and optimiser."""

    step: int = 0  # optimiser steps done
    samples: int = 0  # global sample offset
    tokens: int = 0  # labels trained on, ends of sequence included
    seconds: float = 0.0  # wall time within steps, over all starts
    failed: int = 0  # samples that contributed nothing
    interval_loss: float = 0.0  # sum of the losses since the last row of metrics, in nats
    interval_tokens: int = 0
    interval_seconds: float = 0.0


def build_module(config: ExperimentConfig) -> nn.Module:
    """The network that `config` trains, with seeded random weights or its initial weights.

    Raises ConfigError where it cannot do what is asked.
    """
    stage = config.training_stage
    if config.initial_weights is not None:
        network = stage.load_reference(str(config.initial_weights), config.model)
    else:
        torch.manual_seed(config.seed)
        network = stage.build(config.model)
    if config.recompute_activations:
        if not hasattr(network, "recompute_activations"):
            raise ConfigError(
                f"recompute_activations: {config.system}'s stage {stage.name} cannot; set it to false"
            )
        network.recompute_activations = True
    return network


def load_network(run: Path, raw_weights: bool = False) -> tuple[nn.Module, ExperimentConfig]:
    """The network of a run with its newest weights, in evaluation mode, and the run's configuration.

    Of a run that averages them, their average, unless `raw_weights`.
    Raises RunError where the folder is not a run, or has no complete checkpoint yet.
    """
    config = run_config(run)
    checkpoint = newest_checkpoint(run)
    if checkpoint is None:
        raise RunError(f"{run} has no complete checkpoint; let `meshloom train` reach one")
    return _network(config, weights_file(checkpoint, raw_weights)), config


def weights_file(checkpoint: Path, raw_weights: bool = False) -> Path:
    """The file that a checkpoint is used by: the average where there is one, unless `raw_weights`."""
    average = checkpoint / AVERAGE
    return average if average.is_file() and not raw_weights else checkpoint / WEIGHTS


def load_generator(
    run: Path, device: str | torch.device = "cpu", raw_weights: bool = False
) -> tuple[Generator, ExperimentConfig]:
    """What a run's newest weights generate with, and the run's configuration.

    Of a run that averages its weights, their average, unless `raw_weights`; networks of earlier stages are
    what that run took of them.
    Raises RunError where the folder is not a run of a system's last stage, or has no complete checkpoint yet.
    """
    network, config = load_network(run, raw_weights)
    system = load_system(config.system)
    last = system.stages[-1].name
    if config.stage != last:
        raise RunError(f"{run} trains the stage {config.stage}; give a run of {last}, which writes meshes")
    networks = {config.stage: network, **earlier_networks(run, config)}
    for module in networks.values():
        module.to(device)
    tokenizer = None if config.needs.vocab_size is None else build_tokenizer(config.tokenizer)
    return system.generator(networks, tokenizer), config


def load_draft(
    config: ExperimentConfig,
    device: str | torch.device = "cpu",
    run: Path | None = None,
    n_tokens: int | None = None,
) -> Draft | None:
    """What guesses tokens ahead of a run with this configuration: `run`, or the draft that it names, if any.

    Raises RunError where the draft is no run with a checkpoint, or of another system or tokenizer.
    """
    run = run or config.generation.draft
    if run is None:
        return None
    generator, other = load_generator(run, device)
    if (other.system, other.data.tokenizer) != (config.system, config.data.tokenizer):
        raise RunError(f"the draft {run} is of another system or tokenizer; give a run that shares both")
    return Draft(generator, n_tokens or config.generation.draft_tokens)


def earlier_networks(run: Path, config: ExperimentConfig) -> dict[str, nn.Module]:
    """Networks of earlier stages, frozen and in evaluation mode, from the run's own copies.

    Raises RunError where a copy is absent.
    """
    networks = {}
    for name in config.training_stage.earlier:
        folder = Path(run) / "earlier" / name
        if not (folder / WEIGHTS).is_file():
            raise RunError(f"{folder} lacks {WEIGHTS}; begin the run again in a new folder")
        networks[name] = _network(run_config(folder), folder / WEIGHTS).requires_grad_(False)
    return networks


def weights_digest(networks: Networks) -> str:
    """sha256 over names and bytes of all weights."""
    digest = hashlib.sha256()
    named = {
        f"{stage}.{name}": tensor
        for stage in networks
        for name, tensor in networks[stage].state_dict().items()
    }
    for name, tensor in sorted(named.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _network(config: ExperimentConfig, weights: Path) -> nn.Module:
    module: nn.Module = config.training_stage.build(config.model)
    module.load_state_dict(load_file(weights))
    return module.eval()


def run_config(run: Path) -> ExperimentConfig:
    """The resolved configuration of a run. Raises RunError."""
    try:
        return load_config(Path(run) / "config.yaml")
    except ConfigError as error:
        raise RunError(f"{run} is not a run of this version: {error}") from error


def checkpoints_of(run: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(_complete(Path(run) / "checkpoints"), key=lambda path: int(path.name.split("-")[1]))


def newest_checkpoint(run: Path) -> Path | None:
    """The complete checkpoint of the highest step; None where there is none."""
    complete = checkpoints_of(run)
    return complete[-1] if complete else None


def read_position(checkpoint: Path) -> Position:
    """Where the run stood at `checkpoint`."""
    return Position(**json.loads((checkpoint / POSITION).read_text()))


def _complete(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _STEP_FOLDER.fullmatch(path.name) and (path / POSITION).is_file() and (path / WEIGHTS).is_file():
            yield path
