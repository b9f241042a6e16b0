"""One tokenizer with one seed: its training, its curve, and what its checkpoints generate."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.torch import load_file

from pipelines.storage import write_bytes
from training.checkpoints import OPTIMIZER, WEIGHTS, RunError, checkpoints_of, read_position, run_config
from training.comparison.settings import ComparisonSettings
from training.config import ExperimentConfig, differences, dump_config
from training.data import Prepared, ShardDataset
from training.evaluation.report import evaluate_run
from training.launch import data_version, launch_training
from training.order import Place
from training.reporting import read_metrics

CURVE_SCHEMA: dict[str, Any] = {
    "tokenizer": pl.String,
    "seed": pl.Int64,
    "step": pl.Int64,
    "meshes": pl.Int64,  # seen, visits of the same mesh counted each time
    "seconds": pl.Float64,  # reading batches and taking steps
    "train_nats_per_face": pl.Float64,  # mean since the row before
    "nats_per_face": pl.Float64,  # on held-out meshes
}


@dataclass(frozen=True)
class Trial:
    """One run of a comparison."""

    tokenizer: str
    seed: int
    config: ExperimentConfig
    data: Path
    run: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.tokenizer}, seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """Whether exactly this training is done."""
        done = checkpoints_of(self.run)
        if not done or read_position(done[-1]).step != self.config.schedule.steps:
            return False
        version = json.loads((self.run / "run.json").read_text())["data_version"]
        return version == data_version(self.data) and not differences(run_config(self.run), self.config)


def train_trial(trial: Trial, on_line: Callable[[str], None]) -> None:
    """Train to the last step, or go on from where a killed run stopped; a finished one is left alone.

    Raises RunError where the folder holds another run, or the training fails.
    """
    if trial.is_finished:
        return
    code = launch_training(trial.config, trial.data, trial.run, resume=True, on_line=on_line)
    if code != 0:
        raise RunError(f"{trial.name}: training ended with exit code {code}; its log is {trial.run}/log.txt")
    for checkpoint in checkpoints_of(trial.run):  # two thirds of the bytes, and nothing goes on from here
        (checkpoint / OPTIMIZER).unlink(missing_ok=True)


def labels_per_face(dataset: ShardDataset, count: int | None = None) -> float:
    """Tokens and ends of the first `count` meshes that can be prepared, over their faces."""
    n_labels, n_faces = 0, 0
    rows = dataset.index.select("n_tokens", "n_faces").rows()[:count]
    for i, (tokens, faces) in enumerate(rows):
        if count is None or isinstance(dataset[Place(0, i)], Prepared):
            n_labels, n_faces = n_labels + tokens + 1, n_faces + faces
    return n_labels / n_faces


def curve(trial: Trial) -> pl.DataFrame:
    """The losses along a run, in nats per face: a frame of CURVE_SCHEMA, one row per evaluation."""
    held_out, train = (ShardDataset(trial.data, split, trial.config) for split in ("val", "train"))
    metrics = read_metrics(trial.run).drop_nulls("validation_loss")
    return metrics.select(
        pl.lit(trial.tokenizer).alias("tokenizer"),
        pl.lit(trial.seed, dtype=pl.Int64).alias("seed"),
        "step",
        pl.col("samples").alias("meshes"),
        "seconds",
        (pl.col("loss") * labels_per_face(train)).alias("train_nats_per_face"),
        (pl.col("validation_loss") * labels_per_face(held_out, trial.config.evaluate_meshes)).alias(
            "nats_per_face"
        ),
    )


def checkpoint_within(trial: Trial, seconds: float) -> Path:
    """The newest checkpoint that was there after so many seconds of training; the oldest where none was."""
    every = checkpoints_of(trial.run)
    there = [path for path in every if read_position(path).seconds <= seconds]
    return there[-1] if there else every[0]


def evaluate_checkpoint(
    trial: Trial, checkpoint: Path, is_constrained: bool, settings: ComparisonSettings, out: Path
) -> dict[str, Any]:
    """Generate from the test split with one checkpoint; what is there already stays.

    OUT gets a run folder that has this checkpoint alone, and OUT/evaluation. Returns how many were asked for,
    the shares that are valid and close, the median Chamfer distance of all (a failure counts as an empty
    prediction), and the seconds of a mesh: those of all rows together over the slots that
    were written side by side.
    """
    generation = trial.config.generation.model_copy(update={"constrained": is_constrained})
    write_bytes(
        out / "config.yaml", dump_config(trial.config.model_copy(update={"generation": generation})).encode()
    )
    link = out / "checkpoints" / checkpoint.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(checkpoint, link.parent))
    asked = {
        "checkpoint": checkpoint.name,
        "limit": settings.generated_meshes,
        "seed": trial.seed,
        "temperature": settings.temperature,
        "data_version": data_version(trial.data),
    }
    evaluation = out / "evaluation"
    if not asked.items() <= _read(evaluation / "summary.json").items():
        evaluate_run(
            out,
            trial.data,
            "test",
            evaluation,
            limit=settings.generated_meshes,
            seed=trial.seed,
            temperature=settings.temperature,
            batch_size=settings.slots,
        )
    summary = _read(evaluation / "summary.json")
    metrics = pl.read_parquet(evaluation / "metrics.parquet")
    seconds = _read(evaluation / "generated" / "timings.json")
    distances = metrics["cd_l2_sum"].fill_null(np.inf).to_numpy()
    return {
        "n_generated": metrics.height,
        "valid": summary["validity_rate"],
        **{f"within_{limit:g}": float(np.mean(distances <= limit)) for limit in settings.close},
        "chamfer": float(np.median(metrics["cd_l2_sum_penalised"])),
        "chamfer_floor": float(np.median(metrics["cd_l2_sum_floor"])),
        "seconds_per_mesh": sum(seconds.values()) / min(settings.slots, metrics.height) / metrics.height,
    }


def n_parameters(checkpoint: Path) -> int:
    """Weights of a checkpoint."""
    return sum(tensor.numel() for tensor in load_file(checkpoint / WEIGHTS).values())


def _read(path: Path) -> dict[str, Any]:
    """A JSON file; empty where it is absent."""
    return dict(json.loads(path.read_text())) if path.is_file() else {}
