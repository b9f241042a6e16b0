"""Second stage: read and measure every file, keep its triangles. -> tables/mesh_table, geometry"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from pipelines.fetching import ContentStore, stored_paths
from pipelines.mesh_steps import MeasuredMesh, ReadTask, read_and_measure
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings
from pipelines.sources import RawFile, Source, shard_files
from pipelines.sources.files import uri_path
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.geometry import GeometryWriter
from pipelines.stages.partitions import IDENTITY, Row, StageWork, n_rows_on_disk, run_partitions
from pipelines.storage import DataFolder, ShardKey, fingerprint, write_table
from pipelines.tables import MeshTable, polars_schema, validate
from pipelines.worker_process import Failed

VERSION = 2


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
        data, work, data.partitions(Stage.RAW_MESHES) if keys is None else keys, settings.limits, progress
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
        self.store = ContentStore(Path(settings.fetch.store) if settings.fetch.store else data.store)

    def fingerprint(self, key: ShardKey) -> str:
        return fingerprint(self.stage, VERSION, self.limits, [self.data.table(Stage.RAW_MESHES, key)])

    def outputs(self, key: ShardKey) -> list[Path]:
        return [self.data.geometry(key), self.data.table(self.stage, key)]

    def n_rows(self, key: ShardKey) -> int:
        return n_rows_on_disk(self.data.table(Stage.RAW_MESHES, key))

    def tasks(self, key: ShardKey) -> Iterator[tuple[Row, ReadTask | Failed]]:
        rows = pl.read_parquet(self.data.table(Stage.RAW_MESHES, key), columns=[*IDENTITY, "format"])
        contents: dict[str, RawFile] | None = None
        stored = stored_paths(self.store, key)
        for row in rows.iter_rows(named=True):
            if row["uri"].startswith("file://") and row["uri"] not in stored:
                yield row, ReadTask(row["format"], row["sha256"], uri_path(row["uri"]))
                continue
            if row["uri"] in stored:
                yield row, ReadTask(row["format"], row["sha256"], stored[row["uri"]])
                continue
            if contents is None:
                contents = {file.uri: file for file in shard_files(self.sources, key.source, key.shard)}
            file = contents.get(row["uri"])
            if file is None or file.remote is not None:
                detail = "its source is not among those given, or its bytes are gone; give it and run again"
                yield row, Failed(Reason.UNREADABLE_FILE, detail)
                continue
            source = next(source for source in self.sources if source.name == key.source)
            yield row, ReadTask(row["format"], row["sha256"], None, source.read_bytes(file))

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
