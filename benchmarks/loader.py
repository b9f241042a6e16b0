"""Samples and tokens per second of the training data alone, beside a loader that works like the original's.

    .venv/bin/python benchmarks/loader.py [--data DATA] [--samples 96] [--rounds 3] [--workers 0 1 2]

DATA is a curated folder; without one, builtin furniture is curated into a temporary folder first. The first
samples of a run of `silksong-small` are read, in batches of eight, as:

- stored: tokens of the shards, since nothing moves the mesh; a cloud of 4,096 points, as in all that follows;
- turned: `data.augment` as it is by default (azimuth, size), tokenised on every visit;
- decimated: the same, with a random share of the faces;
- plain: `trimesh.load` of a GLB of the same mesh, pymeshlab's cleaning filters, azimuth and size, 50,000
  points of which 4,096 stay, Silksong's tokens in plain Python (`plain_silksong.py`, which tries less than
  ours), padded on the right; another mesh where one is refused. It is slow, and reads only the first
  `--plain-samples`: compare tokens, not samples.

All do so in rounds that alternate. Prints medians by wall time, which includes the start of the workers, and
by processor time of all processes; and how many processes one GPU would need, which is computed.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pymeshlab
import torch
import trimesh
from numpy.typing import NDArray
from plain_grid import RefusedError, quantize
from plain_silksong import encode_silksong
from torch.utils.data import DataLoader, Dataset

from pipelines.curation import curate
from training.batches import PADDING, Batch, collate, training_batches
from training.config import load_config
from training.data import Prepared, ShardDataset, with_tokenizer_of
from training.order import SampleOrder
from training.surface import normalize_half_extent, rotate_azimuth

BATCH = 8
BASE = ["tokens_per_step=null", f"batch_size={BATCH}"]
SIDES = {
    "stored": ["data.augment.rotate=false", "data.augment.scale=false"],
    "turned": [],
    "decimated": ["data.augment.decimate=[0.5, 1.0]"],
}
BINS = 128
POOL, POINTS = 50_000, 4096
PARAMETERS, FLOPS, UTILISATION = 504e6, 989e12, 0.4
"""Of the release's decoder, of an H100 or H200 in bfloat16, and what a good training reaches of it."""


class Read(NamedTuple):
    """What one round read, and the seconds that it took."""

    n_samples: int
    n_tokens: int
    n_failed: int
    wall: float
    processor: float


class PlainDataset(Dataset[Prepared]):
    """GLB files, each loaded, cleaned, moved and tokenised on every visit."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Prepared:
        while True:
            try:
                return plain_sample(self._files[index])
            except RefusedError:
                index = np.random.randint(len(self._files))


def plain_sample(file: Path) -> Prepared:
    """One item the plain way. Raises RefusedError where the tokenizer refuses it."""
    vertices, faces = cleaned(trimesh.load(file, force="mesh", process=False))
    vertices = rotate_azimuth(vertices, np.random.uniform(0, 360))
    half_side = np.random.uniform(0.75, 0.95)
    vertices = normalize_half_extent(vertices, half_side)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points, on_faces = trimesh.sample.sample_surface(mesh, POOL)
    if np.random.random() < 0.5:
        points = points + np.random.normal(0, 0.01, points.shape)
    cloud = np.concatenate([points, mesh.face_normals[on_faces]], axis=1).astype(np.float16)
    cloud = cloud[np.random.choice(POOL, POINTS, replace=False)]
    tokens = np.array(encode_silksong(quantize(vertices, faces, BINS, half_side)))
    return Prepared(file.stem, {"tokens": tokens, "points": cloud.astype(np.float32)})


def cleaned(mesh: Any) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """pymeshlab's filters, as the original applies them to every item."""
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices, mesh.faces.astype(np.int32)))
    meshes.meshing_remove_unreferenced_vertices()
    meshes.meshing_merge_close_vertices(threshold=pymeshlab.PercentageValue(0.01))
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    left = meshes.current_mesh()
    left.compact()
    return left.vertex_matrix(), left.face_matrix()


