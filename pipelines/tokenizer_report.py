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
    "ratio_pooled": ("tokens/(9F), pooled", "{:.3f}"),
    "ratio_mean": ("tokens/(9F), mean", "{:.3f}"),
    "vocabulary_bits_per_face": ("bits/face: vocabulary", "{:.1f}"),
    "nominal_bits_per_face": ("bits/face: legal tokens", "{:.1f}"),
    "order_0_bits_per_face": ("bits/face: order 0", "{:.1f}"),
    "order_2_bits_per_face": ("bits/face: order 2", "{:.1f}"),
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

    def sets(self) -> dict[str, pl.DataFrame]:
        """The rows of the summary for each of SETS; the second only where it holds other meshes."""
        rows = {name: self.summary.filter(pl.col("meshes") == name) for name in SETS}
        if rows["accepted"].drop("meshes").equals(rows["common"].drop("meshes")):
            del rows["common"]
        return rows

    def refusals(self) -> list[str]:
        """For each tokenizer that refused meshes, and for all files without one: how many, and the codes."""
        refused = self.trials.drop_nulls("code")
        lines = [
            f"{name} refused {_counts(refused.filter(pl.col('tokenizer') == name)['code'])}"
            for name in refused["tokenizer"].unique(maintain_order=True)
        ]
        without = self.meshes.drop_nulls("reason")["reason"]
        return [*lines, f"{len(without)} files gave no mesh: {_counts(without)}"] if len(without) else lines

    def markdown(self) -> str:
        """The summary as Markdown, without times."""
        lines = ["# Tokenizers compared", "", self.title(), ""]
        for meshes, rows in self.sets().items():
            if meshes == "common":
                lines += ["", f"The {rows['n_meshes'].to_list()[0]} meshes that every tokenizer accepts:", ""]
            titles = ["tokenizer", *(title for title, _ in COLUMNS.values())]
            cells = [titles, ["---"] * len(titles), *map(_cells, rows.iter_rows(named=True))]
            lines += [f"| {' | '.join(row)} |" for row in cells]
        return "\n".join([*lines, "", *(f"- {line}" for line in self.refusals())]).rstrip() + "\n"

    def title(self) -> str:
        """How many meshes and faces, on which grid."""
        n_meshes, n_faces = self.meshes["n_faces"].count(), self.meshes["n_faces"].sum()
        return f"{n_meshes} meshes, {n_faces:,} faces, grid {self.resolution}"


def cell(value: float | None, form: str) -> str:
    """A value for people, by one of the formats of COLUMNS."""
    return "-" if value is None else form.format(value)


def _cells(row: dict[str, Any]) -> list[str]:
    return [row["tokenizer"], *(cell(row[name], form) for name, (_, form) in COLUMNS.items())]


def _counts(codes: pl.Series) -> str:
    counts = codes.value_counts().sort(codes.name).iter_rows()
    return ", ".join(f"{code} {n}" for code, n in counts)
