"""What one version has that another has not, and why.

    difference = compare(find_record("data"), find_record("data-before"))
    print("\\n".join(difference.lines()))
    write_difference(difference, Path("out"))     # changes.parquet, changes.html

Files are told apart by their place within the source, so that moved folders do not differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from pipelines.reasons import Stage
from pipelines.storage import write_bytes, write_table
from pipelines.tables import VersionChanges, polars_schema, validate
from pipelines.tables.versions import CAUSES, CHANGES
from pipelines.versions.record import VersionRecord, differing
from pipelines.visible import visible

EXAMPLES = 5
PAGE_ROWS = 500
"""At most so many rows of one kind of change on the page; the table holds all."""
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
)
_OUTCOME = ("status", "stage", "reason")
_PROVENANCE = ("licence", "author", "mesh_id")
_READING, _TOKENS, _CURATED = 1, 2, 3


@dataclass(frozen=True)
class VersionDifference:
    """Two versions and the files that they do not treat alike."""

    before: VersionRecord
    after: VersionRecord
    changes: pl.DataFrame
    """VersionChanges, in order of their place."""

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Files by change and cause, both in the order of their closed lists."""
        found = {row[:2]: row[2] for row in self.changes.group_by("change", "cause").len().iter_rows()}
        return {
            change: {cause: found[change, cause] for cause in CAUSES if (change, cause) in found}
            for change in CHANGES
        }

    @property
    def n_unchanged(self) -> int:
        """Files of both versions that come to the same end with the same bytes."""
        both = self.before.files.join(self.after.files, on="uri", how="semi").height
        is_in_both = pl.col("before_status").is_not_null() & pl.col("after_status").is_not_null()
        return both - self.changes.filter(is_in_both).height

    @cached_property
    def settings(self) -> list[tuple[str, str, str]]:
        """What decided the bytes and differs: its dotted name, and both values."""
        names = ("settings", "rules", "tokenizer", "code")
        first, second = (
            {name: record.content.get(name) for name in names} for record in (self.before, self.after)
        )
        return [(name, _shown(old), _shown(new)) for name, old, new in differing(first, second)]

    def lines(self) -> Iterator[str]:
        """The difference as text for a terminal."""
        yield f"{self.before.short} -> {self.after.short}"
        if self.before.version == self.after.version:
            yield "the same version"
        for change, causes in self.counts.items():
            listed = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
            yield f"{change:<10}{sum(causes.values()):>9,}  {listed}".rstrip()
        yield f"{'unchanged':<10}{self.n_unchanged:>9,}"
        for name, old, new in self.settings:
            yield f"{name}: {old} -> {new}"
        for change, causes in self.counts.items():
            for cause, count in causes.items():
                rows = self.changes.filter(change=change, cause=cause).head(EXAMPLES)
                yield from (
                    f"{change} {_end(row)}, {cause}: {visible(row['uri'])}"
                    for row in rows.iter_rows(named=True)
                )
                if count > EXAMPLES:
                    yield f"{change}, {cause}: and {count - EXAMPLES:,} more"


def compare(before: VersionRecord, after: VersionRecord) -> VersionDifference:
    """Files that two versions do not treat alike, each with the first cause of CAUSES that explains it."""
    old = before.files.rename(lambda name: name if name == "uri" else f"before_{name}")
    new = after.files.rename(lambda name: name if name == "uri" else f"after_{name}")
    joined = old.join(new, on="uri", how="full", coalesce=True)
    changes = (
        joined.with_columns(cause=_cause(before.content, after.content))
        .filter(pl.col("cause").is_not_null())
        .with_columns(change=_change(), mesh_id=pl.coalesce("after_mesh_id", "before_mesh_id"))
        .select(list(polars_schema(VersionChanges)))
        .sort("uri")
    )
    return VersionDifference(before, after, validate(VersionChanges, changes))


def write_difference(difference: VersionDifference, out: Path) -> list[Path]:
    """Write `changes.parquet` and `changes.html` into `out`; returns their paths."""
    table, page = out / "changes.parquet", out / "changes.html"
    write_table(table, difference.changes)
    write_bytes(page, render(difference).encode())
    return [table, page]


