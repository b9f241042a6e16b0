"""Beside the tokens: describe every mesh of the mesh table, to find its copies. -> tables/descriptors

A mesh that cannot be described is not rejected: it has no descriptor, and is a copy of nothing but the
same file.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.duplicates import Description
from pipelines.engines import folders_needed, over_partitions
from pipelines.mesh_steps import DescribeTask, describe_mesh
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.geometry import list_array, read_geometry
from pipelines.stages.partitions import IDENTITY, Row, is_current, n_rows_on_disk
from pipelines.storage import ARRAY_ROWS_PER_GROUP, DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Descriptors, polars_schema, validate
from pipelines.workers import Failed, Ok, map_capped

VERSION = 4
DESCRIPTORS = "descriptors"
"""Folder of the tables, and `stage` where one is asked for."""
_ARRAYS = {"descriptor": pa.uint16(), "landmarks": pa.int16()}


def build_descriptors(
    data: DataFolder,
    settings: CurationSettings,
    keys: Sequence[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring partitions of the descriptors up to date: those given, or all of mesh_table."""
    keys = data.partitions(Stage.MESH_TABLE) if keys is None else list(keys)
    folders = folders_needed(data, settings)
    return over_partitions(partial(_describe, data), keys, settings, (DESCRIPTORS, progress), folders)


def _describe(
    data: DataFolder, keys: list[ShardKey], limits: WorkerLimits, progress: Progress
) -> list[PartitionResult]:
    used = limits.model_dump(exclude={"workers"})
    tables = {key: data.table(Stage.MESH_TABLE, key) for key in keys}
    names = {key: fingerprint(DESCRIPTORS, VERSION, used, [tables[key]]) for key in keys}
    stale = [key for key in keys if not is_current(names[key], [data.table(DESCRIPTORS, key)])]
    n_done, n_all = 0, sum(n_rows_on_disk(tables[key]) for key in stale)
    results = {
        key: PartitionResult(key, n_rows_on_disk(data.table(DESCRIPTORS, key)), was_current=True)
        for key in keys
        if key not in stale
    }
    outcomes = map_capped(
        describe_mesh,
        (task for key in stale for task in _tasks(data, key)),
        limits,
        Reason.INTERNAL,
        ("pipelines.duplicates.descriptor", "tokenizer_rs"),
    )
    for key in stale:  # outcomes come in the order of the tasks
        started, cpu_seconds = monotonic(), 0.0
        rows: list[Row] = []
        for identity in pl.read_parquet(tables[key], columns=list(IDENTITY)).iter_rows(named=True):
            _, outcome = next(outcomes)
            rows.append(_row(identity, outcome))
            cpu_seconds += outcome.cpu_seconds
            n_done += 1
            progress(DESCRIPTORS, n_done, n_all)
        _write(data.table(DESCRIPTORS, key), rows, names[key])
        seconds = monotonic() - started
        results[key] = PartitionResult(key, len(rows), seconds=seconds, cpu_seconds=cpu_seconds)
    deque(outcomes, maxlen=0)  # ends the pool
    return [results[key] for key in keys]


def _tasks(data: DataFolder, key: ShardKey) -> Iterator[DescribeTask]:
    for _, vertices, faces in read_geometry(data.geometry(key)):
        yield DescribeTask(vertices, faces)


def _row(identity: Row, outcome: Ok[Description] | Failed) -> Row:
    if isinstance(outcome, Failed):
        nothing = dict.fromkeys(("geometry_hash", "descriptor", "landmarks"))
        return {**identity, **nothing, "problem": f"{outcome.reason.value}: {outcome.detail}"}
    found = outcome.value
    return {
        **identity,
        "geometry_hash": found.geometry_hash,
        "descriptor": found.descriptor,
        "landmarks": found.landmarks.ravel(),
        "problem": None,
    }


def _write(path: Path, rows: list[Row], name: str) -> None:
    columns: dict[str, Any] = {}
    for column, dtype in polars_schema(Descriptors).items():
        values = [row[column] for row in rows]
        columns[column] = _lists(values, column) if column in _ARRAYS else pl.Series(values, dtype=dtype)
    frame = validate(Descriptors, pl.DataFrame(columns))
    write_table(path, frame, name, rows_per_group=ARRAY_ROWS_PER_GROUP)


def _lists(values: list[NDArray | None], column: str) -> pl.Series:
    """A column of lists in which a row may be null."""
    is_there = [value is not None for value in values]
    empty = np.zeros(0, dtype=np.int64)
    lists = list_array([empty if value is None else value for value in values], _ARRAYS[column])
    return pl.select(
        pl.when(pl.Series(is_there, dtype=pl.Boolean)).then(pl.Series(lists)).otherwise(None)
    ).to_series()
