"""Meshes per second of `meshloom curate` beside a plain Python loop, and what a mesh costs as data sets grow.

    .venv/bin/python benchmarks/throughput.py [--meshes 300] [--rounds 3] [--sizes 1000 10000] [--workers 2]

Both sides take the same files, evenly chosen from the development corpus below MESHLOOM_SHARED (builtin
furniture where it is absent), in rounds that alternate, on the same cores:

- curate: all of it, from the folder to tables, shards and manifest, with its process start;
- the loop of `plain_loop.py`: load, clean and the same statistics in plain Python, numpy and pymeshlab, one
  file after the other; nothing is written;
- the same loop spread over as many processes as curate has.

Prints medians of wall time and of processor time, which other work on the machine moves less; then seconds
by stage and size of each table, per mesh, for growing folders of copies with new names (of builtin meshes).
Files that trimesh does not load within LIMIT_SECONDS are left to neither side.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from plain_loop import load_and_measure

from pipelines.curation import CurationReport, curate
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.sources.builtin import BuiltinSource
from pipelines.sources.files import READABLE_FORMATS

LIMIT_SECONDS = 5.0


def loop(paths: list[Path], workers: int) -> int:
    """The plain loop over all files; how many gave a mesh."""
    if workers == 1:
        return sum(load_and_measure(path) is not None for path in paths)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return sum(row is not None for row in pool.map(load_and_measure, paths, chunksize=4))


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds with those of child processes, and the result."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    started, cpu = time.monotonic(), used()
    result = work()
    return time.monotonic() - started, used() - cpu, result


def corpus_files(n: int, limit_seconds: float) -> list[Path]:
    """Evenly chosen files of the corpus that trimesh loads soon enough; none where there is no corpus."""
    corpus = Path(os.environ.get("MESHLOOM_SHARED", "../shared")) / "corpus"
    folders = [corpus / name for name in ("local", "objaverse", "shapenet")]
    found = sorted(path for folder in folders for path in folder.rglob("*") if _is_alone(path))
    chosen = []
    for path in found[:: max(1, len(found) // n)][:n]:
        seconds, _, row = timed(lambda path=path: load_and_measure(path))
        if row is not None and seconds < limit_seconds:
            chosen.append(path)
    return chosen


def _is_alone(path: Path) -> bool:
    """Whether a file is a mesh by itself; a .gltf names others beside it, which would not come along."""
    return path.suffix[1:].lower() in READABLE_FORMATS - {"gltf"} and path.is_file()


def builtin_files(folder: Path) -> list[Path]:
    """The builtin furniture as files."""
    source, paths = BuiltinSource(), []
    folder.mkdir()
    for family in source.shards():
        for file in source.list_files(family):
            paths.append(folder / f"{file.mesh_id}.glb")
            paths[-1].write_bytes(source.read_bytes(file))
    return paths


def link(paths: list[Path], folder: Path, n: int) -> None:
    """`n` files below the folder, which are the paths again and again under new names."""
    folder.mkdir()
    for i in range(n):
        path = paths[i % len(paths)]
        copy = folder / f"{i // 1000:03d}" / f"{i:07d}{path.suffix}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())


def run_curate(folder: Path, out: Path, workers: int) -> CurationReport:
    """Curate one folder."""
    return curate([f"local:{folder}"], out, CurationSettings(limits=WorkerLimits(workers=workers)))


def compare(paths: list[Path], scratch: Path, rounds: int, workers: int) -> None:
    """All sides over the same files, in alternating rounds."""
    n, folder = len(paths), scratch / "same"
    link(paths, folder, n)
    copies = sorted(path for path in folder.rglob("*") if path.is_file())
    ours, plain, spread = [], [], []
    for number in range(rounds):
        ours.append(timed(lambda number=number: run_curate(folder, scratch / f"out-{number}", workers)))
        plain.append(timed(lambda: loop(copies, 1)))
        spread.append(timed(lambda: loop(copies, workers)))
    print(f"{n} files, {rounds} rounds, {workers} processes, load {os.getloadavg()[0]:.1f}")
    print("| | wall seconds | meshes/s | processor ms per mesh |\n| --- | --- | --- | --- |")
    medians = []
    sides = {"curate": ours, "plain loop": plain, f"loop in {workers} processes": spread}
    for name, taken in sides.items():
        wall, cpu = (statistics.median(times[i] for times in taken) for i in (0, 1))
        medians.append((wall, cpu))
        print(f"| {name} | {wall:.1f} | {n / wall:.1f} | {cpu / n * 1e3:.1f} |")
    wall, cpu = medians[0]
    for name, (other_wall, other_cpu) in zip([*sides][1:], medians[1:], strict=True):
        ratios = f"{other_wall / wall:.1f} times the meshes/s, {other_cpu / cpu:.1f} by processor time"
        print(f"curate has {ratios}, of the {name}")
    print(by_stage(ours[-1][2], n))


def by_stage(report: CurationReport, n: int) -> str:
    """Wall milliseconds per mesh of each stage."""
    return ", ".join(f"{stage.stage} {stage.seconds / n * 1e3:.2f}" for stage in report.stages) + " ms each"


def grow(paths: list[Path], scratch: Path, sizes: list[int], workers: int) -> None:
    """Cost per mesh at each size."""
    for n in sizes:
        folder, out = scratch / f"meshes-{n}", scratch / f"data-{n}"
        link(paths, folder, n)
        wall, cpu, report = timed(lambda folder=folder, out=out: run_curate(folder, out, workers))
        again, _, _ = timed(lambda folder=folder, out=out: run_curate(folder, out, workers))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"\n{n:,} meshes: {n / wall:.1f} meshes/s, {cpu / n * 1e3:.1f} processor ms per mesh;", end=" ")
        print(
            f"again without a change {again:.1f} s; peak memory {peak:.2f} GB, load {os.getloadavg()[0]:.1f}"
        )
        print(by_stage(report, n))
        folders = [out / "geometry", out / "shards", *sorted((out / "tables").glob("[!r]*"))]
        folders += sorted((out / "tables").glob("r*"))
        print(", ".join(f"{path.name} {size_of(path) / n:.0f}" for path in folders), "bytes per mesh")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--meshes", type=int, default=300, help="files of the comparison; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        furniture = builtin_files(scratch / "furniture")
        if given.meshes:
            paths = corpus_files(given.meshes, LIMIT_SECONDS) or furniture[: given.meshes]
            compare(paths, scratch, given.rounds, given.workers)
        grow(furniture, scratch, given.sizes, given.workers)


if __name__ == "__main__":
    main()
