"""All the work of one mesh in Rust against loading it in Python, side by side.

    .venv/bin/python benchmarks/mesh_work.py [FOLDER]     # default: the development corpus

Takes every GLB below FOLDER that `trimesh` loads. For each, in turn and on one thread: `trimesh.load` alone;
and one call of `tokenizer_rs.tokenize_files` with all four families, which reads the file, measures,
normalises, quantises, repairs and tokenises it. Processor time, the median of the rounds, summed over all.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tokenizer_rs
import trimesh

ROUNDS = 3
LIMIT_SECONDS = 5.0
"""A file that takes longer to load is left out: one chain of 900 nodes would outweigh all others."""

FAMILIES: dict[str, tokenizer_rs.Tokenizer] = {
    "silksong": tokenizer_rs.Silksong(),
    "edgerunner": tokenizer_rs.EdgeRunner(repair=True),
    "face_sequence": tokenizer_rs.FaceSequence(),
    "loom": tokenizer_rs.Loom(),
}


def load(path: Path) -> None:
    """What a Python script does first."""
    trimesh.load(path, force="scene", process=False, skip_materials=True)


def read(path: Path) -> None:
    """The first step of the Rust work alone."""
    tokenizer_rs.read_mesh(path)


def tokenize(path: Path) -> None:
    """All of the Rust work."""
    tokenizer_rs.tokenize_files([path], FAMILIES, threads=1).read_all()


def seconds(work: Callable[[Path], None], path: Path) -> float:
    """Median processor time of all threads."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work(path)
        times.append(time.process_time() - start)
        if times[-1] > LIMIT_SECONDS:
            break
    return statistics.median(times)


def main(folder: Path) -> None:
    """Measure and print a Markdown table."""
    totals = {"trimesh.load": 0.0, "read_mesh": 0.0, "tokenize_files, four families": 0.0}
    works = (load, read, tokenize)
    n_files = n_faster = 0
    for path in sorted(folder.rglob("*.glb")):
        try:
            first = seconds(load, path)
            tokenizer_rs.read_mesh(path)
        except Exception:  # trimesh raises anything on a damaged file
            continue
        if first > LIMIT_SECONDS:
            continue
        times = [first, *(seconds(work, path) for work in works[1:])]
        for name, value in zip(totals, times, strict=True):
            totals[name] += value
        n_files += 1
        n_faster += times[2] < times[0]
    if not n_files:
        sys.exit(f"{folder}: no GLB that trimesh loads")
    print(f"{n_files} files; the Rust work is faster than loading alone for {n_faster}")
    print("| work | seconds | of trimesh.load |\n| --- | --- | --- |")
    for name, total in totals.items():
        print(f"| {name} | {total:.2f} | {total / totals['trimesh.load']:.2f} |")


if __name__ == "__main__":
    shared = Path(os.environ.get("MESHLOOM_SHARED", "../shared"))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "corpus")
