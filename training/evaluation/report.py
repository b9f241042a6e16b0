"""Generate from held-out meshes, compare, and write down what came of every one of them.

    summary = evaluate_run(Path("runs/demo"), Path("data/demo"), "test", Path("evaluation"))

OUT holds generated/ (see training.generation), metrics.parquet (one row per condition), summary.json and
report.html, which is one file with its pictures in it.
"""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import torch

from pipelines.pictures import histogram, pairs_sheet
from pipelines.storage import write_bytes, write_json, write_table
from training.checkpoints import load_draft, load_generator, newest_checkpoint
from training.conditions import held_out_conditions
from training.data import DataError, ShardDataset
from training.decoding import read_mesh
from training.evaluation.protocol import DISTANCES, PROTOCOLS, Protocol
from training.evaluation.scoring import metrics_schema, score_row, summarize
from training.generation import Condition, generate_meshes
from training.launch import data_version
from training.surface import Mesh

PICTURED = 24
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
)


def evaluate_run(
    run: Path,
    data: Path,
    split: str = "test",
    out: Path = Path("evaluation"),
    limit: int | None = None,
    seed: int = 0,
    temperature: float = 0.5,
    protocol: str = "paired-10k",
    batch_size: int = 8,
    device: str | None = None,
    raw_weights: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Evaluate the newest checkpoint of `run` on the first `limit` meshes of a split; returns summary.json.

    Of a run that averages its weights, their average, unless `raw_weights`.
    Raises RunError without a checkpoint, DataError for an empty split, ValueError for an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    generator, config = load_generator(run, device, raw_weights)
    held_out = ShardDataset(data, split, config)
    conditions, unreadable = _conditions(held_out, limit)
    if not conditions:
        raise DataError(f"none of the {len(unreadable)} meshes of split {split} can be read from {data}")
    generated = generate_meshes(
        generator,
        config,
        conditions,
        out / "generated",
        seed=seed,
        temperature=temperature,
        batch_size=batch_size,
        draft=load_draft(config, device),
        on_progress=on_progress,
    )
    pairs = _pairs(generated, conditions, out / "generated")
    metrics = score_table(generated, pairs, chosen, seed)
    write_table(out / "metrics.parquet", metrics)
    checkpoint = newest_checkpoint(run)
    summary = {
        **summarize(metrics, chosen, seed, generator.vocab_size),
        "split": split,
        "limit": limit,
        "n_split": held_out.counts.n_indexed,
        "n_too_long": held_out.counts.n_too_long,
        "unreadable": unreadable,
        "temperature": temperature,
        "max_tokens": config.max_tokens,
        "checkpoint": checkpoint.name if checkpoint else None,
        "weights": "raw" if raw_weights or config.average is None else "average",
        "data_version": data_version(data),
    }
    write_json(out / "summary.json", summary)
    write_bytes(out / "report.html", render_report(summary, metrics, pairs).encode())
    return summary


def score_table(
    generated: pl.DataFrame,
    pairs: Sequence[tuple[Mesh, Mesh | None]],
    protocol: Protocol,
    seed: int,
) -> pl.DataFrame:
    """Rows of metrics.parquet, in the order of `generated`."""
    rows = [
        score_row(row, prediction, truth, protocol, seed)
        for row, (truth, prediction) in zip(generated.to_dicts(), pairs, strict=True)
    ]
    return pl.DataFrame(rows, schema=metrics_schema(protocol))


def render_report(
    summary: dict[str, Any], metrics: pl.DataFrame, pairs: Sequence[tuple[Mesh, Mesh | None]]
) -> str:
    """The report as one HTML file without links to anything outside."""
    titles = [f"{row['mesh_id']}: {row['status']}" for row in metrics.to_dicts()]
    shown = list(zip(titles, pairs, strict=True))[:PICTURED]
    sheet = pairs_sheet([(title, truth, prediction) for title, (truth, prediction) in shown])
    histograms = [
        {"label": column, "png": _base64(histogram(metrics[column].drop_nulls().to_numpy(), column))}
        for column in ("cd_l2_sum", "n_faces", "n_tokens")
        if metrics[column].drop_nulls().len() > 0
    ]
    return _TEMPLATES.get_template("report.html").render(
        summary=summary,
        rows=metrics.to_dicts(),
        distances=DISTANCES,
        pairs=_base64(sheet),
        n_pictured=len(shown),
        histograms=histograms,
    )


def _conditions(held_out: ShardDataset, limit: int | None) -> tuple[list[Condition], list[str]]:
    conditions, unreadable = [], []
    for given in held_out_conditions(held_out, limit):
        try:
            conditions.append(given.loaded())
        except OSError:
            unreadable.append(given.name)
    return conditions, unreadable


def _pairs(
    generated: pl.DataFrame, conditions: Sequence[Condition], folder: Path
) -> list[tuple[Mesh, Mesh | None]]:
    return [
        (Mesh(condition.vertices, condition.faces), None if file is None else read_mesh(folder / file))
        for condition, file in zip(conditions, generated["file"], strict=True)
    ]


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode()