def write_files(data: Path, n_samples: int, folder: Path) -> list[Path]:
    """GLBs of the samples that the other sides read first, in their order."""
    dataset = dataset_of(data, "stored", 0)
    order = SampleOrder(dataset.config.seed, len(dataset)).epoch(0)[:n_samples]
    files = []
    for number, index in enumerate(order.tolist()):
        mesh = dataset.mesh(index)
        files.append(folder / f"{number:05d}.glb")
        trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(files[-1], include_normals=False)
    return files


def dataset_of(data: Path, side: str, workers: int) -> ShardDataset:
    """The training samples as a side reads them."""
    config = load_config("silksong-small", [*BASE, f"data.num_workers={workers}", *SIDES[side]])
    return ShardDataset(data, "train", with_tokenizer_of(config, data))


def plain_batches(files: list[Path], workers: int) -> Iterable[Batch]:
    """Batches of the plain side."""
    return DataLoader(PlainDataset(files), BATCH, collate_fn=collate, num_workers=workers)


def our_batches(data: Path, side: str, n_samples: int, workers: int) -> Iterable[Batch]:
    """Batches as the trainer gets them."""
    dataset = dataset_of(data, side, workers)
    return training_batches(dataset, 0, min(n_samples, len(dataset)) // BATCH)


def read(batches: Callable[[], Iterable[Batch]]) -> Read:
    """Read all of them. Workers have ended when this returns, so that their time is counted."""
    wall, processor = time.perf_counter(), processor_seconds()
    n_samples = n_tokens = n_failed = 0
    for batch in batches():
        n_samples, n_failed = n_samples + len(batch.mesh_ids), n_failed + len(batch.failed)
        n_tokens += int((batch.tensors["tokens"] != PADDING).sum())
    return Read(n_samples, n_tokens, n_failed, time.perf_counter() - wall, processor_seconds() - processor)


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def report(readings: dict[tuple[str, int], list[Read]]) -> None:
    """Print the table, and what a GPU would need."""
    print("| | workers | samples/s | tokens/s | samples/s of processor time | tokens/s of it |")
    print("| --- | --- | --- | --- | --- | --- |")
    of_processor = {}
    for (side, workers), rounds in readings.items():
        one = rounds[0]
        wall, processor = (
            statistics.median(getattr(reading, name) for reading in rounds) for name in ("wall", "processor")
        )
        rates = [n / seconds for seconds in (wall, processor) for n in (one.n_samples, one.n_tokens)]
        print(f"| {side} | {workers} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |")
        of_processor.setdefault(side, rates[3])
    need = UTILISATION * FLOPS / (6 * PARAMETERS)
    print(
        f"\nComputed, not measured: at {UTILISATION:.0%} of {FLOPS / 1e12:.0f} TFLOP/s the release's", end=" "
    )
    print(f"decoder eats {need:,.0f} tokens/s. By processor time of one process:")
    for side, rate in of_processor.items():
        ratio = rate / of_processor["plain"]
        print(
            f"- {side}: {rate:,.0f} tokens/s, {ratio:.1f} times plain; processes to feed a GPU: "
            f"{math.ceil(need / rate)}, twice as fast as it eats: {math.ceil(2 * need / rate)}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--plain-samples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        data = given.data or Path(temporary) / "data"
        if given.data is None:
            curate(["builtin:"], data)
        files = write_files(data, given.plain_samples, Path(temporary))
        readings: dict[tuple[str, int], list[Read]] = {}
        for is_first in (True, *[False] * given.rounds):
            n_samples, of_files = (BATCH, files[:BATCH]) if is_first else (given.samples, files)
            for workers in given.workers:
                sides = {side: partial(our_batches, data, side, n_samples, workers) for side in SIDES}
                for side, batches in [*sides.items(), ("plain", partial(plain_batches, of_files, workers))]:
                    reading = read(batches)
                    if not is_first:  # which loads libraries, and fills the cache of files
                        readings.setdefault((side, workers), []).append(reading)
    for side in (*SIDES, "plain"):
        one = readings[side, given.workers[0]][0]
        print(f"{side}: {one.n_samples} samples, {one.n_tokens} tokens, {one.n_failed} failed")
    report({key: readings[key] for side in (*SIDES, "plain") for key in readings if key[0] == side})


if __name__ == "__main__":
    main()
