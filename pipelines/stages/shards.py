"""Last stage: WebDataset tars of the curated meshes, and where in them each sample lies. -> shards

Tars are for exchange: any WebDataset reader takes them. (The standard library writes them: `webdataset`
imports torch.) The index is for training, which reads a member by position,
`os.pread(tar, tokens_size, tokens_offset)`, in an order of its own.

One sample: <mesh_id>.tokens.npy (uint16), <mesh_id>.vertices.npy (float32 (V, 3)),
<mesh_id>.faces.npy (int32 (F, 3)), <mesh_id>.json (provenance, licence, statistics).
"""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.engines import folders_needed, over_partitions
from pipelines.reasons import Stage
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.partitions import Row, UpstreamError, is_current, n_rows_on_disk
from pipelines.storage import DataFolder, ShardKey, atomic_path, fingerprint, table_fingerprint, write_table
from pipelines.tables import ShardIndex, polars_schema, validate
from pipelines.tokenizers import TOKEN_DTYPE

VERSION = 2
SHARDS = "shards"
"""Folder of the partitions' index tables, and `stage` where one is asked for."""
MEMBERS = ("tokens", "vertices", "faces")
_OWNER = "meshloom"
_LAST_MEMBER = "vertices"  # the members of a sample are sorted by name


def build_shards(
    data: DataFolder,
    settings: CurationSettings,
    keys: list[ShardKey] | None = None,
    progress: Progress = no_progress,
) -> list[PartitionResult]:
    """Bring the tars of the partitions given, or of all curated ones, up to date, and the index of all tars.

    The index is absent while tars change, so that nobody reads new bytes at old places.
    Raises UpstreamError where an earlier stage has not run.
    """
    keys = data.partitions(Stage.CURATED) if keys is None else keys
    build = partial(_build_partitions, data, settings.samples_per_shard)
    results = over_partitions(build, keys, settings, (SHARDS, progress), folders_needed(data, settings))
    write_index(data)
    return results


def index_path(data: DataFolder) -> Path:
    """The index of all shards."""
    return data.shards / "index.parquet"


def _build_partitions(
    data: DataFolder, samples_per_shard: int, keys: list[ShardKey], _: WorkerLimits, progress: Progress
) -> list[PartitionResult]:
    results = []
    for n_done, key in enumerate(keys):
        progress(SHARDS, n_done, len(keys))
        results.append(_build_partition(data, key, samples_per_shard))
    progress(SHARDS, len(keys), len(keys))
    return results


def _build_partition(data: DataFolder, key: ShardKey, samples_per_shard: int) -> PartitionResult:
    started, cpu_started = monotonic(), process_time()
    inputs = [data.table(stage, key) for stage in (Stage.CURATED, Stage.TOKENS)]
    for path in inputs:
        if not path.exists():
            raise UpstreamError(f"{key}: {path} is absent; run the earlier stages first")
    name = fingerprint(SHARDS, VERSION, {"samples_per_shard": samples_per_shard}, inputs)
    path = data.table(SHARDS, key)
    if is_current(name, [path]) and _tars_are_whole(data, path):
        return PartitionResult(key, n_rows_on_disk(path), was_current=True)
    index_path(data).unlink(missing_ok=True)
    path.unlink(missing_ok=True)  # until the new tars lie, the partition has no shards
    rows: list[Row] = []
    with ExitStack() as stack:
        writers: dict[str, _SplitWriter] = {}
        for about, arrays in _samples(*inputs):
            split = about["split"]
            if split not in writers:
                prefix = f"{split}-{key.source}-{key.shard}"
                writers[split] = stack.enter_context(_SplitWriter(data.shards, prefix, samples_per_shard))
            writers[split].write(about, arrays)
        for split in sorted(writers):
            rows += writers[split].finish()
    frame = pl.DataFrame(rows, schema=polars_schema(ShardIndex), orient="row")
    write_table(path, validate(ShardIndex, frame), name)
    cpu_seconds = process_time() - cpu_started
    return PartitionResult(key, len(frame), seconds=monotonic() - started, cpu_seconds=cpu_seconds)


