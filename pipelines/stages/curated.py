"""Ask the preset's rules, drop copies, give each mesh its split, close the account. -> tables/curated"""

from time import monotonic

import polars as pl

from pipelines.ledger import build_ledger
from pipelines.reasons import Reason, Stage
from pipelines.rules import Preset, Rule, check_fits, first_failure, load_preset
from pipelines.settings import CurationSettings, SplitSettings
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.duplicates import DUPLICATES
from pipelines.stages.partitions import IDENTITY, Row, current_result, is_current, write_rejects
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Curated, Tokens, polars_schema, validate

VERSION = 3
_FROM_DUPLICATES = ["cluster", "n_meshes", "representative", "representative_uri", "match"]
_LIKENESS = {"file": "same file as", "geometry": "same geometry as", "near": "nearly the same as"}
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
    check_fits(preset, settings.tokenizer)
    keys = data.partitions(Stage.RAW_MESHES) if keys is None else keys
    results = []
    for n_done, key in enumerate(keys):
        progress(Stage.CURATED, n_done, len(keys))
        results.append(_build_partition(data, key, preset, settings))
        build_ledger(data, [key])
    progress(Stage.CURATED, len(keys), len(keys))
    return results


def split_of(sha256: str, split: SplitSettings) -> str:
    """Split of a cluster of copies, by the smallest hash of its files: only a new copy can move it."""
    share = int(sha256[:16], 16) / 2**64
    if share < split.test:
        return "test"
    return "val" if share < split.test + split.val else "train"


def _build_partition(
    data: DataFolder, key: ShardKey, preset: Preset, settings: CurationSettings
) -> PartitionResult:
    started = monotonic()
    split, duplicates = settings.split, settings.duplicates
    inputs = [data.table(stage, key) for stage in (Stage.RAW_MESHES, Stage.TOKENS, DUPLICATES)]
    for path in inputs:
        if not path.exists():
            raise UpstreamError(f"{key}: {path} is absent; run the earlier stages first")
    rules = [rule.model_dump(mode="json") for rule in preset.rules]
    used = {"rules": rules, "split": split.model_dump(), "duplicates": duplicates}
    name = fingerprint(Stage.CURATED, VERSION, {**used, "preset": preset.name}, inputs)
    path = data.table(Stage.CURATED, key)
    if is_current(name, [data.rejected(Stage.CURATED, key), path]):
        return current_result(data, Stage.CURATED, key)

    rows = pl.read_parquet(inputs[1], columns=_FROM_TOKENS)
    about = pl.read_parquet(inputs[0], columns=["mesh_id", *_FROM_RAW_MESHES])
    copies = pl.read_parquet(inputs[2], columns=["mesh_id", *_FROM_DUPLICATES])
    judged = rows.with_columns(first_failure(preset))
    for frame in (about, copies):
        judged = judged.join(frame, on="mesh_id", how="left", validate="1:1", maintain_order="left")
    for upstream, column in ((inputs[0], "name"), (inputs[2], "cluster")):
        if judged[column].null_count():
            raise UpstreamError(
                f"{key}: {upstream} lacks meshes that {inputs[1]} has; run the earlier stages"
            )
    passed = pl.col("rule").is_null()
    is_copy = pl.col("match").is_not_null() & (duplicates == "keep_representative")
    rejects = [
        _duplicate(row) if row["rule"] is None else _reject(row, preset.rules[row["rule"]], preset.name)
        for row in judged.filter(~passed | is_copy).iter_rows(named=True)
    ]
    kept = judged.filter(passed & ~is_copy)
    splits = pl.Series("split", [split_of(sha256, split) for sha256 in kept["cluster"]], dtype=pl.String)
    frame = kept.with_columns(splits).select(list(polars_schema(Curated)))
    write_rejects(data, Stage.CURATED, key, rejects, name)
    write_table(path, validate(Curated, frame), name)
    reasons = current_result(data, Stage.CURATED, key).reasons
    return PartitionResult(key, len(frame), reasons, monotonic() - started)


def _reject(row: Row, rule: Rule, preset: str) -> Row:
    found = ", ".join(f"{name} = {_number(row[name])}" for name in rule.columns)
    return {
        **{name: row[name] for name in IDENTITY},
        "stage": Stage.CURATED.value,
        "reason": rule.reason.value,
        "detail": f"{found or rule.description}; {preset} keeps {rule.keep}",
    }


def _duplicate(row: Row) -> Row:
    return {
        **{name: row[name] for name in IDENTITY},
        "stage": Stage.CURATED.value,
        "reason": Reason.DUPLICATE.value,
        "detail": f"{_LIKENESS[row['match']]} {row['representative']} ({row['representative_uri']}), one of "
        f"{row['n_meshes']} copies; duplicates: keep_all keeps them",
    }


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
