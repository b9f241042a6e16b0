"""Compare tokenizers on one's own meshes: how long and how rich their sequences are, and what comes back.

    report = compare_tokenizers(folder_files(Path("meshes")), Path("tokenizer-comparison"))
    print(report.markdown())

Every tokenizer gets the same quantised, repaired meshes, in ascending order of their paths. Bits are counted
in three ways, all per face of that mesh: tokens x log2(vocabulary), log2 of the tokens that the grammar
allows at each place, and an adaptive coder that sees no or two tokens of context.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.reasons import Reason
from pipelines.settings import WorkerLimits
from pipelines.sources import SourceError
from pipelines.sources.files import READABLE_FORMATS, text_hash
from pipelines.sources.local import LocalSource
from pipelines.tables import (
    ComparedMeshes,
    TokenizerSummary,
    TokenizerTimes,
    TokenizerTrials,
    polars_schema,
)
from pipelines.tokenizer_report import SETS, ComparisonReport
from pipelines.tokenizer_trials import TOKENIZERS, Trial, TrialTask, TriedMesh, try_tokenizers
from pipelines.tokenizers import TokenizerError
from pipelines.workers import Failed, Ok, map_capped

ORDERS = (0, 2)
"""Of the adaptive coder."""
Row = dict[str, Any]
Tokens = dict[str, dict[str, NDArray[np.int32]]]
"""Of each tokenizer and file."""


@dataclass(frozen=True)
class ComparedFile:
    """One file of a comparison."""

    name: str
    """What it is called in the tables; files are taken in ascending order of it."""
    path: Path
    format: str
    problem: str | None = None
    """Why it must not be opened."""


def folder_files(folder: Path, sample: int | None = None) -> list[ComparedFile]:
    """All files below a folder that might be meshes; `sample` of them, chosen by a hash of their paths.

    Raises SourceError where the folder does not exist or holds none.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; give the folder that holds the meshes")
    source = LocalSource(folder.resolve())
    files = []
    for listed in (file for shard in source.shards() for file in source.list_files(shard)):
        if listed.path is not None:
            name = listed.path.relative_to(source.root).as_posix()
            files.append(ComparedFile(name, listed.path, listed.format, listed.problem))
    if not files:
        raise SourceError(f"{folder} holds no mesh; the formats are {', '.join(sorted(READABLE_FORMATS))}")
    if sample is not None:
        files = sorted(files, key=lambda file: text_hash(file.name))[:sample]
    return sorted(files, key=lambda file: file.name)


