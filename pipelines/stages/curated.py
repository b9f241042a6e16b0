"""Ask licence policy and rules, drop copies, give each mesh its split, close the books. -> tables/curated"""

from functools import partial
from time import monotonic, process_time

import polars as pl

from pipelines.engines import folders_needed, over_partitions
from pipelines.ledger import build_ledger
from pipelines.licences import normalize_licence
from pipelines.reasons import Reason, Stage
from pipelines.rules import Preset, Rule, check_fits, load_preset
from pipelines.settings import CurationSettings, SplitSettings, WorkerLimits
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.duplicates import DUPLICATES
from pipelines.stages.partitions import (
    IDENTITY,
    Row,
    UpstreamError,
    current_result,
    is_current,
    write_rejects,
)
from pipelines.stages.verdicts import join_all, judge, tables_judged
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Curated, polars_schema, validate
from pipelines.worker_process import one_line

VERSION = 3
_FROM_DUPLICATES = ["cluster", "n_meshes", "representative", "representative_uri", "match"]
_LIKENESS = {"file": "same file as", "geometry": "same geometry as", "near": "nearly the same as"}


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
    build = partial(_build_partitions, data, preset, settings)
    return over_partitions(build, keys, settings, (Stage.CURATED, progress), folders_needed(data, settings))


def _build_partitions(
    data: DataFolder,
    preset: Preset,
    settings: CurationSettings,
    keys: list[ShardKey],
    _: WorkerLimits,
    progress: Progress,
) -> list[PartitionResult]:
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
    started, cpu_started = monotonic(), process_time()
    inputs = [data.table(stage, key) for stage in (*tables_judged(preset), DUPLICATES)]
    for path in inputs:
        if not path.exists():
            raise UpstreamError(f"{key}: {path} is absent; run the earlier stages first")
    split, licences = settings.split, settings.licences
    rules = [rule.model_dump(mode="json") for rule in preset.rules]
    used = {"rules": rules, "split": split.model_dump(), "duplicates": settings.duplicates}
    policy = {} if licences is None else {"licences": licences}
    name = fingerprint(Stage.CURATED, VERSION, {**used, "preset": preset.name, **policy}, inputs)
    path = data.table(Stage.CURATED, key)
    if is_current(name, [data.rejected(Stage.CURATED, key), path]):
        return current_result(data, Stage.CURATED, key)

    judged = judge(data, key, preset, licences)
    copies = pl.read_parquet(inputs[-1], columns=["mesh_id", *_FROM_DUPLICATES])
    judged = join_all(judged, copies, inputs[-1], key)
    is_copy = pl.col("match").is_not_null() & (settings.duplicates == "keep_representative")
    is_kept = pl.col("rule").is_null() & pl.col("may_be_used") & ~is_copy
    rejects = [_why_not(row, preset, licences or ()) for row in judged.filter(~is_kept).iter_rows(named=True)]
    kept = judged.filter(is_kept)
    splits = pl.Series("split", [split_of(sha256, split) for sha256 in kept["cluster"]], dtype=pl.String)
    frame = kept.with_columns(splits).select(list(polars_schema(Curated)))
    write_rejects(data, Stage.CURATED, key, rejects, name)
    write_table(path, validate(Curated, frame), name)
    reasons = current_result(data, Stage.CURATED, key).reasons
    cpu_seconds = process_time() - cpu_started
    return PartitionResult(key, len(frame), reasons, monotonic() - started, cpu_seconds=cpu_seconds)


def _why_not(row: Row, preset: Preset, licences: tuple[str, ...]) -> Row:
    """The row of a mesh not kept: for its licence, the first rule against it, or the mesh it is a copy of."""
    if not row["may_be_used"]:
        return _reject_licence(row, licences)
    if row["rule"] is not None:
        return _reject(row, preset.rules[row["rule"]], preset.name)
    return _duplicate(row)


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
    found = ", ".join(f"{name} = {_said(row[name])}" for name in rule.columns)
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


def _said(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else one_line(str(value))
