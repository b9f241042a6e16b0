"""Fourth stage: ask licence policy and rules, give each mesh its split, close the books. -> tables/curated"""

from time import monotonic, process_time

import polars as pl

from pipelines.ledger import build_ledger
from pipelines.licences import normalize_licence
from pipelines.reasons import Reason, Stage
from pipelines.rule_columns import MissingTableError, tables_of, with_rule_columns
from pipelines.rules import Preset, Rule, check_fits, first_failure, load_preset
from pipelines.settings import CurationSettings, SplitSettings
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.partitions import IDENTITY, Row, current_result, is_current, write_rejects
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Curated, Tokens, polars_schema, validate
from pipelines.worker_process import one_line

VERSION = 2
_FROM_RAW_MESHES = ["name", "category", "licence", "author"]
_FROM_TOKENS = [name for name, dtype in polars_schema(Tokens).items() if not dtype.is_nested()]


class UpstreamError(RuntimeError):
    """A partition whose earlier stages have not run, or do not belong together."""


def build_curated(
    data: DataFolder,
    settings: CurationSettings,
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring partitions of the curated table and of the ledger up to date: those given, or all of raw_meshes.

    Raises PresetError for a preset that cannot be used, UpstreamError where an earlier stage has not run,
    LedgerError where a file was lost on the way.
    """
    preset = load_preset(settings.preset)
    check_fits(preset, settings.tokenizer, settings.quality)
    keys = data.partitions(Stage.RAW_MESHES) if keys is None else keys
    results = []
    for n_done, key in enumerate(keys):
        progress(Stage.CURATED, n_done, len(keys))
        results.append(_build_partition(data, key, preset, settings))
        build_ledger(data, [key])
    progress(Stage.CURATED, len(keys), len(keys))
    return results


def split_of(sha256: str, split: SplitSettings) -> str:
    """Split of a file, by its own hash alone: no other file can move it, and copies stay together."""
    share = int(sha256[:16], 16) / 2**64
    if share < split.test:
        return "test"
    return "val" if share < split.test + split.val else "train"


def _build_partition(
    data: DataFolder, key: ShardKey, preset: Preset, settings: CurationSettings
) -> PartitionResult:
    started, cpu_started = monotonic(), process_time()
    # a table that no rule asks for may change without this one
    asked = [table for table in tables_of(preset.columns) if table != Stage.RAW_MESHES]
    inputs = [data.table(stage, key) for stage in (Stage.RAW_MESHES, Stage.TOKENS, *asked)]
    for path in inputs:
        if not path.exists():
            raise UpstreamError(f"{key}: {path} is absent; run the earlier stages first")
    split, licences = settings.split, settings.licences
    used = {"rules": [rule.model_dump(mode="json") for rule in preset.rules], "split": split.model_dump()}
    policy = {} if licences is None else {"licences": licences}
    name = fingerprint(Stage.CURATED, VERSION, {**used, "preset": preset.name, **policy}, inputs)
    path = data.table(Stage.CURATED, key)
    if is_current(name, [data.rejected(Stage.CURATED, key), path]):
        return current_result(data, Stage.CURATED, key)

    rows = pl.read_parquet(inputs[1], columns=_FROM_TOKENS)
    about = pl.read_parquet(inputs[0], columns=["mesh_id", *_FROM_RAW_MESHES])
    rows = rows.join(about, on="mesh_id", how="left", validate="1:1", maintain_order="left")
    if rows["name"].null_count():
        raise UpstreamError(f"{key}: {inputs[1]} has meshes that {inputs[0]} lacks; run the earlier stages")
    try:
        judged = with_rule_columns(rows, data, key, preset.columns).with_columns(first_failure(preset))
    except MissingTableError as error:
        raise UpstreamError(str(error)) from None
    judged = judged.with_columns(may_be_used=_may_be_used(judged["licence"], licences))
    is_kept = pl.col("rule").is_null() & pl.col("may_be_used")
    rejects = [
        _reject(row, preset.rules[row["rule"]], preset.name)
        if row["may_be_used"]
        else _reject_licence(row, licences or ())
        for row in judged.filter(~is_kept).iter_rows(named=True)
    ]
    kept = judged.filter(is_kept)
    splits = pl.Series("split", [split_of(sha256, split) for sha256 in kept["sha256"]], dtype=pl.String)
    frame = kept.with_columns(splits).select(list(polars_schema(Curated)))
    write_rejects(data, Stage.CURATED, key, rejects, name)
    write_table(path, validate(Curated, frame), name)
    reasons = current_result(data, Stage.CURATED, key).reasons
    cpu_seconds = process_time() - cpu_started
    return PartitionResult(key, len(frame), reasons, monotonic() - started, cpu_seconds=cpu_seconds)


def _may_be_used(stated: pl.Series, licences: tuple[str, ...] | None) -> pl.Series:
    """Whether each licence is one of those asked for."""
    if licences is None:
        return pl.repeat(True, len(stated), eager=True)
    allowed = [text for text in stated.unique() if normalize_licence(text) in licences]
    return stated.is_in(allowed).fill_null(False)


def _reject_licence(row: Row, licences: tuple[str, ...]) -> Row:
    stated = row["licence"]
    found = "no licence is stated" if stated is None else f"licence {one_line(ascii(stated))}"
    if stated is not None and (name := normalize_licence(stated)) != stated:
        found += f", which is {name}" if name else ", which is none that is known"
    return {
        **{name: row[name] for name in IDENTITY},
        "stage": Stage.CURATED.value,
        "reason": Reason.LICENCE.value,
        "detail": f"{found}; the settings keep {', '.join(licences)}",
    }


def _reject(row: Row, rule: Rule, preset: str) -> Row:
    found = ", ".join(f"{name} = {_number(row[name])}" for name in rule.columns)
    return {
        **{name: row[name] for name in IDENTITY},
        "stage": Stage.CURATED.value,
        "reason": rule.reason.value,
        "detail": f"{found or rule.description}; {preset} keeps {rule.keep}",
    }


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
