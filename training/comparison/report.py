"""What a comparison says: spreads over seeds, curves, and both as a page."""

from collections.abc import Mapping

import polars as pl

from pipelines.pictures import curves_plot
from training.comparison.settings import ComparisonSettings

TITLES = {"meshes": "At equal meshes seen", "seconds": "At equal seconds of training"}
BY_ROW = {
    "n_parameters": ("parameters", "{:,.0f}"),
    "meshes": ("meshes seen", "{:,.0f}"),
    "seconds": ("seconds of training", "{:.1f}"),
    "nats_per_face": ("nats per face, held out", "{:.3f}"),
    "train_nats_per_face": ("nats per face, training", "{:.3f}"),
    "valid": ("valid, constrained by the grammar", "{:.1%}"),
    "valid_free": ("valid, not constrained", "{:.1%}"),
    "chamfer": ("median Chamfer distance", "{:.4f}"),
    "chamfer_floor": ("the same of two samples of the truth", "{:.4f}"),
    "seconds_per_mesh": ("seconds per generated mesh", "{:.3f}"),
}
"""Measures of runs.parquet, what they are called, and how they are written."""


def summarize_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """One row per tokenizer and point, with <measure>_mean, _least and _greatest over the seeds."""
    measures = [name for name in runs.columns if name not in ("tokenizer", "seed", "point")]
    return runs.group_by("point", "tokenizer", maintain_order=True).agg(
        pl.len().alias("n_seeds"),
        *(pl.col(name).mean().alias(f"{name}_mean") for name in measures),
        *(pl.col(name).min().alias(f"{name}_least") for name in measures),
        *(pl.col(name).max().alias(f"{name}_greatest") for name in measures),
    )


def comparison_plot(curves: pl.DataFrame) -> bytes:
    """PNG of nats per face against meshes seen and against seconds; a line for each run."""
    parts = {"nats_per_face": "held out", "train_nats_per_face": "training"}
    lines = pl.concat(
        curves.select(
            pl.col("tokenizer").alias("group"),
            pl.lit(part).alias("part"),
            pl.format("{}-{}", "tokenizer", "seed").alias("line"),
            pl.col(column).alias("y"),
            "meshes",
            "seconds",
        )
        for column, part in parts.items()
    )
    return curves_plot(lines, "nats per face", {"meshes": "meshes seen", "seconds": "seconds of training"})


def comparison_markdown(settings: ComparisonSettings, meshes: pl.DataFrame, summary: pl.DataFrame) -> str:
    """The page: what was compared, and a table for each point; "mean (least to greatest)" over the seeds."""
    splits = dict(meshes["split"].value_counts().iter_rows())
    faces = meshes["n_faces"].to_numpy()
    tokens = {name: meshes[f"n_tokens_{name}"].to_numpy().sum() / faces.sum() for name in settings.tokenizers}
    lines = [
        "# " + ", ".join(settings.tokenizers) + ": which is easier to learn",
        "",
        f"{meshes.height} meshes that every tokenizer takes ({splits['train']} to train on, {splits['val']} "
        f"held out for losses, {splits['test']} for generation), {faces.mean():.0f} faces on average. "
        f"Tokens per face: {', '.join(f'{name} {value:.3f}' for name, value in tokens.items())}. "
        f"Seeds: {', '.join(map(str, settings.seeds))}; each figure is the mean over them, then the least "
        "and the greatest.",
    ]
    shown = BY_ROW | {
        f"within_{limit:g}": (f"close: Chamfer distance at most {limit:g}", "{:.1%}")
        for limit in settings.close
    }
    for point, title in TITLES.items():
        rows = summary.filter(pl.col("point") == point).rows(named=True)
        lines += ["", f"## {title}", "", "| | " + " | ".join(row["tokenizer"] for row in rows) + " |"]
        lines.append("| --- |" + " --- |" * len(rows))
        for name, (label, form) in shown.items():
            lines.append(f"| {label} | " + " | ".join(_spread(row, name, form) for row in rows) + " |")
    return "\n".join([*lines, "", "![Losses](curves.png)", ""])


def _spread(row: Mapping[str, float], name: str, form: str) -> str:
    if row[f"{name}_mean"] is None:
        return "–"
    mean, least, greatest = (form.format(row[f"{name}_{kind}"]) for kind in ("mean", "least", "greatest"))
    return mean if least == greatest else f"{mean} ({least} to {greatest})"
