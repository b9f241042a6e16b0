"""Three tiny meshes, a model that trains in seconds, and how a user launches a job."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import trimesh

from assets_defs.resources import DataSetResource

PROJECT = Path(__file__).parents[2]
TINY_MODEL = {
    "model": {
        "width": 32,
        "depth": 1,
        "heads": 2,
        "max_tokens": 320,
        "context_width": 32,
        "encoder": {"width": 32, "heads": 2, "layers": 1, "num_latents": 16, "points": 128},
    },
    "schedule": {"steps": 3},
    "batch_size": 1,
    "mixed_precision": "no",
    "threads": 1,
    "log_every": 1,
    "checkpoint_every": 1000,
    "evaluate_every": 1000,
    "evaluate_meshes": 1,
    "data": {"augment": {"rotate": False, "scale": False}},
}
"""Overrides of an experiment."""


def write_three_meshes(folder: Path) -> Path:
    """Meshes that every rule keeps; `local:` puts them into more than one shard."""
    folder.mkdir(parents=True)
    trimesh.creation.icosphere(subdivisions=1).export(folder / "ball.obj")
    trimesh.creation.torus(1.0, 0.3, major_sections=12, minor_sections=6).export(folder / "ring.obj")
    trimesh.creation.cylinder(0.4, 1.0, sections=16).export(folder / "can.obj")
    return folder


def as_config(data_set: DataSetResource) -> dict[str, Any]:
    """The resource as run configuration."""
    return {"data_set": {"config": data_set.model_dump()}}


def launch(job: str, config: str, home: Path) -> str:
    """Launch a job as a user does, with JSON as the run's configuration; returns the id of the run.

    The command returns when the run has started, and the run goes on by itself.
    """
    run_id = str(uuid.uuid4())
    command = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(PROJECT / "workspace.yaml")]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    log = home / f"{run_id}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, "-j", job, "--config-json", config, "--run-id", run_id],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=300,
        )
    assert done.returncode == 0, log.read_text()
    return run_id


def wait_for_end(instance: dg.DagsterInstance, run_id: str, seconds: float = 300) -> dg.DagsterRunStatus:
    """How a launched run ended."""

    def is_finished() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    wait_until(is_finished, seconds)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    """Poll; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.2)
