"""The numbers of the README, measured on this machine.

    make demo                                                    # trains and evaluates the reported model
    .venv/bin/python benchmarks/readme_numbers.py [SOURCE ...]   # default: the demo's sources

Curates SOURCE into a temporary folder twice (the second run has nothing to do), tokenises every kept mesh
again on one thread, and reads what `make demo` left in demo/. Prints a Markdown table; medians where a
measurement is repeated.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import tokenizer_rs

from meshloom.demonstration import demo_sources
from pipelines.curation import CurationReport, curate
from pipelines.storage import DataFolder

REPETITIONS = 3
DEMO = Path("demo")


def timed_curation(sources: list[str], out: Path) -> tuple[CurationReport, float]:
    """Report of one run of `curate`, and its wall time in seconds."""
    start = time.perf_counter()
    report = curate(sources, out)
    return report, time.perf_counter() - start


def encode_seconds(tokens: pl.DataFrame) -> float:
    """Wall time of tokenising every mesh of the table once, on one thread; the median of the repetitions."""
    meshes = [
        (np.array(vertices, dtype=np.float64).reshape(-1, 3), np.array(faces, dtype=np.int32).reshape(-1, 3))
        for vertices, faces in tokens.select("vertices", "faces").iter_rows()
    ]
    tokenizer = tokenizer_rs.Silksong()
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        tokenizer.encode_batch(meshes, threads=1)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def curation_rows(sources: list[str]) -> list[tuple[str, str]]:
    """Rows of the table that come from curating `sources`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        report, seconds = timed_curation(sources, out)
        _, seconds_again = timed_curation(sources, out)
        tokens = DataFolder(out).scan("tokens").collect()
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    encode = encode_seconds(tokens)
    faces, n_tokens = tokens["n_faces"].sum(), tokens["n_tokens"].sum()
    return [
        ("files in, meshes kept", f"{report.n_files}, {report.n_kept}"),
        ("curation, all stages", f"{seconds:.0f} s, {report.n_files / seconds:.1f} files/s"),
        ("the same again (nothing changed)", f"{seconds_again:.1f} s"),
        ("peak memory, main process / largest worker", f"{ours / 1024:.0f} / {worker / 1024:.0f} MiB"),
        (
            "tokenizer alone, one thread",
            f"{tokens.height / encode:.0f} meshes/s, {faces / encode / 1e3:.0f} k faces/s",
        ),
        ("tokens per face", f"{n_tokens / faces:.2f} ({n_tokens / faces / 9:.1%} of nine coordinates)"),
    ]


def training_rows(demo: Path) -> list[tuple[str, str]]:
    """Rows of the table that come from the demo's run folder."""
    metrics = pl.read_parquet(demo / "run" / "metrics.parquet")
    losses, steps, held_out = (metrics[name].to_list() for name in ("loss", "step", "validation_loss"))
    validated = [loss for loss in held_out if loss is not None]
    summary = json.loads((demo / "evaluation" / "summary.json").read_text())
    rows = [
        (
            f"training loss, steps 1-{steps[0]} and {steps[-2] + 1}-{steps[-1]}",
            f"{losses[0]:.2f}, {losses[-1]:.2f}",
        ),
        ("validation loss, first and last", f"{validated[0]:.2f}, {validated[-1]:.2f}" if validated else "-"),
        ("generated: requested, valid", f"{summary['requested']}, {summary['valid']}"),
    ]
    for name, score in summary["scores"].items():
        shown = (
            "-" if score[column] is None else f"{score[column]:.3f}" for column in ("penalised", "valid")
        )
        rows.append((f"{name}: failures counted, valid only", ", ".join(shown)))
    return rows


def main() -> None:
    """Print the table."""
    sources = sys.argv[1:] or demo_sources(None)
    rows = [("sources", " ".join(source.partition(":")[0] for source in sources)), *curation_rows(sources)]
    if (DEMO / "evaluation" / "summary.json").exists():
        rows += training_rows(DEMO)
    else:
        print("run `make demo` first to have the rows of training and evaluation", file=sys.stderr)
    print("| what | measured |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
