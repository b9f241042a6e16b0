"""All stages in one call: from files to a data set with a version.

report = curate(["local:meshes", "builtin:"], Path("data"))
print(report.summary())

A second call does what changed since the first, also after the first was killed.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl

from pipelines.engines import connected
from pipelines.kept_workers import workers_kept
from pipelines.ledger import LEDGER
from pipelines.manifest import count_values, write_manifest
from pipelines.reasons import Reason, Stage
from pipelines.rules import check_fits, load_preset
from pipelines.settings import CurationSettings
from pipelines.sources import Source, parse_sources
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.curated import build_curated
from pipelines.stages.descriptors import DESCRIPTORS, build_descriptors
from pipelines.stages.duplicates import DUPLICATES, build_duplicates
from pipelines.stages.mesh_table import build_mesh_table
from pipelines.stages.quality import QUALITY, build_quality
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.stages.shards import SHARDS, build_shards
from pipelines.stages.tokens import build_tokens
from pipelines.storage import DISK_ERRNO, DataFolder
from pipelines.tokenizers import check_storable
from pipelines.workers import n_workers


class CurationError(RuntimeError):
    """A data set that cannot be made: what is in the way, and what to do."""


class TargetError(CurationError):
    """A folder that takes no more: its disk is full or read-only."""

    is_transient = False


class FolderBusyError(CurationError):
    """A data set that another process is writing to; it may be free a moment later."""

    is_transient = True


@dataclass(frozen=True)
class StageReport:
    """What one stage did."""

    stage: str
    n_partitions: int
    n_current: int
    """Partitions that were up to date already."""
    n_kept: int
    reasons: dict[str, int]
    seconds: float

    @property
    def n_rejected(self) -> int:
        """Files rejected by this stage."""
        return sum(self.reasons.values())


@dataclass(frozen=True)
class CurationReport:
    """What a data set consists of, and what it took to make it."""

    root: Path
    version: str
    n_files: int
    n_kept: int
    reasons: dict[str, int]
    splits: dict[str, int]
    stages: tuple[StageReport, ...]

    @property
    def seconds(self) -> float:
        """Of all stages together."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def paths(self) -> dict[str, Path]:
        """Where to look."""
        data = DataFolder(self.root)
        return {"manifest": data.manifest, "ledger": data.tables / LEDGER, "shards": data.shards}

    def summary(self) -> str:
        """The report as text for a terminal."""
        lines = [f"{'stage':<12}{'kept':>9}{'rejected':>10}{'partitions':>12}{'current':>9}{'seconds':>9}"]
        lines += [
            f"{stage.stage:<12}{stage.n_kept:>9,}{stage.n_rejected:>10,}"
            f"{stage.n_partitions:>12,}{stage.n_current:>9,}{stage.seconds:>9.1f}"
            for stage in self.stages
        ]
        lines += ["", f"{self.n_kept:,} of {self.n_files:,} files kept, version {self.version[:16]}"]
        lines += [_listing("splits", self.splits)] if self.splits else []
        lines += [_listing("rejected", self.reasons)] if self.reasons else []
        lines += [f"{name:<12}{path}" for name, path in self.paths.items()]
        return "\n".join(lines)


def curate(
    sources: Sequence[str],
    out: Path | str,
    settings: CurationSettings | None = None,
    progress: Progress = no_progress,
) -> CurationReport:
    """Make `out` the data set of exactly these sources.

    Raises SourceError, PresetError, TokenizerError, EngineError or CurationError for what cannot be used,
    before anything is written, and CurationError where another process is writing to `out`, or its disk is
    full or read-only.
    """
    settings = settings or CurationSettings()
    if not sources:
        raise CurationError("no sources; give for example builtin: or local:PATH")
    return curate_parsed(parse_sources(sources), sources, Path(out), settings, progress)


