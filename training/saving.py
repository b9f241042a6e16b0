"""What all ranks do together to save and load a checkpoint; `training.checkpoints` describes its files."""

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from pipelines.storage import write_json
from training.averaging import WeightAverage
from training.checkpoints import (
    AVERAGE,
    OPTIMIZER,
    POSITION,
    WEIGHTS,
    Position,
    RunError,
    checkpoints_of,
    newest_checkpoint,
    read_position,
)
from training.parallel import from_first_rank


def save_checkpoint(
    accelerator: Accelerator,
    run: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    position: Position,
    keep: int,
    average: WeightAverage | None = None,
) -> Path:
    """Write everything under a temporary name, rename it, and drop all but the newest `keep`. Collective."""
    folder = run / "checkpoints" / f"step-{position.step:06d}"
    temporary = folder.with_name(f".{folder.name}.partial")
    if accelerator.is_main_process:
        _clear(folder.parent)
        temporary.mkdir(parents=True)
    _save_weights(accelerator, module, temporary / WEIGHTS)
    if average is not None:
        with average.in_place():
            _save_weights(accelerator, module, temporary / AVERAGE)
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    # torch would take a step of nothing to have a state to save, and count it.
    state = get_optimizer_state_dict(module, optimizer, options=options) if optimizer.state else {}
    if accelerator.is_main_process:
        scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else {}
        torch.save({"optimizer": state, "scaler": scaler}, temporary / OPTIMIZER)
        write_json(temporary / POSITION, asdict(position))
        for path in [*temporary.iterdir(), temporary]:
            _flush(path)
        if folder.exists():
            _drop(folder)
        temporary.rename(folder)
        _flush(folder.parent)
        for old in checkpoints_of(run)[:-keep]:
            _drop(old)
    accelerator.wait_for_everyone()
    return folder


def load_checkpoint(
    accelerator: Accelerator,
    run: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None = None,
) -> Position | None:
    """Give all ranks the newest complete checkpoint that rank 0 finds; None where there is none. Collective.

    Raises RunError where it is of a version that wrote other files.
    """
    checkpoint = newest_checkpoint(run) if accelerator.is_main_process else None
    position = from_first_rank(read_position(checkpoint) if checkpoint else None)
    if position is None:
        return None
    weights: dict[str, Any] = {}
    averaged: dict[str, Any] = {}
    state: dict[str, Any] = {"optimizer": {}, "scaler": {}}
    if checkpoint is not None:
        for needed in (OPTIMIZER, *([] if average is None else [AVERAGE])):
            if not (checkpoint / needed).is_file():
                raise RunError(f"{checkpoint} lacks {needed}; an older version wrote it, begin a new run")
        if average is not None:
            averaged = load_file(checkpoint / AVERAGE)
        weights = load_file(checkpoint / WEIGHTS)
        state = torch.load(checkpoint / OPTIMIZER, map_location="cpu", mmap=True, weights_only=True)
    has_state, scaler = from_first_rank((bool(state["optimizer"]), state["scaler"]))
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=accelerator.num_processes > 1)
    set_model_state_dict(module, weights, options=options)
    if average is not None:
        with average.in_place():
            set_model_state_dict(module, averaged, options=options)
    if has_state:
        set_optimizer_state_dict(module, optimizer, state["optimizer"], options=options)
    if accelerator.scaler is not None and scaler:
        accelerator.scaler.load_state_dict(scaler)
    return position


def _save_weights(accelerator: Accelerator, module: nn.Module, path: Path) -> None:
    """Have rank 0 write the weights of all ranks. Collective."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(module, options=options)
    if accelerator.is_main_process:
        plain = {name: value.contiguous() for name, value in weights.items() if isinstance(value, Tensor)}
        save_file(plain, path, metadata={"format": "pt"})


def _clear(folder: Path) -> None:
    """Remove what a save that was killed has left."""
    for path in folder.glob(".step-*"):
        shutil.rmtree(path)


def _drop(checkpoint: Path) -> None:
    """Remove a checkpoint, which is absent before any of its files is."""
    removed = checkpoint.with_name(f".{checkpoint.name}.removed")
    checkpoint.rename(removed)
    shutil.rmtree(removed)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
