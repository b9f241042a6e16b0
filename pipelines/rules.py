"""Named presets of filter rules: which meshes a data set consists of, and why not the rest.

A preset is a YAML file in configs/rules, or any file of the same form:

    description: Small meshes.
    rules:
      - keep: "n_faces <= 500"          # SQL over the columns of pipelines.rule_columns
        reason: RULE_FACES
        description: at most 500 faces

A mesh is kept when every rule keeps it; the first rule in file order that does not gives the reason.

    preset = load_preset("silksong-v11")
    frame = with_rule_columns(tokens, data, key, preset.columns).with_columns(first_failure(preset))
"""

from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, field_validator

from pipelines.reasons import Reason
from pipelines.rule_columns import COLUMNS, unknown_columns
from pipelines.settings import QualitySettings
from pipelines.tables import QUALITY_GROUPS, SILKSONG_COLUMNS
from pipelines.tokenizers import TokenizerSettings
from pipelines.yaml_files import YamlFileError, checked, read_yaml

RULES_FOLDER = Path(__file__).parents[1] / "configs" / "rules"
_RULE_PREFIX = "RULE_"
_FUNNEL_SCHEMA = {
    "step": pl.String,
    "reason": pl.String,
    "kept": pl.Int64,
    "rejected": pl.Int64,
    "rejected_alone": pl.Int64,
}
_SCHEMA = {name: column.dtype for name, column in COLUMNS.items()}


class PresetError(ValueError):
    """A preset that does not exist or cannot be used: which, why, and what there is."""


class Rule(BaseModel):
    """One condition that a mesh has to meet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: str
    """SQL that is true for what stays, over the columns of `pipelines.rule_columns`."""
    reason: Reason
    description: str

    @field_validator("keep")
    @classmethod
    def _can_be_evaluated(cls, keep: str) -> str:
        try:
            expression = pl.sql_expr(keep)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"{keep!r} is not an SQL expression: {error}") from None
        unknown = unknown_columns(dict.fromkeys(expression.meta.root_names()))
        if unknown:
            raise ValueError(f"{keep!r} asks for {unknown}, which is no column; docs/quality.md lists them")
        try:
            dtype = pl.DataFrame(schema=_SCHEMA).select(keep=expression).schema["keep"]
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"{keep!r} cannot be evaluated: {error}") from None
        if dtype != pl.Boolean:
            raise ValueError(f"{keep!r} is not a condition; write for example `n_faces >= 40`")
        return keep

    @field_validator("reason")
    @classmethod
    def _is_a_rule_reason(cls, reason: Reason) -> Reason:
        if not reason.startswith(_RULE_PREFIX):
            allowed = ", ".join(reason for reason in Reason if reason.startswith(_RULE_PREFIX))
            raise ValueError(f"{reason} is no reason of a rule; take one of {allowed}")
        return reason

    @property
    def keeps(self) -> pl.Expr:
        """True for a row that stays; a condition that is null does not keep."""
        return pl.sql_expr(self.keep).fill_null(False)

    @property
    def columns(self) -> list[str]:
        """Columns that the condition reads."""
        return list(dict.fromkeys(pl.sql_expr(self.keep).meta.root_names()))


class Preset(BaseModel):
    """Rules in the order in which they are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    rules: tuple[Rule, ...]

    @property
    def columns(self) -> list[str]:
        """Columns that the rules read."""
        return list(dict.fromkeys(name for rule in self.rules for name in rule.columns))


def preset_names() -> list[str]:
    """Presets in configs/rules."""
    return sorted(path.stem for path in RULES_FOLDER.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """Read a preset by its name in configs/rules, or by a path that ends in .yaml.

    Raises PresetError where there is none, or where it is not of the form above.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else RULES_FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise PresetError(f"no preset {name!r}; there are {', '.join(preset_names())}, or give a .yaml file")
    try:
        return checked(Preset, {**read_yaml(path), "name": path.stem}, path)
    except YamlFileError as error:
        raise PresetError(f"preset {name!r}: {error}") from None


def check_fits(preset: Preset, tokenizer: TokenizerSettings, quality: QualitySettings | None = None) -> None:
    """Raise PresetError where a rule asks for what is not counted: it would drop every mesh."""
    missing = [name for name in SILKSONG_COLUMNS if name in preset.columns]
    if missing and tokenizer.name != "silksong":
        raise PresetError(
            f"preset {preset.name!r} asks for {', '.join(missing)}, which only silksong counts; take "
            f"a preset of {tokenizer.name}, or leave `preset` out"
        )
    for group, names in QUALITY_GROUPS.items():
        missing = [name for name in names if name in preset.columns]
        if quality is not None and missing and not getattr(quality, group):
            raise PresetError(
                f"preset {preset.name!r} asks for {', '.join(missing)}, which the settings do not measure; "
                f"set quality.{group} to true, or take another preset"
            )


def first_failure(preset: Preset) -> pl.Expr:
    """Column `rule`: index of the first rule that does not keep the row (Int64), null where all do.

    Use it in `with_columns`: of a preset without rules, or with a constant one, it is a single value.
    """
    failures = [pl.when(~rule.keeps).then(pl.lit(i, pl.Int64)) for i, rule in enumerate(preset.rules)]
    return pl.coalesce([*failures, pl.lit(None, pl.Int64)]).alias("rule")


def dry_run_funnel(preset: Preset, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """What each rule would reject of a table with the columns that it asks for, before anything is written.

    One row per rule, in order: step (the condition), reason, kept and rejected (after the rules before
    it), rejected_alone (if it were the only rule). The first row is the table itself.
    """
    alone = [(~rule.keeps).alias(f"alone_{i}") for i, rule in enumerate(preset.rules)]
    first = [(pl.col("rule") == i).sum().alias(f"first_{i}") for i in range(len(preset.rules))]
    counts = (
        frame.lazy()
        .with_columns(first_failure(preset), *alone)  # columns first: a constant condition has no length
        .select(pl.len().alias("all"), *first, *(pl.col(column.meta.output_name()).sum() for column in alone))
        .collect()
        .row(0, named=True)
    )
    left = counts["all"]
    funnel: list[tuple[str, str | None, int, int, int]] = [("tokens", None, left, 0, 0)]
    for i, rule in enumerate(preset.rules):
        left -= counts[f"first_{i}"]
        funnel.append((rule.keep, rule.reason.value, left, counts[f"first_{i}"], counts[f"alone_{i}"]))
    return pl.DataFrame(funnel, schema=_FUNNEL_SCHEMA, orient="row")
