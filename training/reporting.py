"""What a run tells: rows of metrics, lines of a log, and messages to whoever started it.

Only rank 0 reports. The lines go to RUN/log.txt and to standard output, where the launcher reads them; under
Dagster the rows also go through its pipes, which the environment variable DAGSTER_PIPES_CONTEXT announces.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypedDict

import polars as pl

from pipelines.storage import write_table
from training.checkpoints import Position

METRICS_SCHEMA: dict[str, Any] = {
    "step": pl.Int64,  # optimiser steps done
    "epoch": pl.Float64,  # samples seen / samples of the split
    "samples": pl.Int64,  # samples seen, failed ones included
    "tokens": pl.Int64,  # labels trained on, ends of sequence included
    "loss": pl.Float64,  # nats per label, mean over all labels since the row before
    "validation_loss": pl.Float64,  # nats per label on held-out meshes; null where not computed
    "raw_validation_loss": pl.Float64,  # where validation_loss is of the average: that of the weights
    "lr": pl.Float64,  # of the last step
    "grad_norm": pl.Float64,  # of the last step, before clipping
    "tokens_per_second": pl.Float64,  # since the row before, over all ranks
    "model_flops_utilisation": pl.Float64,  # since the row before, 0 to 1; null where the peak is not known
    "seconds": pl.Float64,  # within steps, over all starts of the run
    "failed_samples": pl.Int64,  # over the whole run
}

QUARANTINE = "quarantine.parquet"
QUARANTINE_SCHEMA: dict[str, Any] = {"step": pl.Int64, "mesh_id": pl.String}


class MetricsRow(TypedDict):
    """One row of RUN/metrics.parquet; the columns are explained above."""

    step: int
    epoch: float
    samples: int
    tokens: int
    loss: float
    validation_loss: float | None
    raw_validation_loss: float | None
    lr: float
    grad_norm: float
    tokens_per_second: float
    model_flops_utilisation: float | None
    seconds: float
    failed_samples: int


def read_metrics(run: Path) -> pl.DataFrame:
    """Rows of a run so far; without rows where it has not written any."""
    path = Path(run) / "metrics.parquet"
    empty = pl.DataFrame(schema=METRICS_SCHEMA)
    # A run of an older version lacks columns.
    return pl.concat([empty, pl.read_parquet(path)], how="diagonal") if path.is_file() else empty


def read_quarantine(run: Path) -> pl.DataFrame:
    """Meshes of the steps that were left out: step and mesh_id."""
    path = Path(run) / QUARANTINE
    return pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=QUARANTINE_SCHEMA)


def take_row(
    position: Position,
    n_train: int,
    lr: float,
    grad_norm: float,
    validation_loss: float | None,
    raw_validation_loss: float | None,
    utilisation_per_rate: float | None = None,
) -> MetricsRow:
    """The row that says where a run on `n_train` meshes stands; begins the next interval of `position`.

    `utilisation_per_rate` is the utilisation that one token a second is; None where that is not known.
    """
    n_tokens = position.interval_tokens
    rate = n_tokens / max(position.interval_seconds, 1e-9)
    row = MetricsRow(
        step=position.step,
        epoch=position.samples / n_train,
        samples=position.samples,
        tokens=position.tokens,
        loss=position.interval_loss / n_tokens if n_tokens else math.nan,
        validation_loss=validation_loss,
        raw_validation_loss=raw_validation_loss,
        lr=lr,
        grad_norm=grad_norm,
        tokens_per_second=rate,
        model_flops_utilisation=None if utilisation_per_rate is None else rate * utilisation_per_rate,
        seconds=position.seconds,
        failed_samples=position.failed,
    )
    position.interval_loss, position.interval_tokens, position.interval_seconds = 0.0, 0, 0.0
    return row


def progress_line(row: MetricsRow, steps: int) -> str:
    """The line that a person, and the launcher's progress bar, reads."""
    validation = "" if row["validation_loss"] is None else f"  validation {row['validation_loss']:.4f}"
    utilisation = row["model_flops_utilisation"]
    share = "" if utilisation is None else f"  {utilisation:.1%} MFU"
    return (
        f"step {row['step']}/{steps}  loss {row['loss']:.4f}{validation}  lr {row['lr']:.3g}  "
        f"grad {row['grad_norm']:.3g}  {row['tokens_per_second']:.0f} tokens/s{share}"
    )