def _samples(curated: Path, tokens: Path) -> Iterator[tuple[Row, dict[str, NDArray[Any]]]]:
    """Kept meshes in the order of the tokens table, a group of rows at a time."""
    columns = ["tokenizer", "resolution", "max_layer_vertices"]
    about = pl.read_parquet(curated).join(
        pl.read_parquet(tokens, columns=["mesh_id", *columns]), on="mesh_id"
    )
    by_id = {row["mesh_id"]: row for row in about.iter_rows(named=True)}
    with pq.ParquetFile(tokens) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["mesh_id", *MEMBERS])
            ids, *lists = (table.column(name).combine_chunks() for name in ("mesh_id", *MEMBERS))
            for i, mesh_id in enumerate(ids.to_pylist()):
                if mesh_id not in by_id:
                    continue
                flat = [column[i].values.to_numpy() for column in lists]
                arrays = [flat[0].astype(TOKEN_DTYPE), flat[1].astype(np.float32), flat[2].astype(np.int32)]
                shapes = [(-1,), (-1, 3), (-1, 3)]
                yield (
                    by_id[mesh_id],
                    {
                        name: array.reshape(shape)
                        for name, array, shape in zip(MEMBERS, arrays, shapes, strict=True)
                    },
                )


class _SplitWriter:
    """Writes the samples of one partition and split to as many tars as they need."""

    def __init__(self, folder: Path, prefix: str, samples_per_shard: int):
        self.folder = folder
        self.prefix = prefix
        self.samples_per_shard = samples_per_shard
        self.rows: list[Row] = []
        self._pending: list[Row] = []
        self._n_tars = 0
        self._open: ExitStack | None = None

    def __enter__(self) -> "_SplitWriter":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._open is not None:  # an error: the temporary file goes away
            self._open.__exit__(*exception)

    def write(self, about: Row, arrays: dict[str, NDArray[Any]]) -> None:
        """Append one sample."""
        if self._open is None:
            self._begin()
        members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
        members["json"] = json.dumps(about, sort_keys=True, ensure_ascii=False).encode()
        columns = ("mesh_id", "split", "n_faces", "n_components", "n_tokens")
        row = {name: about[name] for name in columns}
        for name in sorted(members):
            offset = self._add(f"{about['mesh_id']}.{name}", members[name])
            kind = name.removesuffix(".npy")
            if kind in MEMBERS:
                row |= {f"{kind}_offset": offset, f"{kind}_size": len(members[name])}
        self._pending.append(row)
        if len(self._pending) == self.samples_per_shard:
            self._end()

    def _add(self, name: str, content: bytes) -> int:
        """Append a file to the tar; where its bytes begin."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = len(content), 0o644, 0
        member.uname = member.gname = _OWNER
        self._tar.addfile(member, io.BytesIO(content))
        return self._tar.offset - _whole_blocks(len(content))

    def finish(self) -> list[Row]:
        """Close the last tar; rows of the index in the order of the samples."""
        self._end()
        return self.rows

    def _begin(self) -> None:
        self._name = f"{self.prefix}-{self._n_tars:05d}.tar"
        with ExitStack() as stack:
            self._path = stack.enter_context(atomic_path(self.folder / self._name))
            self._handle = stack.enter_context(self._path.open("wb"))
            self._tar = stack.enter_context(tarfile.open(fileobj=self._handle, mode="w"))
            self._open = stack.pop_all()

    def _end(self) -> None:
        if self._open is None:
            return
        self._tar.close()
        self._handle.flush()
        for position, row in enumerate(self._pending):
            self.rows.append({"shard_file": self._name, "position": position, **row})
        self._open.close()
        self._open, self._pending, self._n_tars = None, [], self._n_tars + 1


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _tars_are_whole(data: DataFolder, index: Path) -> bool:
    """Whether all tars of a partition are there, with the size that they were written with."""
    last = pl.col(f"{_LAST_MEMBER}_offset") + pl.col(f"{_LAST_MEMBER}_size")
    ends = pl.read_parquet(index).group_by("shard_file").agg(last.max())
    return all(_size(data.shards / name) == _tar_size(end) for name, end in ends.iter_rows())


def _tar_size(end: int) -> int:
    """Size of a tar whose last member ends at `end`: padding, two empty blocks, padding to a record."""
    record = tarfile.RECORDSIZE
    blocks = _whole_blocks(end) + 2 * tarfile.BLOCKSIZE
    return -(-blocks // record) * record


def _whole_blocks(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def write_index(data: DataFolder) -> None:
    """Join the partitions' tables, and remove tars that are in none."""
    paths = [data.table(SHARDS, key) for key in data.partitions(SHARDS)]
    name = fingerprint("index", VERSION, {}, paths)
    frames = [pl.read_parquet(path) for path in paths]
    empty = pl.DataFrame(schema=polars_schema(ShardIndex))
    index = pl.concat([empty, *frames]).sort("shard_file", "position")
    wanted = set(index["shard_file"])
    stale = [path for path in data.shards.glob("*.tar") if path.name not in wanted]
    if stale or table_fingerprint(index_path(data)) != name:
        index_path(data).unlink(missing_ok=True)
        for path in stale:
            path.unlink()
        write_table(index_path(data), validate(ShardIndex, index), name)
