"""Three tiny meshes, a model that trains in seconds, and how a user launches a job."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import trimesh

from assets_defs.resources import DataSetResource

PROJECT = Path(__file__).parents[2]
TINY_MODEL = {
    "model": {
        "width": 32,
        "depth": 1,
        "heads": 2,
        "max_tokens": 2048,
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


def launch(job: str, config: str, home: Path, **options: Any) -> "subprocess.Popen[str]":
    """Start `dagster job launch` as a user does; the run's configuration is JSON."""
    command = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(PROJECT / "workspace.yaml")]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [*command, "-j", job, "--config-json", config, *options.pop("arguments", [])],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )
