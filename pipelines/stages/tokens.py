"""Third stage: normalise, pre-clean, repair and tokenise every mesh in a worker. -> tables/tokens"""

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import polars as pl
import pyarrow as pa

from pipelines.mesh_steps import TokenizedMesh, TokenizeTask, clean_and_tokenize
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.geometry import list_array, read_geometry
from pipelines.stages.partitions import IDENTITY, Row, StageWork, n_rows_on_disk, run_partitions
from pipelines.storage import ARRAY_ROWS_PER_GROUP, DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import SILKSONG_COLUMNS, Tokens, polars_schema, validate
from pipelines.tokenizers import TokenizerSettings, check_storable
from pipelines.worker_process import Failed

VERSION = 3
ARRAYS = {"tokens": pa.uint16(), "vertices": pa.float32(), "faces": pa.int32()}
"""Columns that hold a flat array a row."""


def build_tokens(
    data: DataFolder,
    settings: CurationSettings,
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring partitions of the tokens table up to date: those given, or all of mesh_table.

    Raises TokenizerError for a tokenizer that cannot be made, or whose ids do not fit the table.
    """
    check_storable(settings.tokenizer)
    work = _CleanAndTokenize(data, settings)
    return run_partitions(
        data, work, data.partitions(Stage.MESH_TABLE) if keys is None else keys, settings, progress
    )


class _CleanAndTokenize(StageWork):
    stage = Stage.TOKENS
    imports: tuple[str, ...] = ("pipelines.mesh_steps", "tokenizer_rs")
    unexpected = Reason.INTERNAL

    def __init__(self, data: DataFolder, settings: CurationSettings):
        self.function = clean_and_tokenize
        self.data = data
        self.tokenizer = settings.tokenizer
        self.faces_limit = settings.faces_limit
        self.decimate = settings.decimate
        if settings.decimate is not None:
            self.imports = (*self.imports, "pymeshlab")
        self.settings = {
            "decimate": settings.decimate and settings.decimate.model_dump(),
            "tokenizer": settings.tokenizer.model_dump(),
            "faces_limit": settings.faces_limit,
            "tokenizer_version": tokenizer_version(),
            "limits": settings.limits.model_dump(exclude={"workers"}),
        }

    def fingerprint(self, key: ShardKey) -> str:
        # the geometry is not read for it: it is written together with the mesh table, of the same input
        return fingerprint(self.stage, VERSION, self.settings, [self.data.table(Stage.MESH_TABLE, key)])

    def outputs(self, key: ShardKey) -> list[Path]:
        return [self.data.table(self.stage, key)]

    def n_rows(self, key: ShardKey) -> int:
        return n_rows_on_disk(self.data.table(Stage.MESH_TABLE, key))

    def tasks(self, key: ShardKey) -> Iterator[tuple[Row, TokenizeTask | Failed]]:
        rows = pl.read_parquet(self.data.table(Stage.MESH_TABLE, key), columns=[*IDENTITY, "n_faces"])
        limit = self.faces_limit
        meshes = read_geometry(self.data.geometry(key))
        for row, (mesh_id, vertices, faces) in zip(rows.iter_rows(named=True), meshes, strict=True):
            if mesh_id != row["mesh_id"]:
                raise ValueError(
                    f"{self.data.geometry(key)} does not belong to its mesh table; delete it and run again"
                )
            if len(faces) > limit:
                detail = f"{len(faces)} faces, more than {limit}; decimate it, or raise faces_limit"
                yield row, Failed(Reason.TOO_MANY_FACES_RAW, detail)
            else:
                yield row, TokenizeTask(vertices, faces, self.tokenizer, self.decimate)

    def writer(self, key: ShardKey, fingerprint: str, stack: ExitStack) -> "_TokensWriter":
        return _TokensWriter(self.data.table(self.stage, key), fingerprint, self.tokenizer)


class _TokensWriter:
    def __init__(self, path: Path, fingerprint: str, tokenizer: TokenizerSettings):
        self.path = path
        self.fingerprint = fingerprint
        self.constants = {"tokenizer": tokenizer.label, "resolution": tokenizer.resolution}
        self.rows: list[Row] = []

    def keep(self, row: Row, value: TokenizedMesh) -> None:
        n_tokens = len(value.tokens)
        self.rows.append(
            {
                **{name: row[name] for name in IDENTITY},
                **self.constants,
                **dict.fromkeys(SILKSONG_COLUMNS),
                **value.counts,
                "exact": value.exact,
                "n_tokens": n_tokens,
                "compression_ratio": n_tokens / (9 * value.counts["n_faces"]),
                "tokens": value.tokens,
                "vertices": value.vertices.ravel(),
                "faces": value.faces.ravel(),
            }
        )

    def finish(self) -> int:
        columns = {}
        for name, dtype in polars_schema(Tokens).items():
            values = [row[name] for row in self.rows]
            columns[name] = (
                list_array(values, ARRAYS[name]) if name in ARRAYS else pl.Series(values, dtype=dtype)
            )
        frame = validate(Tokens, pl.DataFrame(columns))
        write_table(self.path, frame, self.fingerprint, rows_per_group=ARRAY_ROWS_PER_GROUP)
        return len(frame)


def tokenizer_version() -> str:
    """Of the installed library; part of every fingerprint of what it made."""
    try:
        return version("meshloom-tokenizer")
    except PackageNotFoundError:
        return "unknown"
