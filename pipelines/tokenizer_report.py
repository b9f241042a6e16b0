"""What a comparison of tokenizers found: its tables, its plots, and a table for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.storage import write_bytes, write_table
from pipelines.tables import ComparedMeshes, TokenizerSummary, TokenizerTimes, TokenizerTrials, validate

SETS = ("accepted", "common")
"""The meshes a row of the summary speaks of: those its tokenizer accepts, or those that all accept."""

COLUMNS: dict[str, tuple[str, str]] = {
    "n_meshes": ("meshes", "{:,}"),
    "n_refused": ("refused", "{:,}"),
    "vocab_size": ("vocabulary", "{:,}"),
    "tokens_per_face": ("tokens/face", "{:.3f}"),
    "ratio_pooled": ("/(9F) pooled", "{:.3f}"),
    "ratio_mean": ("mean", "{:.3f}"),
    "vocabulary_bits_per_face": ("bits/face: log2(vocabulary)", "{:.1f}"),
    "nominal_bits_per_face": ("legal tokens", "{:.1f}"),
    "order_0_bits_per_face": ("order 0", "{:.1f}"),
    "order_2_bits_per_face": ("order 2", "{:.1f}"),
    "exact_share": ("exact", "{:.1%}"),
    "same_triangles_share": ("same triangles", "{:.1%}"),
}
"""What is shown of a summary: title and format of each column."""


@dataclass(frozen=True)
class ComparisonReport:
    """The tables of a comparison; `save` says what each file holds."""

    resolution: int
    meshes: pl.DataFrame
    trials: pl.DataFrame
    times: pl.DataFrame
    summary: pl.DataFrame

    def save(self, out: Path) -> None:
        """Write tables, plots and comparison.md; all but times.parquet are the same bytes each time."""
        from pipelines.pictures import bits_plot, ratio_plot

        write_table(out / "meshes.parquet", validate(ComparedMeshes, self.meshes))
        write_table(out / "trials.parquet", validate(TokenizerTrials, self.trials))
        write_table(out / "times.parquet", validate(TokenizerTimes, self.times))
        write_table(out / "summary.parquet", validate(TokenizerSummary, self.summary))
        write_bytes(out / "comparison.md", self.markdown().encode())
        write_bytes(out / "lengths.png", ratio_plot(self.trials))
        write_bytes(out / "bits.png", bits_plot(self.summary.filter(pl.col("meshes") == SETS[0])))

    def microseconds_per_face(self) -> pl.DataFrame:
        """Columns tokenizer, encode, decode: processor time over all meshes that were accepted."""
        done = self.times.drop_nulls()
        encode, decode = pl.col("encode_microseconds").sum(), pl.col("decode_microseconds").sum()
        faces = pl.col("n_faces").sum()
        return done.group_by("tokenizer", maintain_order=True).agg(
            encode=encode / faces, decode=decode / faces
        )

    def refused(self) -> pl.DataFrame:
        """Columns tokenizer, code, n_meshes: how many meshes were refused, and why."""
        refused = self.trials.filter(pl.col("code").is_not_null())
        return refused.group_by("tokenizer", "code").len("n_meshes").sort("tokenizer", "code")

    def unreadable(self) -> pl.DataFrame:
        """Columns reason, n_files: how many files gave no mesh, and why."""
        return self.meshes.drop_nulls("reason").group_by("reason").len("n_files").sort("reason")

    def markdown(self) -> str:
        """The summary as Markdown, without times."""
        n_meshes, n_faces = self.meshes["n_faces"].count(), self.meshes["n_faces"].sum()
        lines = [
            "# Tokenizers compared",
            "",
            f"{n_meshes} meshes, {n_faces:,} faces, grid {self.resolution}.",
            "",
        ]
        for meshes in SETS:
            rows = self.summary.filter(pl.col("meshes") == meshes)
            if meshes == "common":
                if rows.equals(
                    self.summary.filter(pl.col("meshes") == SETS[0]).with_columns(meshes=pl.lit(meshes))
                ):
                    break
                lines += ["", f"The {rows['n_meshes'].max() or 0} meshes that every tokenizer accepts:", ""]
            lines += _markdown_table(rows)
        for row in self.refused().iter_rows(named=True):
            lines += ["", f"{row['tokenizer']} refused {row['n_meshes']} meshes: {row['code']}"]
        for row in self.unreadable().iter_rows(named=True):
            lines += ["", f"{row['n_files']} files gave no mesh: {row['reason']}"]
        return "\n".join(lines) + "\n"


def shown(row: dict[str, Any]) -> list[str]:
    """The cells of one row of a summary, for people."""
    cells = (form.format(row[name]) if row[name] is not None else "-" for name, (_, form) in COLUMNS.items())
    return [row["tokenizer"], *cells]


def _markdown_table(summary: pl.DataFrame) -> list[str]:
    titles = ["tokenizer", *(title for title, _ in COLUMNS.values())]
    rows = [titles, ["---"] * len(titles), *map(shown, summary.iter_rows(named=True))]
    return [f"| {' | '.join(row)} |" for row in rows]
