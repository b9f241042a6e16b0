"""Triangles of a partition on disk, written and read in groups of rows: all may not fit in memory."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.storage import ARRAY_ROWS_PER_GROUP, FINGERPRINT_KEY, atomic_path
from pipelines.tables import Geometry, validate

BYTES_PER_GROUP = 64 << 20
SCHEMA = pa.schema(
    [
        pa.field("mesh_id", pa.large_string()),
        pa.field("vertices", pa.large_list(pa.float64())),
        pa.field("faces", pa.large_list(pa.int32())),
    ]
)


class GeometryWriter:
    """Writes a geometry table row by row; the file appears when `finish` is called."""

    def __init__(self, path: Path, fingerprint: str, stack: ExitStack):
        self._stack = stack.enter_context(ExitStack())
        temporary = self._stack.enter_context(atomic_path(path))
        schema = SCHEMA.with_metadata({FINGERPRINT_KEY: fingerprint})
        self._writer = self._stack.enter_context(
            pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=False)
        )
        self._ids: list[str] = []
        self._vertices: list[NDArray[np.float64]] = []
        self._faces: list[NDArray[np.int32]] = []
        self._n_bytes = 0
        self._thread = self._stack.enter_context(ThreadPoolExecutor(1, "meshloom-geometry"))
        self._writing: Future[None] | None = None

    def add(self, mesh_id: str, vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> None:
        """Append one mesh (V, 3), (F, 3)."""
        self._ids.append(mesh_id)
        self._vertices.append(vertices.ravel())
        self._faces.append(faces.ravel())
        self._n_bytes += vertices.nbytes + faces.nbytes
        if len(self._ids) >= ARRAY_ROWS_PER_GROUP or self._n_bytes >= BYTES_PER_GROUP:
            self._flush()

    def finish(self) -> None:
        """Write what is left and move the file to its name."""
        self._flush()
        self._wait()
        self._stack.close()

    def _flush(self) -> None:
        """Let a thread write the rows that are there, so that workers need not wait for the disk."""
        self._wait()
        self._writing = self._thread.submit(self._write, self._ids, self._vertices, self._faces)
        self._ids, self._vertices, self._faces, self._n_bytes = [], [], [], 0

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(
        self, ids: list[str], vertices: list[NDArray[np.float64]], faces: list[NDArray[np.int32]]
    ) -> None:
        columns = [
            pa.array(ids, pa.large_string()),
            list_array(vertices, pa.float64()),
            list_array(faces, pa.int32()),
        ]
        table = pa.Table.from_arrays(columns, schema=self._writer.schema)
        validate(Geometry, pl.DataFrame(table))
        if ids:
            self._writer.write_table(table)


def read_geometry(path: Path) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.int32]]]:
    """Meshes of a geometry table in order: mesh_id, vertices (V, 3), faces (F, 3)."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            ids = table.column("mesh_id").to_pylist()
            yield from zip(ids, _triples(table, "vertices"), _triples(table, "faces"), strict=True)


def _triples(table: pa.Table, name: str) -> Iterator[NDArray[Any]]:
    """Rows of a column of flat lists as views (.., 3) of one array."""
    for chunk in table.column(name).chunks:
        values, ends = chunk.values.to_numpy(), chunk.offsets.to_numpy()
        for begin, end in pairwise(ends.tolist()):
            yield values[begin:end].reshape(-1, 3)


def list_array(arrays: list[NDArray], value_type: pa.DataType) -> pa.Array:
    """A column of lists, one for each flat array."""
    offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)]).astype(
        np.int64
    )
    values = np.concatenate(arrays) if arrays else np.zeros(0)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values, value_type))
