"""Losses of runs against their steps.

curves_plot(learning_curves([Path("runs/first")]), "loss", {"step": "steps"})
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.checkpoints import RunError
from training.reporting import read_metrics

PARTS = {"validation_loss": "held out", "loss": "training"}


def learning_curves(runs: Sequence[Path]) -> pl.DataFrame:
    """One row per run, part and step: columns group (the run's name), part, line, step and y, the loss.

    Part is `held out`, or `training` (mean since the row before). Raises RunError for a run without metrics.
    """
    frames = []
    for run in map(Path, runs):
        metrics = read_metrics(run)
        if metrics.is_empty():
            raise RunError(
                f"{run} has no metrics.parquet with rows; give a folder that `meshloom train` made"
            )
        frames += [
            metrics.drop_nulls(column).select(
                pl.lit(run.name).alias("group"),
                pl.lit(part).alias("part"),
                pl.lit(str(run)).alias("line"),
                "step",
                pl.col(column).alias("y"),
            )
            for column, part in PARTS.items()
        ]
    return pl.concat(frames)
