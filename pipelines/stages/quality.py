"""Beside the tokens: measure the quality of every mesh that loads. -> tables/quality

A row for each row of the mesh table, whatever happens: this stage rejects nothing, rules may.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from pipelines.quality import Columns, Flaws, QualityTask, measure_task
from pipelines.reasons import Reason, Stage
from pipelines.rule_columns import QUALITY
from pipelines.settings import CurationSettings
from pipelines.sources import Source
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.contents import ShardContents
from pipelines.stages.geometry import read_geometry
from pipelines.stages.partitions import IDENTITY, Row, StageWork, n_rows_on_disk, run_partitions
from pipelines.stages.tokens import tokenizer_version
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import Quality, polars_schema, validate
from pipelines.worker_process import Failed

VERSION = 4
_FORMATS_WITH_FLAGS = frozenset({"glb", "gltf"})
"""Only of these the file is read again."""


def build_quality(
    data: DataFolder,
    settings: CurationSettings,
    sources: list[Source],
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring partitions of the quality table up to date: those given, or all of mesh_table.

    `sources` are asked for the bytes of files without a path.
    """
    work = _MeasureQuality(data, settings, sources)
    return run_partitions(
        data, work, data.partitions(Stage.MESH_TABLE) if keys is None else keys, settings, progress
    )


class _MeasureQuality(StageWork):
    stage = QUALITY
    keeps_failures = True
    imports = ("pipelines.quality", "tokenizer_rs")
    unexpected = Reason.INTERNAL

    def __init__(self, data: DataFolder, settings: CurationSettings, sources: list[Source]):
        self.function = measure_task
        self.data = data
        self.curation = settings
        self.quality = settings.quality
        self.faces_limit = settings.faces_limit
        self.settings = {
            "quality": settings.quality.model_dump(),
            "faces_limit": settings.faces_limit,
            "tokenizer_version": tokenizer_version(),
            "limits": settings.limits.model_dump(exclude={"workers"}),
        }
        self.sources = sources

    def fingerprint(self, key: ShardKey) -> str:
        # neither geometry nor files are read for it: the mesh table is made of the same bytes
        return fingerprint(self.stage, VERSION, self.settings, [self.data.table(Stage.MESH_TABLE, key)])

    def outputs(self, key: ShardKey) -> list[Path]:
        return [self.data.table(self.stage, key)]

    def n_rows(self, key: ShardKey) -> int:
        return n_rows_on_disk(self.data.table(Stage.MESH_TABLE, key))

    def tasks(self, key: ShardKey) -> Iterator[tuple[Row, QualityTask]]:
        columns = [*IDENTITY, *Flaws._fields]
        rows = pl.read_parquet(self.data.table(Stage.MESH_TABLE, key), columns=columns)
        listed = pl.read_parquet(self.data.table(Stage.RAW_MESHES, key), columns=["mesh_id", "format"])
        formats = dict(listed.iter_rows())
        contents = ShardContents(self.data, self.curation, self.sources, key)
        meshes = read_geometry(self.data.geometry(key))
        for row, (mesh_id, vertices, faces) in zip(rows.iter_rows(named=True), meshes, strict=True):
            if mesh_id != row["mesh_id"]:
                raise ValueError(
                    f"{self.data.geometry(key)} does not belong to its mesh table; delete it and run again"
                )
            has_flags = formats[mesh_id] in _FORMATS_WITH_FLAGS
            found = contents.of(row["uri"]) if has_flags else b""
            path, content = (found, None) if isinstance(found, Path) else (None, found)
            flaws = Flaws(*(row[name] for name in Flaws._fields))
            settings = (self.quality, self.faces_limit)
            yield row, QualityTask(vertices, faces, formats[mesh_id], path, content, *settings, flaws)

    def writer(self, key: ShardKey, fingerprint: str, stack: ExitStack) -> "_QualityWriter":
        return _QualityWriter(self.data.table(self.stage, key), fingerprint)


class _QualityWriter:
    def __init__(self, path: Path, fingerprint: str):
        self.path = path
        self.fingerprint = fingerprint
        self.rows: list[Row] = []

    def keep(self, row: Row, value: Columns | Failed) -> None:
        measured = {"code": value.reason.value} if isinstance(value, Failed) else value
        identity = {name: row[name] for name in IDENTITY}
        self.rows.append({**dict.fromkeys(polars_schema(Quality)), **measured, **identity})

    def finish(self) -> int:
        frame = pl.DataFrame(self.rows, schema=polars_schema(Quality), orient="row")
        write_table(self.path, validate(Quality, frame), self.fingerprint)
        return len(frame)
