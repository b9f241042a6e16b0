"""Microseconds a face of everything the tokenizer does, side by side.

    .venv/bin/python benchmarks/tokenizer_speed.py                 # a Markdown table
    .venv/bin/python benchmarks/tokenizer_speed.py --callgrind     # and instructions a face of the encoder
    .venv/bin/python benchmarks/tokenizer_speed.py --sizes 1000 --seconds 1 Silksong

Closed tori and the same with holes, on one thread. A row that writes or reads tokens is a family found in
`tokenizer_rs`; encoding includes the check that the tokens decode to the mesh. The encoder of Silksong's
reference level is measured without that check too, by the Rust program `core/examples/encode.rs`.

Every number from Python is the median over the repetitions of the processor time they took, which other
programs on the machine disturb less than wall time. The last column is the time at the largest size over that
at the smallest. A family that refuses a mesh shows the code of its error.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tokenizer_rs
from numpy.typing import NDArray

SIZES = (1_000, 10_000, 72_000, 100_000)
RESOLUTION = 1024
LIMITS = {"max_face_num_p": 10_000_000, "layer_vertex_limit": 4_096, "layer_number_limit": 100_000}
REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = ["--quiet", "--release", "--package", "meshloom-tokenizer-core", "--example", "encode"]

Mesh = tuple[NDArray[np.float64], NDArray[np.int32]]
Work = Callable[[], object]


def torus(n_faces: int, hole_every: int = 0) -> Mesh:
    """A torus of about `n_faces` faces; every `hole_every`-th square is left out."""
    rows = round((n_faces / 4) ** 0.5)
    around, along = np.meshgrid(np.arange(2 * rows), np.arange(rows), indexing="ij")
    u, v = around * np.pi / rows, along * 2 * np.pi / rows
    radius = 0.6 + 0.3 * np.cos(v)
    vertices = np.stack([radius * np.cos(u), 0.3 * np.sin(v), radius * np.sin(u)], axis=-1).reshape(-1, 3)
    far, high = (around + 1) % (2 * rows), (along + 1) % rows
    a, b, c, d = (i * rows + j for i, j in ((around, along), (around, high), (far, along), (far, high)))
    squares = np.stack([np.stack([a, b, c], axis=-1), np.stack([c, b, d], axis=-1)], axis=-2).reshape(
        -1, 2, 3
    )
    if hole_every:
        squares = squares[np.arange(len(squares)) % hole_every != hole_every // 2]
    return vertices, squares.reshape(-1, 3).astype(np.int32)


def families() -> Iterator[tuple[str, tokenizer_rs.Tokenizer]]:
    """Every family of this build under the name of its row, with limits wide enough for the largest mesh."""
    makers: dict[str, Callable[[], tokenizer_rs.Tokenizer]] = {}
    for level in ("reference", "extended"):
        options = {"vertex_mode": "xyz", "conformance": level, "limits": LIMITS}
        makers[f"Silksong {level}"] = lambda options=options: tokenizer_rs.Silksong(RESOLUTION, **options)
    for name in ("EdgeRunner", "FaceSequence", "Loom"):
        if hasattr(tokenizer_rs, name):
            makers[name] = lambda name=name: getattr(tokenizer_rs, name)(resolution=RESOLUTION)
    for name, make in makers.items():
        try:
            yield name, make()
        except tokenizer_rs.MeshError as error:
            print(f"{name} left out: {error}")


def works(mesh: Mesh) -> Iterator[tuple[str, Work | tokenizer_rs.MeshError]]:
    """What is measured on a mesh, or the error met in preparing it."""
    for name, tokenizer in families():
        yield f"{name}, encode and check", lambda tokenizer=tokenizer: tokenizer.encode(*mesh)
        try:
            tokens = tokenizer.encode(*mesh).tokens
        except tokenizer_rs.MeshError as error:
            yield f"{name}, decode", error
        else:
            yield f"{name}, decode", lambda tokenizer=tokenizer, tokens=tokens: tokenizer.decode(tokens)
    if hasattr(tokenizer_rs, "repair"):
        yield "repair on the grid", lambda: tokenizer_rs.repair(*mesh, resolution=RESOLUTION)
    yield "topology", lambda: tokenizer_rs.measure(*mesh)


def median_seconds(work: Work, budget: float) -> float:
    """Median processor time of as many calls as fit into `budget` seconds, three at least."""
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < budget:
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def per_face(work: Work | tokenizer_rs.MeshError, n_faces: int, budget: float) -> float | str:
    """Microseconds a face, or the code of the error."""
    try:
        if isinstance(work, tokenizer_rs.MeshError):
            raise work
        return median_seconds(work, budget) * 1e6 / n_faces
    except tokenizer_rs.MeshError as error:
        return error.code


def built_example() -> Path:
    """The encoder without Python, compiled."""
    subprocess.run(["cargo", "build", *EXAMPLE], cwd=REPOSITORY, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--no-deps"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    match = re.search(r'"target_directory":"([^"]*)"', metadata.stdout)
    assert match, "cargo metadata names its target directory"
    return Path(match[1]) / "release" / "examples" / "encode"


def write_obj(mesh: Mesh, path: Path) -> None:
    """Write a mesh for the Rust program."""
    vertices, faces = mesh
    with path.open("w") as file:
        file.writelines(f"v {x!r} {y!r} {z!r}\n" for x, y, z in vertices.tolist())
        file.writelines(f"f {a} {b} {c}\n" for a, b, c in (faces + 1).tolist())


def microseconds_of_example(example: Path, mesh_file: Path) -> float:
    """Microseconds a face of the fastest repetition."""
    shown = subprocess.run([example, mesh_file, "30"], check=True, capture_output=True, text=True)
    return float(shown.stdout.split()[-4])


def instructions_of_example(example: Path, mesh_file: Path) -> int:
    """Instructions of encoding a mesh once: two repetitions less one."""

    def count(repetitions: str) -> int:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        run = [*command, str(example), str(mesh_file), repetitions]
        shown = subprocess.run(run, check=True, capture_output=True, text=True)
        match = re.search(r"Collected : (\d+)", shown.stderr)
        assert match, "callgrind tells what it collected"
        return int(match[1])

    return count("2") - count("1")


def print_row(name: str, cells: list[float | str]) -> None:
    """A line of the table, with the growth from the first to the last column."""
    first, last = cells[0], cells[-1]
    growth = f"{last / first:.2f}" if isinstance(first, float) and isinstance(last, float) else "-"
    shown = (f"{cell:.3f}" if isinstance(cell, float) else cell for cell in cells)
    print(f"| {name} | {' | '.join(shown)} | {growth} |", flush=True)


def print_table(title: str, meshes: list[Mesh], wanted: str, budget: float, callgrind: bool) -> None:
    """The table of one kind of mesh."""
    sizes = [len(faces) for _, faces in meshes]
    print(f"\n| {title} | {' | '.join(f'{n:,} faces' for n in sizes)} | growth |")
    print(f"| --- |{' ---: |' * (len(sizes) + 1)}")
    rows: dict[str, list[float | str]] = {}
    for mesh, n_faces in zip(meshes, sizes, strict=True):
        for name, work in works(mesh):
            if wanted in name:
                rows.setdefault(name, []).append(per_face(work, n_faces, budget))
    for name, cells in rows.items():
        print_row(name, cells)
    example = built_example()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{n_faces}.obj" for n_faces in sizes]
        for mesh, file in zip(meshes, files, strict=True):
            write_obj(mesh, file)
        fastest: list[float | str] = [microseconds_of_example(example, file) for file in files]
        print_row("Silksong reference, encode alone (Rust, fastest)", fastest)
        if callgrind:
            counts = [instructions_of_example(example, file) for file in files]
            instructions: list[float | str] = [n / size for n, size in zip(counts, sizes, strict=True)]
            print_row("the same, instructions a face", instructions)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", nargs="?", default="", help="only rows whose name contains this")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seconds", type=float, default=2.0, help="processor time for each number")
    parser.add_argument("--callgrind", action="store_true", help="count instructions with valgrind")
    arguments = parser.parse_args()
    for title, hole_every in (("closed, microseconds a face", 0), ("with holes, microseconds a face", 37)):
        meshes = [torus(n_faces, hole_every) for n_faces in arguments.sizes]
        print_table(title, meshes, arguments.wanted, arguments.seconds, arguments.callgrind)


if __name__ == "__main__":
    main()
