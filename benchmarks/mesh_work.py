"""All the work of many meshes in Rust against loading them in Python, side by side.

    .venv/bin/python benchmarks/mesh_work.py [FOLDER]     # default: the development corpus

Takes every GLB below FOLDER that `trimesh` loads. In rounds that alternate, over all of them and on one
thread: `trimesh.load` alone, file by file, once as plainly as it can be called and once told to leave out all
that is not geometry; `tokenizer_rs.read_mesh`, file by file; and one call of `tokenizer_rs.tokenize_files`
with all four families, which reads each file, measures, normalises, quantises, repairs and tokenises it, and
checks the tokens. Processor time of all threads, the median of the rounds.

Build the library with the workspace's own release profile (`make setup`): without link-time optimisation, or
with many code generation units, the Rust side takes half as many instructions again.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
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
    """The least a Python script can do first."""
    trimesh.load(path, force="scene", process=False, skip_materials=True)


def load_all(paths: list[Path]) -> None:
    """What the Rust work is compared with."""
    for path in paths:
        load(path)


def load_all_plainly(paths: list[Path]) -> None:
    """The same as most scripts do it: with materials, and equal vertices merged."""
    for path in paths:
        trimesh.load(path)


def read_all(paths: list[Path]) -> None:
    """The first step of the Rust work alone."""
    for path in paths:
        tokenizer_rs.read_mesh(path)


def tokenize_all(paths: list[Path]) -> None:
    """All of the Rust work."""
    tokenizer_rs.tokenize_files(paths, FAMILIES, threads=1).read_all()


PLAIN = "trimesh.load(path)"
LEAN = "trimesh.load(path, process=False, skip_materials=True)"
WORKS: dict[str, Callable[[list[Path]], None]] = {
    PLAIN: load_all_plainly,
    LEAN: load_all,
    "read_mesh": read_all,
    "tokenize_files, four families": tokenize_all,
}


def seconds(work: Callable[[], None]) -> float:
    """Processor time of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def loadable(folder: Path) -> tuple[list[Path], int]:
    """The files that both sides load, none that takes `trimesh` too long, and the number of their faces."""
    paths, n_faces = [], 0
    for path in sorted(folder.rglob("*.glb")):
        try:
            taken = seconds(partial(load, path))
            mesh = tokenizer_rs.read_mesh(path)
        except Exception:  # trimesh raises anything on a damaged file
            continue
        if taken <= LIMIT_SECONDS:
            paths.append(path)
            n_faces += len(mesh.faces)
    return paths, n_faces


def main(folder: Path) -> None:
    """Measure and print a Markdown table."""
    paths, n_faces = loadable(folder)
    if not n_faces:
        sys.exit(f"{folder}: no GLB that trimesh loads")
    rounds = [{name: seconds(partial(work, paths)) for name, work in WORKS.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(times[name] for times in rounds) for name in WORKS}
    print(f"{len(paths)} files, {n_faces} faces")
    print("| work | seconds | microseconds per face | of plain trimesh.load | of the leanest |")
    print("| --- | --- | --- | --- | --- |")
    for name, median in medians.items():
        ratios = " | ".join(f"{median / medians[reference]:.2f}" for reference in (PLAIN, LEAN))
        print(f"| {name} | {median:.2f} | {median / n_faces * 1e6:.2f} | {ratios} |")


if __name__ == "__main__":
    shared = Path(os.environ.get("MESHLOOM_SHARED", "../shared"))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "corpus")