def curate_parsed(
    parsed: list[Source],
    texts: Sequence[str],
    out: Path,
    settings: CurationSettings,
    progress: Progress = no_progress,
) -> CurationReport:
    """The same of sources that are parsed already; `texts` is how the manifest names them."""
    check_fits(load_preset(settings.preset), settings.tokenizer, settings.quality)
    check_storable(settings.tokenizer)
    if not any(source.shards() for source in parsed):
        raise CurationError(f"{', '.join(texts)}: no files that might be meshes; nothing to curate")
    data = DataFolder(out)
    n_ready = n_workers(settings.limits) if settings.engine.name == "local" else 0
    with (
        connected(settings.engine),
        _target_errors(data),
        exclusive(data),
        workers_kept(n_ready, imports=("pipelines.mesh_steps", "pipelines.quality", "tokenizer_rs")),
    ):
        remove_leftovers(data)
        stages = [
            _timed(Stage.RAW_MESHES, build_raw_meshes, data, parsed, settings, None, progress),
            _timed(Stage.MESH_TABLE, build_mesh_table, data, settings, parsed, None, progress),
            _timed(QUALITY, build_quality, data, settings, parsed, None, progress),
            _timed(Stage.TOKENS, build_tokens, data, settings, None, progress),
            _timed(DESCRIPTORS, build_descriptors, data, settings, None, progress),
            _timed(DUPLICATES, build_duplicates, data, settings, progress),
            _timed(Stage.CURATED, build_curated, data, settings, None, progress),
            _timed(SHARDS, build_shards, data, settings, None, progress),
        ]
        counts = write_manifest(data, settings, texts)
        if settings.engine.name != "local":
            remove_leftovers(data)  # of nodes that were lost
    return _report(data, counts, stages)


def funnel(data: DataFolder) -> pl.DataFrame:
    """How many files are left after each step: step, kept, rejected; rules one by one.

    Raises FileNotFoundError where there is no ledger yet.
    """
    ledger = data.scan(LEDGER).select("stage", "reason").collect()
    left = ledger.height
    rows = [("files", left, 0)]
    for stage in Stage:
        rejected = ledger.filter(pl.col("stage") == stage)["reason"]
        if stage is not Stage.CURATED:
            steps = {stage.value: len(rejected)}
        else:
            found = count_values(rejected)
            steps = {reason.value: found[reason] for reason in Reason if reason in found} or {stage.value: 0}
        for step, n_rejected in steps.items():
            left -= n_rejected
            rows.append((step, left, n_rejected))
    return pl.DataFrame(
        rows, schema={"step": pl.String, "kept": pl.Int64, "rejected": pl.Int64}, orient="row"
    )


@contextmanager
def exclusive(data: DataFolder) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends.

    Raises FolderBusyError where another process holds it.
    """
    path = data.cache / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise FolderBusyError(
                f"{data.root} is being written by process {owner}; wait for it, or choose another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def remove_leftovers(data: DataFolder) -> None:
    """Delete temporary files and folders of runs that were killed; call it only while holding the lock."""
    for path in data.root.rglob(".*.partial"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _target_errors(data: DataFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRNO:
            raise
        place = f", at {error.filename}" if error.filename else ""
        raise TargetError(
            f"{data.root} cannot be written ({os.strerror(error.errno)}{place}); make room, or make it "
            "writable, and run again: what is done already is kept"
        ) from error


def _timed(stage: str, build: Any, *arguments: Any) -> StageReport:
    started = monotonic()
    results: list[PartitionResult] = build(*arguments)
    reasons: dict[str, int] = {}
    for result in results:
        for reason, count in result.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    return StageReport(
        stage=str(stage),
        n_partitions=len(results),
        n_current=sum(result.was_current for result in results),
        n_kept=sum(result.n_kept for result in results),
        reasons=dict(sorted(reasons.items())),
        seconds=monotonic() - started,
    )


def _report(data: DataFolder, manifest: dict[str, Any], stages: list[StageReport]) -> CurationReport:
    counts = manifest["counts"]
    return CurationReport(
        root=data.root,
        version=manifest["version"],
        n_files=counts["files"],
        n_kept=counts["status"].get("kept", 0),
        reasons=counts["reasons"],
        splits=counts["splits"],
        stages=tuple(stages),
    )


def _listing(title: str, counts: dict[str, int]) -> str:
    return f"{title:<12}" + ", ".join(f"{name} {count:,}" for name, count in counts.items())