class Reporter:
    """Rank 0's voice; use `open_reporter`."""

    def __init__(self, run: Path, steps: int, log: TextIO, pipes: Any = None, tracker: Any = None) -> None:
        self._run, self._steps = run, steps
        self._log, self._pipes, self._tracker = log, pipes, tracker
        self._rows = read_metrics(run)

    def forget_after(self, step: int) -> None:
        """Drop rows of steps that a resumed run will do again."""
        self._rows = self._rows.filter(pl.col("step") <= step)
        self.flush()
        if (self._run / QUARANTINE).is_file():
            kept = read_quarantine(self._run).filter(pl.col("step") <= step)
            write_table(self._run / QUARANTINE, kept)

    def say(self, line: str) -> None:
        """One line for people."""
        self._log.write(f"{_stamp()}  {line}\n")
        self._log.flush()
        _print(line)
        if self._pipes is not None:
            self._pipes.log.info(line)

    def warn(self, line: str) -> None:
        """One line that any rank may write."""
        self.say(line)

    def add_row(self, row: MetricsRow) -> None:
        """One row of metrics, written at once."""
        self._rows = pl.concat([self._rows, pl.DataFrame([row], schema=METRICS_SCHEMA)])
        self.flush()
        self.say(progress_line(row, self._steps))
        if self._pipes is not None:
            self._pipes.report_custom_message(dict(row))
        if self._tracker is not None:
            values = {key: value for key, value in row.items() if key != "step" and value is not None}
            self._tracker.log(values, step=row["step"])

    def quarantine(self, step: int, mesh_ids: Sequence[str]) -> None:
        """Name the meshes of a step that was left out."""
        rows = pl.DataFrame([(step, name) for name in mesh_ids], schema=QUARANTINE_SCHEMA, orient="row")
        write_table(self._run / QUARANTINE, pl.concat([read_quarantine(self._run), rows]))

    def flush(self) -> None:
        """Write all rows, atomically."""
        write_table(self._run / "metrics.parquet", self._rows)


class OtherRank(Reporter):
    """The ranks that only warn."""

    def __init__(self, log: TextIO) -> None:
        self._log = log

    def forget_after(self, step: int) -> None:
        """Rank 0 does."""

    def say(self, line: str) -> None:
        """Rank 0 does."""

    def warn(self, line: str) -> None:
        """One line, in one write, to the log that all ranks append to."""
        self._log.write(f"{_stamp()}  {line}\n")
        self._log.flush()
        _print(line)

    def add_row(self, row: MetricsRow) -> None:
        """Rank 0 does."""

    def quarantine(self, step: int, mesh_ids: Sequence[str]) -> None:
        """Rank 0 does."""

    def flush(self) -> None:
        """Rank 0 does."""


@contextlib.contextmanager
def open_reporter(run: Path, steps: int, is_main: bool, tracker: Any = None) -> Iterator[Reporter]:
    """Open the log, and Dagster's pipes if there are any; `tracker` has accelerate's `log(values, step)`."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((run / "log.txt").open("a", encoding="utf-8"))
        if not is_main:
            yield OtherRank(log)
            return
        pipes = None
        if "DAGSTER_PIPES_CONTEXT" in os.environ:
            from dagster_pipes import open_dagster_pipes

            pipes = stack.enter_context(open_dagster_pipes())
        yield Reporter(run, steps, log, pipes, tracker)


def _stamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # whoever listened is gone; the log has it, and the run must be saved
        print(line, flush=True)
