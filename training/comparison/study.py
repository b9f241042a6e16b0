"""A whole comparison: train every tokenizer with every seed, measure at equal meshes and at equal seconds.

    compare_training(settings, {"silksong": Path("data/silksong"), "loom": Path("data/loom")}, Path("out"))

    OUT/meshes.parquet       the meshes that all tokenizers take: those of every run
    OUT/data/<tokenizer>     data sets of exactly these; the samples stay in the shards they were curated to
    OUT/runs/<tokenizer>-<seed>    run folders
    OUT/points/..            what was generated from which checkpoint, with its evaluation
    OUT/curves.parquet, curves.png   held-out and training losses against meshes seen and against seconds
    OUT/runs.parquet         one row per tokenizer, seed and point
    OUT/summary.parquet      one row per tokenizer and point: mean, least and greatest over the seeds
    OUT/comparison.md        the same as tables

A point is where runs are compared: `meshes`, the end, where all have seen equally many meshes; `seconds`, as
long after the beginning as the fastest of all runs took to its end: losses between two evaluations are
interpolated, and the newest checkpoint that was there generates. Called again, after a kill too, only what is
missing is made.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.storage import write_bytes, write_table
from training.checkpoints import checkpoints_of, read_position
from training.comparison.meshes import common_meshes, restrict
from training.comparison.report import comparison_markdown, comparison_plot, summarize_runs
from training.comparison.settings import ComparisonSettings
from training.comparison.trials import (
    Trial,
    checkpoint_within,
    curve,
    evaluate_checkpoint,
    n_parameters,
    train_trial,
)

POINTS = ("meshes", "seconds")
LOSSES = ("train_nats_per_face", "nats_per_face")


def compare_training(
    settings: ComparisonSettings,
    curated: Mapping[str, Path],
    out: Path,
    say: Callable[[str], None] = print,
) -> pl.DataFrame:
    """Compare into `out`; returns the rows of runs.parquet. `curated` has the data set of each tokenizer.

    Raises ConfigError, DataError or RunError for what cannot be compared.
    """
    trials = prepare_trials(settings, curated, out)
    for trial in trials:
        say(f"training {trial.name}")
        train_trial(trial, on_line=lambda line: say(f"  {line}"))
    curves = pl.concat([curve(trial) for trial in trials])
    write_table(out / "curves.parquet", curves)
    write_bytes(out / "curves.png", comparison_plot(curves))
    seconds = min(read_position(checkpoints_of(trial.run)[-1]).seconds for trial in trials)
    rows = []
    for trial in trials:
        for point in POINTS:
            say(f"generating: {trial.name}, at equal {point}")
            rows.append(_measure(trial, point, seconds, curves, settings, out))
    runs = pl.DataFrame(rows, infer_schema_length=None)
    write_table(out / "runs.parquet", runs)
    summary = summarize_runs(runs)
    write_table(out / "summary.parquet", summary)
    meshes = pl.read_parquet(out / "meshes.parquet")
    write_bytes(out / "comparison.md", comparison_markdown(settings, meshes, summary).encode())
    return runs


def prepare_trials(settings: ComparisonSettings, curated: Mapping[str, Path], out: Path) -> list[Trial]:
    """All runs, seed by seed, so that whatever slows the machine for a while slows every tokenizer.

    Writes OUT/meshes.parquet and OUT/data. Raises ConfigError or DataError.
    """
    configs = {(name, seed): settings.config(name, seed) for seed in settings.seeds for name in curated}
    meshes = common_meshes(curated, min(config.max_tokens or 0 for config in configs.values()) or None)
    write_table(out / "meshes.parquet", meshes)
    data = {name: restrict(path, meshes["mesh_id"], out / "data" / name) for name, path in curated.items()}
    return [
        Trial(name, seed, config, data[name], out / "runs" / f"{name}-{seed}")
        for (name, seed), config in configs.items()
    ]


def _measure(
    trial: Trial, point: str, seconds: float, curves: pl.DataFrame, settings: ComparisonSettings, out: Path
) -> dict[str, Any]:
    """A row of runs.parquet."""
    newest = checkpoints_of(trial.run)[-1]
    checkpoint = newest if point == "meshes" else checkpoint_within(trial, seconds)
    position = read_position(checkpoint)
    of_run = curves.filter(pl.col("tokenizer") == trial.tokenizer, pl.col("seed") == trial.seed)
    when = position.seconds if point == "meshes" else seconds
    losses = {name: float(np.interp(when, of_run["seconds"], of_run[name])) for name in LOSSES}
    folder = out / "points" / trial.run.name
    results = evaluate_checkpoint(trial, checkpoint, True, settings, folder / checkpoint.name)
    valid_free = None
    if point == "meshes":
        free = evaluate_checkpoint(trial, checkpoint, False, settings, folder / f"{checkpoint.name}-free")
        valid_free = free["valid"]
    return {
        "tokenizer": trial.tokenizer,
        "seed": trial.seed,
        "point": point,
        "n_parameters": n_parameters(checkpoint),
        "step": position.step,
        "meshes": position.samples,
        "seconds": position.seconds,
        "tokens": position.tokens,
        **losses,
        **results,
        "valid_free": valid_free,  # without the grammar; of the end alone
    }
