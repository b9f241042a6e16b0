"""Second stage: read and measure every file, keep its triangles. -> tables/mesh_table, geometry"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from pipelines.mesh_steps import MeasuredMesh, ReadTask, read_and_measure
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings
from pipelines.sources import Source
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.contents import ShardContents
from pipelines.stages.geometry import GeometryWriter
from pipelines.stages.partitions import IDENTITY, Row, StageWork, n_rows_on_disk, run_partitions
from pipelines.storage import DataFolder, ShardKey, fingerprint, rows_sha256, write_table
from pipelines.tables import MeshTable, polars_schema, validate
from pipelines.worker_process import Failed

VERSION = 3
_READ = [*IDENTITY, "format", "side_files_sha256"]
"""What this stage asks of the files: a changed licence or caption measures nothing again."""


def build_mesh_table(
    data: DataFolder,
    settings: CurationSettings,
    sources: list[Source],
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring partitions of the mesh table up to date: those given, or all of raw_meshes.

    `sources` are asked for the bytes of files without a path.
    """
    work = _ReadAndMeasure(data, settings, sources)
    return run_partitions(
        data, work, data.partitions(Stage.RAW_MESHES) if keys is None else keys, settings, progress
    )


class _ReadAndMeasure(StageWork):
    stage = Stage.MESH_TABLE
    imports = ("pipelines.mesh_steps", "tokenizer_rs")
    unexpected = Reason.LOAD

    def __init__(self, data: DataFolder, settings: CurationSettings, sources: list[Source]):
        self.function = read_and_measure
        self.data = data
        self.limits = settings.limits.model_dump(exclude={"workers"})
        self.sources = sources
        self.curation = settings

    def fingerprint(self, key: ShardKey) -> str:
        files = rows_sha256(pl.read_parquet(self.data.table(Stage.RAW_MESHES, key), columns=_READ))
        return fingerprint(self.stage, VERSION, {**self.limits, "files": files}, [])

    def outputs(self, key: ShardKey) -> list[Path]:
        return [self.data.geometry(key), self.data.table(self.stage, key)]

    def n_rows(self, key: ShardKey) -> int:
        return n_rows_on_disk(self.data.table(Stage.RAW_MESHES, key))

    def tasks(self, key: ShardKey) -> Iterator[tuple[Row, ReadTask | Failed]]:
        rows = pl.read_parquet(self.data.table(Stage.RAW_MESHES, key), columns=_READ)
        contents = ShardContents(self.data, self.curation, self.sources, key)
        for row in rows.iter_rows(named=True):
            content = contents.of(row["uri"])
            if content is None:
                detail = "its source is not among those given, or its bytes are gone; give it and run again"
                yield row, Failed(Reason.UNREADABLE_FILE, detail)
            elif isinstance(content, bytes):
                yield row, ReadTask(row["format"], row["sha256"], None, content)
            else:
                yield row, ReadTask(row["format"], row["sha256"], content)

    def writer(self, key: ShardKey, fingerprint: str, stack: ExitStack) -> "_MeshTableWriter":
        return _MeshTableWriter(self.data, key, fingerprint, stack)


class _MeshTableWriter:
    def __init__(self, data: DataFolder, key: ShardKey, fingerprint: str, stack: ExitStack):
        self.path = data.table(Stage.MESH_TABLE, key)
        self.fingerprint = fingerprint
        self.geometry = GeometryWriter(data.geometry(key), fingerprint, stack)
        self.rows: list[Row] = []

    def keep(self, row: Row, value: MeasuredMesh) -> None:
        self.geometry.add(row["mesh_id"], value.vertices, value.faces)
        measures = {f"n_{name}": count for name, count in value.measures.items() if name != "watertight"}
        self.rows.append(
            {
                **{name: row[name] for name in IDENTITY},
                **measures,
                "n_vertices_raw": len(value.vertices) + value.n_unreferenced,
                "is_watertight": value.measures["watertight"],
                "bounding_box_diagonal": value.bounding_box_diagonal,
                "n_geometries": value.n_geometries,
            }
        )

    def finish(self) -> int:
        self.geometry.finish()
        frame = pl.DataFrame(self.rows, schema=polars_schema(MeshTable), orient="row")
        write_table(self.path, validate(MeshTable, frame), self.fingerprint)
        return len(frame)
