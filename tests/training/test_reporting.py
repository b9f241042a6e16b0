from pathlib import Path

from pipelines.storage import write_table
from training.checkpoints import Position
from training.reporting import METRICS_SCHEMA, open_reporter, read_metrics, take_row

LATER = ("raw_validation_loss", "model_flops_utilisation")


def test_a_run_of_an_older_version_goes_on_with_the_newer_columns(tmp_path: Path) -> None:
    position = Position(step=1, interval_loss=3.0, interval_tokens=2)
    with open_reporter(tmp_path, 2, is_main=True) as reporter:
        reporter.add_row(take_row(position, 10, 1e-3, 1.0, 0.5, 0.7))
    write_table(tmp_path / "metrics.parquet", read_metrics(tmp_path).drop(LATER))
    position.step = 2
    with open_reporter(tmp_path, 2, is_main=True) as reporter:
        reporter.add_row(take_row(position, 10, 1e-3, 1.0, 0.5, 0.7, 1e-9))
    metrics = read_metrics(tmp_path)
    assert dict(metrics.schema) == METRICS_SCHEMA
    assert metrics["raw_validation_loss"].to_list() == [None, 0.7]
    assert metrics["model_flops_utilisation"].is_null().to_list() == [True, False]
    assert metrics["loss"].to_list()[0] == 1.5