def compare_tokenizers(
    files: Sequence[ComparedFile],
    out: Path,
    resolution: int = 128,
    tokenizers: Sequence[str] | None = None,
    with_nominal_bits: bool = True,
    limits: WorkerLimits | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> ComparisonReport:
    """Give each file's mesh to each tokenizer, those available by default; write the report to `out`.

    A file that gives no mesh, and a mesh that a tokenizer refuses, are rows with a reason.
    Raises ValueError for a tokenizer that there is not, or where not one file gives a mesh (the reasons are
    in `out`/meshes.parquet), and TokenizerError where a tokenizer that was named has no such resolution.
    """
    if tokenizers is None:
        tokenizers = available(resolution)
    unknown = [name for name in tokenizers if name not in TOKENIZERS]
    if unknown or not tokenizers:
        raise ValueError(f"there is no tokenizer {', '.join(unknown)!r}; choose from {', '.join(TOKENIZERS)}")
    vocab_sizes = {name: TOKENIZERS[name](resolution).vocab_size for name in tokenizers}
    files = sorted(files, key=lambda file: file.name)
    tasks = [
        TrialTask(file.path, file.format, resolution, tuple(tokenizers), with_nominal_bits) for file in files
    ]
    meshes: list[Row] = []
    trials: list[Row] = []
    times: list[Row] = []
    tokens: Tokens = {name: {} for name in tokenizers}
    for file, outcome in zip(files, _outcomes(files, tasks, limits or WorkerLimits()), strict=True):
        meshes.append(_mesh_row(file, outcome))
        if isinstance(outcome, Ok):
            for trial in outcome.value.trials:
                trials.append(_trial_row(file, outcome.value, trial))
                times.append(_time_row(file, outcome.value, trial))
                if trial.code is None:
                    tokens[trial.tokenizer][file.name] = trial.tokens
        progress("compare", len(meshes), len(files))
    report = ComparisonReport(
        resolution,
        pl.DataFrame(meshes, schema=polars_schema(ComparedMeshes), orient="row"),
        pl.DataFrame(trials, schema=polars_schema(TokenizerTrials), orient="row"),
        pl.DataFrame(times, schema=polars_schema(TokenizerTimes), orient="row"),
        _summary(trials, tokens, vocab_sizes),
    )
    report.save(out)
    if not trials:
        raise ValueError(f"none of {len(files)} files gave a mesh; see {out}/meshes.parquet for the reasons")
    return report


def available(resolution: int) -> list[str]:
    """The tokenizers that are installed and take so many bins per axis."""
    names = []
    for name, make in TOKENIZERS.items():
        try:
            make(resolution)
        except TokenizerError:
            continue
        names.append(name)
    return names


def _outcomes(
    files: Sequence[ComparedFile], tasks: Sequence[TrialTask], limits: WorkerLimits
) -> Iterator[Ok[TriedMesh] | Failed]:
    """What became of each file, in order; those that must not be opened are no worker's."""
    problems = [_problem(file) for file in files]
    opened = [task for task, problem in zip(tasks, problems, strict=True) if problem is None]
    imports = ("pipelines.tokenizer_trials", "tokenizer_rs")
    outcomes = map_capped(try_tokenizers, opened, limits, Reason.LOAD, imports)
    for problem in problems:
        yield problem if problem is not None else next(outcomes)[1]


def _problem(file: ComparedFile) -> Failed | None:
    if file.format not in READABLE_FORMATS:
        formats = ", ".join(sorted(READABLE_FORMATS))
        return Failed(
            Reason.UNSUPPORTED_FORMAT, f"no reader for {file.format or 'it'}; convert it to one of {formats}"
        )
    return Failed(Reason.UNREADABLE_FILE, file.problem) if file.problem is not None else None


def _mesh_row(file: ComparedFile, outcome: Ok[TriedMesh] | Failed) -> Row:
    row: Row = dict.fromkeys(polars_schema(ComparedMeshes))
    if isinstance(outcome, Failed):
        return row | {"file": file.name, "reason": outcome.reason.value, "detail": outcome.detail}
    mesh = outcome.value
    return row | {
        "file": file.name,
        "n_faces_raw": mesh.n_faces_raw,
        "n_vertices": mesh.n_vertices,
        "n_faces": mesh.n_faces,
    }


def _trial_row(file: ComparedFile, mesh: TriedMesh, trial: Trial) -> Row:
    n_tokens = len(trial.tokens) if trial.code is None else None
    return {
        "file": file.name,
        "tokenizer": trial.tokenizer,
        "code": trial.code,
        "message": trial.message,
        "n_faces": mesh.n_faces,
        "n_tokens": n_tokens,
        "ratio": None if n_tokens is None else n_tokens / (9 * mesh.n_faces),
        "nominal_bits": trial.nominal_bits,
        "is_exact": trial.is_exact,
        "is_same_triangles": trial.is_same_triangles,
    }


def _time_row(file: ComparedFile, mesh: TriedMesh, trial: Trial) -> Row:
    seconds = {"encode": trial.encode_seconds, "decode": trial.decode_seconds}
    times = {f"{name}_microseconds": None if s is None else s * 1e6 for name, s in seconds.items()}
    return {"file": file.name, "tokenizer": trial.tokenizer, "n_faces": mesh.n_faces, **times}


def _summary(trials: Sequence[Row], tokens: Tokens, vocab_sizes: dict[str, int]) -> pl.DataFrame:
    common = set.intersection(*(set(of_files) for of_files in tokens.values()))
    rows = []
    for meshes in SETS:
        for name, vocab_size in vocab_sizes.items():
            of_tokenizer = [row for row in trials if row["tokenizer"] == name]
            used = [row for row in of_tokenizer if row["code"] is None]
            if meshes == "common":
                used = [row for row in used if row["file"] in common]
            n_refused = sum(row["code"] is not None for row in of_tokenizer)
            measures = _measures(used, [tokens[name][row["file"]] for row in used], vocab_size)
            rows.append(
                {"meshes": meshes, "tokenizer": name, "vocab_size": vocab_size, "n_refused": n_refused}
                | measures
            )
    return pl.DataFrame(rows, schema=polars_schema(TokenizerSummary), orient="row")


def _measures(rows: Sequence[Row], sequences: Sequence[NDArray[np.int32]], vocab_size: int) -> Row:
    """The columns of a summary for meshes that were accepted, and their tokens, in order."""
    import tokenizer_rs

    n_faces, n_tokens = (sum(row[name] for row in rows) for name in ("n_faces", "n_tokens"))
    measures: Row = {"n_meshes": len(rows), "n_faces": n_faces, "n_tokens": n_tokens}
    if not rows:
        return measures
    coded = tokenizer_rs.adaptive_bits(sequences, vocab_size, list(ORDERS))
    nominal = [row["nominal_bits"] for row in rows]
    return measures | {
        "tokens_per_face": n_tokens / n_faces,
        "ratio_pooled": n_tokens / (9 * n_faces),
        "ratio_mean": math.fsum(row["ratio"] for row in rows) / len(rows),
        "vocabulary_bits_per_face": n_tokens * math.log2(vocab_size) / n_faces,
        "nominal_bits_per_face": None if None in nominal else math.fsum(nominal) / n_faces,
        **{f"order_{j}_bits_per_face": bits / n_faces for j, bits in zip(ORDERS, coded, strict=True)},
        "exact_share": sum(row["is_exact"] for row in rows) / len(rows),
        "same_triangles_share": sum(row["is_same_triangles"] for row in rows) / len(rows),
    }
