"""The demo, made again after the software or its data have changed."""

from pathlib import Path

import pytest

from meshloom import demonstration
from meshloom.demonstration import train_demo
from tests.training.conftest import make_samples, tiny_config, write_data
from training.checkpoints import newest_checkpoint
from training.config import dump_config
from training.launch import prepare_run


def test_a_run_of_before_stays_and_the_new_one_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tmp_path / "tiny.yaml"
    experiment.write_text(dump_config(tiny_config()))
    monkeypatch.setattr(demonstration, "EXPERIMENT", str(experiment))
    data, out = write_data(tmp_path / "data", make_samples()), tmp_path / "demo"
    prepare_run(tiny_config(seed=1), data, out / "run", resume=False)
    before = (out / "run" / "config.yaml").read_bytes()

    assert train_demo(data, out) == out / "run-2"
    assert newest_checkpoint(out / "run-2") is not None
    written = (out / "run-2" / "metrics.parquet").read_bytes()
    assert train_demo(data, out) == out / "run-2", "nothing changed: the same run, which has ended"
    assert (out / "run-2" / "metrics.parquet").read_bytes() == written
    assert (out / "run" / "config.yaml").read_bytes() == before
    assert newest_checkpoint(out / "run") is None
