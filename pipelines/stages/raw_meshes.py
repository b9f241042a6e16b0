"""First stage: list the files of all sources and hash their bytes. -> tables/raw_meshes

The data set is what the sources list: a full run removes partitions that no source holds any more.
"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from time import monotonic, process_time

import polars as pl

from pipelines.fetching import ContentStore, Fetched, Fetcher, modified
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings
from pipelines.sources import Annotations, RawFile, Source, SourceError
from pipelines.sources.files import READABLE_FORMATS
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.file_hashes import FileHashes
from pipelines.stages.partitions import Row, current_result, is_current, reject, write_rejects
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import RawMeshes, polars_schema, validate
from pipelines.worker_process import Failed
from pipelines.workers import n_workers

VERSION = 2
_LISTED = {field.name for field in fields(RawFile)}


def build_raw_meshes(
    data: DataFolder,
    sources: list[Source],
    settings: CurationSettings,
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """List and hash the partitions given, or all of the sources.

    Files are hashed again only where size or times changed since the last run.
    Raises SourceError where two sources hold the same partition, or none holds one that is asked for.
    """
    source_by_key = _source_by_key(sources)
    missing = [str(key) for key in keys or [] if key not in source_by_key]
    if missing:
        raise SourceError(
            f"no source holds {', '.join(missing)}; give its source, or leave the partition out"
        )
    if keys is None:
        keys = sorted(source_by_key)
        remove_partitions(
            data, [key for key in data.partitions(Stage.RAW_MESHES) if key not in source_by_key]
        )
    store = ContentStore(Path(settings.fetch.store) if settings.fetch.store else data.store)
    fetcher = Fetcher(store, settings.fetch, settings.size_bytes_limit)
    results = []
    for n_done, key in enumerate(keys):
        progress(Stage.RAW_MESHES, n_done, len(keys))
        results.append(_build_partition(data, source_by_key[key], key, settings, fetcher))
    progress(Stage.RAW_MESHES, len(keys), len(keys))
    return results


def remove_partitions(data: DataFolder, keys: list[ShardKey]) -> None:
    """Delete the files of partitions in all stages, those of the first stage last."""
    for key in keys:
        name = f"{key.source}/{_literal(key.shard)}.parquet"
        found = [*data.tables.glob(f"*/{name}"), *data.tables.glob(f"rejected/*/{name}"), data.geometry(key)]
        first = data.table(Stage.RAW_MESHES, key)
        for path in [*(path for path in found if path != first), first]:
            path.unlink(missing_ok=True)


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "[]*?" else character for character in name)


def _source_by_key(sources: list[Source]) -> dict[ShardKey, Source]:
    by_key: dict[ShardKey, Source] = {}
    for source in sources:
        for shard in source.shards():
            key = ShardKey(source.name, shard)
            if key in by_key:
                raise SourceError(f"two sources hold {key}; give only one of them")
            by_key[key] = source
    return by_key


def _build_partition(
    data: DataFolder, source: Source, key: ShardKey, settings: CurationSettings, fetcher: Fetcher
) -> PartitionResult:
    started, cpu_started = monotonic(), process_time()
    files = source.list_files(key.shard)
    hashes = FileHashes(data.cache / Stage.RAW_MESHES / key.source / f"{key.shard}.parquet")
    hashes.update(
        [file.path for file in files if _is_hashed(file)],
        settings.size_bytes_limit,
        n_workers(settings.limits),
    )
    fetched = fetcher.fetch(key, [file for file in files if _is_fetched(file)])
    kept: list[Row] = []
    rejects: list[Row] = []
    for file in files:
        row = _identity(file)
        outcome = _inspect(file, source, hashes, fetched, settings)
        if isinstance(outcome, Failed):
            rejects.append(reject(row, Stage.RAW_MESHES, outcome))
            continue
        row["size_bytes"], row["sha256"] = outcome
        row["side_files_sha256"] = _side_files_sha256(file, hashes, fetched.get(file.uri))
        kept.append(row)
    hashes.save()
    name = fingerprint(Stage.RAW_MESHES, VERSION, {"kept": kept, "rejects": rejects}, [])
    path = data.table(Stage.RAW_MESHES, key)
    if is_current(name, [data.rejected(Stage.RAW_MESHES, key), path]):
        return current_result(data, Stage.RAW_MESHES, key)
    write_rejects(data, Stage.RAW_MESHES, key, rejects, name)
    frame = pl.DataFrame(kept, schema=polars_schema(RawMeshes), orient="row")
    write_table(path, validate(RawMeshes, frame), name)
    reasons = current_result(data, Stage.RAW_MESHES, key).reasons
    cpu_seconds = process_time() - cpu_started
    return PartitionResult(key, len(frame), reasons, monotonic() - started, cpu_seconds=cpu_seconds)


def _identity(file: RawFile) -> Row:
    identity = {name: getattr(file, name) for name in polars_schema(RawMeshes) if name in _LISTED}
    return {**identity, **(file.annotations or Annotations()).columns()}


def _side_files_sha256(
    file: RawFile, hashes: FileHashes, bytes_elsewhere: Fetched | Failed | None
) -> str | None:
    """Side files are part of the input: a changed buffer must be read again."""
    found = hashes.side_files(file.path) if file.path is not None else {}
    if isinstance(bytes_elsewhere, Fetched):
        found = bytes_elsewhere.side_files
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() if found else None


def _is_hashed(file: RawFile) -> bool:
    return file.path is not None and file.problem is None and file.format in READABLE_FORMATS


def _is_fetched(file: RawFile) -> bool:
    return (
        file.path is None
        and file.remote is not None
        and file.problem is None
        and file.format in READABLE_FORMATS
    )


def _inspect(
    file: RawFile,
    source: Source,
    hashes: FileHashes,
    fetched: dict[str, Fetched | Failed],
    settings: CurationSettings,
) -> tuple[int, str] | Failed:
    """Size and sha256 of a file, or why it is rejected."""
    if file.format not in READABLE_FORMATS:
        what = f".{file.format} files cannot be read" if file.format else "it has no extension"
        readable = ", ".join(sorted(READABLE_FORMATS))
        return Failed(Reason.UNSUPPORTED_FORMAT, f"{what}; convert or rename it to one of {readable}")
    if file.problem is not None:
        return Failed(file.problem_reason, file.problem)
    found = _size_and_hash(file, source, hashes, fetched)
    if isinstance(found, Failed):
        return found
    size, sha256 = found
    if size == 0:
        return Failed(Reason.EMPTY_FILE, "zero bytes; download it again")
    if sha256 is None:
        limit = settings.size_bytes_limit
        return Failed(
            Reason.TOO_LARGE, f"{size} bytes, more than {limit}; simplify it, or raise size_bytes_limit"
        )
    return size, sha256


def _size_and_hash(
    file: RawFile, source: Source, hashes: FileHashes, fetched: dict[str, Fetched | Failed]
) -> tuple[int, str | None] | Failed:
    """Size and sha256 of a file's bytes, wherever they lie; no sha256 where it is too large."""
    if file.path is not None:
        found = hashes.of(file.path)
        listed = file.remote.sha256 if file.remote else None
        if isinstance(found, Failed) or listed is None or found[1] in {None, listed}:
            return found
        return modified(found[1], listed)
    if file.remote is None:
        return hashes.of_content(source.read_bytes(file))
    outcome = fetched[file.uri]
    return outcome if isinstance(outcome, Failed) else (outcome.size_bytes, outcome.sha256)
