"""The asset `generations`: many conditions, killed in between, and no mesh made twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_defs.generate.assets import generations
from assets_defs.resources import DataSetResource
from pipelines.storage import write_json
from pipelines.versions.record import SCHEMA_VERSION
from tests.assets_defs.tiny import PROJECT, as_config
from tests.training.conftest import make_samples, tiny_config, write_data, write_untrained_run

N_MESHES = 8
VERSION = {"schema_version": SCHEMA_VERSION, "version": "sha256:0123456789abcdef"}


@pytest.fixture
def boxes(tmp_path: Path) -> DataSetResource:
    """A data set of boxes, an untrained run and a smaller one."""
    data = write_data(tmp_path / "data", make_samples(2, 0, N_MESHES))
    manifest = json.loads((data / "manifest.json").read_text())
    write_json(data / "manifest.json", {**manifest, **VERSION})
    config = tiny_config()
    write_untrained_run(tmp_path / "runs" / "large", config)
    smaller = {**config.model.model_dump(), "width": 16}
    write_untrained_run(tmp_path / "runs" / "small", tiny_config(model=smaller))
    return DataSetResource(sources=[], folder=str(data), runs=str(tmp_path / "runs"))


def run_config(data_set: DataSetResource, run: str, **config: Any) -> dict[str, Any]:
    asset = {"run": run, "batch_size": 2, "max_tokens": 40, "temperature": 1.0, "draft": "small", **config}
    return {"ops": {"generations": {"config": asset}}, "resources": as_config(data_set)}


def generate(data_set: DataSetResource, instance: dg.DagsterInstance, **config: Any) -> dict[str, Any]:
    """Materialise; what it tells the UI."""
    result = dg.materialize(
        [generations],
        resources={"data_set": data_set},
        run_config=run_config(data_set, **config),
        instance=instance,
    )
    [event] = result.asset_materializations_for_node("generations")
    return {name: value.value for name, value in event.metadata.items()}


def test_every_condition_and_seed_is_a_row(boxes: DataSetResource, instance: dg.DagsterInstance) -> None:
    told = generate(boxes, instance, run="large", number=3, seeds=[0, 7])
    assert told["dagster/row_count"] == 6
    assert sum(told["status"].values()) == 6
    assert "data:image/png" in told["generated meshes"]
    tables = [pl.read_parquet(path) for path in told["tables"]]
    assert [table["seed"].to_list() for table in tables] == [[0, 1, 2], [7, 8, 9]]
    assert tables[0]["tokens"].to_list() != tables[1]["tokens"].to_list()
    folder = boxes.runs_folder / "large" / "generated" / "test"
    assert len(list(folder.glob("seed-*/*.glb"))) == told["files"]
    messages = [record.user_message for record in instance.all_logs(instance.get_runs()[0].run_id)]
    assert "generated 3 of 3 meshes with seed 7" in messages


def test_a_split_that_is_not_there_is_said(boxes: DataSetResource, instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.Failure, match="split val"):
        generate(boxes, instance, run="large", split="val")
    with pytest.raises(dg.Failure, match="not a run"):
        generate(boxes, instance, run="absent")


RUN = """
import json, sys
import dagster as dg
from assets_defs.generate.assets import generations
from assets_defs.resources import DataSetResource
config = json.loads(sys.argv[1])
data_set = DataSetResource(**config["resources"]["data_set"]["config"])
dg.materialize([generations], resources={"data_set": data_set}, run_config=config)
"""


def test_a_killed_run_goes_on_where_it_was(
    boxes: DataSetResource, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    shutil.copytree(boxes.runs_folder / "large", boxes.runs_folder / "whole")
    whole = Path(generate(boxes, instance, run="whole")["tables"][0])
    out = boxes.runs_folder / "large" / "generated" / "test" / "seed-0"
    config = json.dumps(run_config(boxes, "large"))
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", RUN, config],
            cwd=PROJECT,
            env={**os.environ, "DAGSTER_HOME": ""},
            stdout=log,
            stderr=log,
        )
        while not (out / "generated.jsonl").exists() and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert not (out / "generated.parquet").exists()
    lines = (out / "generated.jsonl").read_bytes().splitlines()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.glb")}
    assert 1 <= len(lines) < N_MESHES
    generate(boxes, instance, run="large")
    assert (out / "generated.parquet").read_bytes() == whole.read_bytes()
    kept = {json.loads(line)["file"] for line in lines[:-1]} - {None}
    assert all((out / name).stat().st_mtime_ns == before[name] for name in kept)