def render(difference: VersionDifference) -> str:
    """The difference as a self-contained page."""
    rows = {
        change: [
            {**row, "end": _end(row), "uri": visible(row["uri"])}
            for row in difference.changes.filter(change=change).head(PAGE_ROWS).iter_rows(named=True)
        ]
        for change in CHANGES
    }
    return _TEMPLATES.get_template("changes.html").render(
        before=difference.before,
        after=difference.after,
        counts=difference.counts,
        n_unchanged=difference.n_unchanged,
        settings=difference.settings,
        rows=rows,
        limit=PAGE_ROWS,
    )


def _change() -> pl.Expr:
    was, is_now = (pl.col(f"{side}_status").eq_missing(pl.lit("kept")) for side in ("before", "after"))
    return (
        pl.when(was & is_now).then(pl.lit("changed"))
        .when(is_now).then(pl.lit("added"))
        .when(was).then(pl.lit("removed"))
        .otherwise(pl.lit("rejected"))
    )  # fmt: skip


def _cause(before: dict[str, Any], after: dict[str, Any]) -> pl.Expr:
    """Null where nothing differs."""
    differs = _differing_parts(before, after)
    same_outcome = pl.all_horizontal(_same(name) for name in _OUTCOME)
    are_kept = pl.col("before_status").eq("kept") & pl.col("after_status").eq("kept")
    decided = pl.min_horizontal(_decided("before"), _decided("after"))
    by_licence = pl.any_horizontal(
        pl.col(f"{side}_reason").eq_missing(pl.lit("LICENCE")) for side in ("before", "after")
    )
    other_licence = ~_same("licence") | pl.lit(differs["licences"])
    other_rules = pl.lit(differs["rules"]) & (decided == _CURATED)
    return (
        pl.when(pl.col("before_status").is_null()).then(pl.lit("NEW_FILE"))
        .when(pl.col("after_status").is_null()).then(pl.lit("FILE_GONE"))
        .when(~_same("sha256")).then(pl.lit("BYTES_CHANGED"))
        .when(are_kept & pl.lit(differs["tokenizer"])).then(pl.lit("TOKENIZER_CHANGED"))
        .when(are_kept & ~_same("split")).then(pl.lit("SPLIT_CHANGED"))
        .when(are_kept & ~pl.all_horizontal(map(_same, _PROVENANCE))).then(pl.lit("PROVENANCE_CHANGED"))
        .when(same_outcome).then(pl.lit(None, pl.String))
        .when(by_licence & other_licence).then(pl.lit("LICENCE_CHANGED"))
        .when(pl.lit(differs["tokenizer"]) & (decided >= _TOKENS)).then(pl.lit("TOKENIZER_CHANGED"))
        .when(other_rules).then(pl.lit("RULE_CHANGED"))
        .when(pl.lit(differs["limits"]) & (decided <= _TOKENS)).then(pl.lit("SETTINGS_CHANGED"))
        .when(pl.lit(differs["code"])).then(pl.lit("CODE_CHANGED"))
        .otherwise(pl.lit("REASON_CHANGED"))
    )  # fmt: skip


def _differing_parts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, bool]:
    """Which parts of two manifests are not the same."""
    apart = ("tokenizer", "preset", "licences", "split", "samples_per_shard")

    def parts(content: dict[str, Any]) -> dict[str, Any]:
        settings, code = content.get("settings") or {}, content.get("code") or {}
        stages = code.get("stages") or {}
        return {
            "tokenizer": [content.get("tokenizer"), settings.get("tokenizer"), stages.get(Stage.TOKENS)],
            "rules": (content.get("rules") or {}).get("rules"),
            "licences": settings.get("licences"),
            "limits": {name: value for name, value in settings.items() if name not in apart},
            "code": [stages, code.get("packages"), code.get("sources")],
        }

    first, second = parts(before), parts(after)
    return {name: first[name] != second[name] for name in first}


def _same(name: str) -> pl.Expr:
    return pl.col(f"before_{name}").eq_missing(pl.col(f"after_{name}"))


def _decided(side: str) -> pl.Expr:
    """How far a file came: the number of the stage that rejected it; one more than all for a kept one."""
    numbers = {stage.value: number for number, stage in enumerate(Stage)}
    return pl.col(f"{side}_stage").replace_strict(numbers, default=len(numbers), return_dtype=pl.Int64)


def _end(row: dict[str, Any]) -> str:
    """`kept -> RULE_FACES`, of one row of the table."""
    ends = [row[f"{side}_reason"] or row[f"{side}_status"] or "absent" for side in ("before", "after")]
    return " -> ".join(ends)


def _shown(value: Any) -> str:
    return visible(str(value)) if value is not None else "not set"
