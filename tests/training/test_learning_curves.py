"""Losses of runs against their steps, and the command that draws them."""

from pathlib import Path

import polars as pl
import pytest

from meshloom.training_commands import curves
from training.checkpoints import RunError
from training.learning_curves import learning_curves
from training.reporting import read_metrics


def test_the_curves_are_the_losses_of_the_metrics(long_run: Path) -> None:
    frame = learning_curves([long_run])
    metrics = read_metrics(long_run)
    training = frame.filter(pl.col("part") == "training")
    assert training.select("step", "y").rows() == metrics.select("step", "loss").rows()
    held_out = frame.filter(pl.col("part") == "held out")
    assert held_out["step"].to_list() == [3, 6, 9, 12]
    assert held_out["y"].to_list() == metrics["validation_loss"].drop_nulls().to_list()
    assert frame["group"].unique().to_list() == [long_run.name]


def test_the_command_writes_a_picture_and_refuses_a_folder_without_metrics(
    long_run: Path, tmp_path: Path
) -> None:
    curves([long_run], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError, match=r"no metrics\.parquet"):
        curves([long_run, tmp_path], tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()
