"""A data set of a few boxes in the format of the shards, written without the rest of the pipeline."""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.storage import write_json, write_table
from pipelines.tables import ShardIndex, validate
from training.checkpoints import POSITION, WEIGHTS, build_module, newest_checkpoint
from training.config import ExperimentConfig, dump_config, parse_config
from training.launch import launch_training
from training.surface import Mesh

BOX_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
BOX_FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ],
    dtype=np.int32,
)  # fmt: skip


@dataclass(frozen=True)
class ShardedMesh:
    mesh_id: str
    split: str
    mesh: Mesh
    tokens: np.ndarray


def make_box(sides: Sequence[float]) -> Mesh:
    """A box with outward faces; the longest side becomes 1.9."""
    corners = BOX_CORNERS * np.asarray(sides) / max(sides) * 0.95
    return Mesh(corners.astype(np.float32), BOX_FACES)


def make_samples(n_train: int = 10, n_val: int = 2, n_test: int = 2) -> list[ShardedMesh]:
    """Boxes of different proportions; their tokens only look like tokens."""
    splits = ["train"] * n_train + ["val"] * n_val + ["test"] * n_test
    samples = []
    for i, split in enumerate(splits):
        random = np.random.default_rng(i)
        tokens = random.integers(0, 200, size=random.integers(8, 25)).astype(np.uint16)
        samples.append(ShardedMesh(f"box/{i:03d}", split, make_box(random.uniform(0.3, 1, 3)), tokens))
    return samples


def write_data(folder: Path, samples: Sequence[ShardedMesh], per_shard: int = 4) -> Path:
    """DIR/shards with its index, and a manifest that changes with it."""
    (folder / "shards").mkdir(parents=True)
    rows = []
    for first in range(0, len(samples), per_shard):
        name = f"shard-{first // per_shard:06d}.tar"
        with tarfile.open(folder / "shards" / name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for position, sample in enumerate(samples[first : first + per_shard]):
                rows.append(_add_sample(tar, name, position, sample))
    index = validate(ShardIndex, pl.DataFrame(rows, schema=list(ShardIndex.to_schema().columns)))
    write_table(folder / "shards" / "index.parquet", index)
    manifest = {"samples": [sample.mesh_id for sample in samples], "settings": {"tokenizer": TOKENIZER}}
    write_json(folder / "manifest.json", manifest)
    return folder


def _add_sample(
    tar: tarfile.TarFile, shard_file: str, position: int, sample: ShardedMesh
) -> dict[str, object]:
    members = {"tokens": sample.tokens, "vertices": sample.mesh.vertices, "faces": sample.mesh.faces}
    row: dict[str, object] = {
        "shard_file": shard_file,
        "position": position,
        "mesh_id": sample.mesh_id,
        "split": sample.split,
        "n_faces": len(sample.mesh.faces),
        "n_components": 1,
        "n_tokens": len(sample.tokens),
    }
    for name, array in members.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        row[f"{name}_offset"] = tar.offset + tarfile.BLOCKSIZE
        row[f"{name}_size"] = len(buffer.getvalue())
        _add_member(tar, f"{sample.mesh_id}.{name}.npy", buffer.getvalue())
    _add_member(tar, f"{sample.mesh_id}.json", json.dumps({"mesh_id": sample.mesh_id}).encode())
    return row


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


TOKENIZER = {"name": "silksong"}
TINY = {
    "model": {
        "width": 32,
        "depth": 1,
        "heads": 2,
        "max_tokens": 64,
        "context_width": 32,
        "encoder": {"width": 32, "heads": 2, "layers": 1, "num_latents": 8, "points": 64},
    },
    "data": {"augment": {"rotate": False, "scale": False}},
    "optimizer": {"lr": 1e-3},
    "schedule": {"steps": 6, "warmup": 0.2},
    "mixed_precision": "no",
    "threads": 1,
    "log_every": 1,
    "checkpoint_every": 100,
    "evaluate_every": 3,
    "trackers": [],
}


def tiny_config(**changes: object) -> ExperimentConfig:
    """A model of a third of a million parameters, most of them embeddings."""
    content: dict[str, Any] = {**TINY, **changes}
    return parse_config({**content, "data": {"tokenizer": TOKENIZER, **content["data"]}})


STEPS = {"steps": 12, "warmup": 0.2}


def assert_same_weights(
    run: Path, expected: Path, tolerance: float | None = None, file: str = WEIGHTS
) -> None:
    """The newest weights of two runs are equal, in every bit or within a tolerance."""
    mine, theirs = newest_checkpoint(run), newest_checkpoint(expected)
    assert mine is not None
    assert theirs is not None
    assert mine.name == theirs.name
    weights, reference = load_file(mine / file), load_file(theirs / file)
    assert weights.keys() == reference.keys()
    for name in reference:
        if tolerance is None:
            assert torch.equal(weights[name], reference[name]), name
        else:
            torch.testing.assert_close(weights[name], reference[name], rtol=0, atol=tolerance)


def write_untrained_run(run: Path, config: ExperimentConfig) -> Path:
    """A run folder with one checkpoint of random weights."""
    checkpoint = run / "checkpoints" / "step-000001"
    checkpoint.mkdir(parents=True)
    (run / "config.yaml").write_text(dump_config(config))
    save_file(build_module(config).state_dict(), checkpoint / WEIGHTS)
    write_json(checkpoint / POSITION, {"step": 1})
    return run


@pytest.fixture(scope="session")
def box_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("boxes") / "data", make_samples())


@pytest.fixture(scope="session")
def long_run(tmp_path_factory: pytest.TempPathFactory, box_data: Path) -> Path:
    """Twelve steps of one rank without an interruption."""
    run = tmp_path_factory.mktemp("long") / "run"
    config = tiny_config(schedule=STEPS, checkpoint_every=4, keep_checkpoints=2)
    assert launch_training(config, box_data, run) == 0
    return run


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory, box_data: Path) -> Path:
    """The same steps by two ranks, each with half of every batch."""
    run = tmp_path_factory.mktemp("two") / "run"
    assert launch_training(tiny_config(schedule=STEPS, batch_size=2, processes=2), box_data, run) == 0
    return run
