"""The tables and the search for duplicates of a large data set, simulated on this machine without a mesh.

    .venv/bin/python benchmarks/ten_million_rows.py [--rows 10000000] [--rows-per-partition 10000]
        [--steps tables curated index account search clusters] [--folder DIR]

Rows are synthetic, the code is the project's own: the curated stage and its ledger partition by partition,
the index of all shards, the counts of the manifest and the funnel, the search among all descriptors, and
clusters with their representatives. Prints seconds of wall and processor time, peak memory and bytes of each
step. `search` is by far the longest: some ten minutes of processor time for a million descriptors.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from duplicate_search import synthetic
from throughput import size_of

from pipelines.curation import funnel
from pipelines.duplicates import neighbours_within
from pipelines.duplicates.clusters import assign_clusters, connected
from pipelines.ledger import LEDGER
from pipelines.manifest import count_values
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings
from pipelines.stages.curated import build_curated
from pipelines.stages.duplicates import CANDIDATE_DISTANCE, DUPLICATES
from pipelines.stages.shards import SHARDS, index_path, write_index
from pipelines.storage import DataFolder, ShardKey, write_table
from pipelines.tables import Duplicates, RawMeshes, Rejected, ShardIndex, Tokens, polars_schema

REJECTED_SHARE = 0.05
"""Of the files, by the stages before the rules."""
DUPLICATE_SHARE = 0.1
SETTINGS = CurationSettings()


class Simulation:
    """A data set of synthetic rows, and what was made of it."""

    def __init__(self, data: DataFolder, rows: int, per_partition: int):
        self.data, self.rows = data, rows
        n = -(-rows // per_partition)
        self.keys = [ShardKey("objaverse", f"{i // 1000:03d}-{i % 1000:03d}") for i in range(n)]
        self.sizes = [min(per_partition, rows - i * per_partition) for i in range(n)]
        self.pairs = np.zeros((0, 2), dtype=np.int64)

    def tables(self) -> str:
        """Write the tables that the curated stage reads, as the stages before it leave them."""
        for number, (key, n) in enumerate(zip(self.keys, self.sizes, strict=True)):
            self._write_partition(key, n, number)
        return f"{len(self.keys)} partitions, {size_of(self.data.root) / 1e9:.2f} GB"

    def curated(self) -> str:
        """Rules, licences, copies, splits and the ledger of every partition."""
        results = build_curated(self.data, SETTINGS)
        size = sum(size_of(self.data.tables / name) for name in (Stage.CURATED, LEDGER)) / self.rows
        return f"{sum(result.n_kept for result in results):,} kept, {size:.0f} bytes a row"

    def index(self) -> str:
        """The index of all shards."""
        for key in self.keys:
            curated = pl.read_parquet(self.data.table(Stage.CURATED, key))
            write_table(self.data.table(SHARDS, key), _placed(curated, f"train-{key.source}-{key.shard}"))
        started = time.monotonic()
        write_index(self.data)
        size = index_path(self.data).stat().st_size / 1e9
        return f"of them {time.monotonic() - started:.1f} s for the index itself, {size:.2f} GB"

    def account(self) -> str:
        """What the manifest and the funnel count over all partitions."""
        ledger = self.data.scan(LEDGER).select("status", "reason").collect()
        counts = count_values(ledger["reason"].drop_nulls())
        return (
            f"{ledger.height:,} files, {len(counts)} reasons, {funnel(self.data).height} steps of the funnel"
        )

    def search(self) -> str:
        """Near neighbours among as many descriptors."""
        descriptors, _ = synthetic(self.rows)
        threads = len(os.sched_getaffinity(0))
        self.pairs, _ = neighbours_within(descriptors, CANDIDATE_DISTANCE, threads)
        return f"{len(self.pairs):,} pairs, {threads} threads, with the making of the descriptors"

    def clusters(self) -> str:
        """Clusters and representatives of all meshes; a tenth joined by chance where nothing was searched."""
        generator = np.random.default_rng(0)
        n_pairs = int(self.rows * DUPLICATE_SHARE)
        pairs = self.pairs if len(self.pairs) else generator.integers(0, self.rows, (n_pairs, 2))
        meshes = pl.concat([self._judged(number) for number in range(len(self.keys))])
        found = meshes.with_columns(component=pl.Series(connected(self.rows, pairs)))
        clustered = assign_clusters(found)
        return f"{clustered['cluster'].n_unique():,} clusters"

    def _judged(self, number: int) -> pl.DataFrame:
        frame = _files(self.keys[number], self.sizes[number], number)
        generator = np.random.default_rng([1, number])
        return frame.select("mesh_id", "uri", "sha256", "licence", shape="sha256").with_columns(
            is_kept=pl.Series(generator.random(frame.height) > REJECTED_SHARE),
            exact=pl.Series(generator.random(frame.height) > REJECTED_SHARE),
            n_faces=pl.Series(generator.integers(4, 16_000, frame.height)),
        )

    def _write_partition(self, key: ShardKey, n: int, number: int) -> None:
        data, name = self.data, "simulated"
        files = _files(key, n, number)
        n_lost = int(n * REJECTED_SHARE)
        write_table(data.table(Stage.RAW_MESHES, key), files, name)
        for stage in (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS):
            lost = files.tail(n_lost if stage is Stage.MESH_TABLE else 0)
            rejects = lost.with_columns(
                stage=pl.lit(stage.value), reason=pl.lit(Reason.LOAD.value), detail=pl.lit("simulated")
            )
            write_table(data.rejected(stage, key), rejects.select(list(polars_schema(Rejected))), name)
        kept = files.head(n - n_lost)
        write_table(data.table(Stage.TOKENS, key), _tokens(kept, number), name)
        write_table(data.table(DUPLICATES, key), _duplicates(kept, number), name)


def _files(key: ShardKey, n: int, number: int) -> pl.DataFrame:
    """Rows of raw_meshes."""
    generator = np.random.default_rng([0, number])
    licences = np.array(["by", "by-nc", "cc0", "by-sa"])[generator.integers(0, 4, n)]
    names = [f"{number:05d}{i:05d}" for i in range(n)]
    schema = polars_schema(RawMeshes)
    columns = {
        **{name: [None] * n for name in schema},
        "mesh_id": names,
        "uri": [f"https://example.org/objaverse/{key.shard}/{name}.glb" for name in names],
        "source": [key.source] * n,
        "shard": [key.shard] * n,
        "name": [f"mesh {name}" for name in names],
        "format": ["glb"] * n,
        "size_bytes": generator.integers(10_000, 10_000_000, n),
        "sha256": [generator.bytes(32).hex() for _ in range(n)],
        "licence": licences,
        "author": [f"author {i}" for i in generator.integers(0, 10_000, n)],
        "face_count": generator.integers(4, 100_000, n),
    }
    return pl.DataFrame(columns, schema=schema)


def _tokens(files: pl.DataFrame, number: int) -> pl.DataFrame:
    """Rows of the tokens table, the arrays empty: nothing here reads them."""
    generator = np.random.default_rng([2, number])
    columns: list[Any] = []
    for name, dtype in polars_schema(Tokens).items():
        if name in files.columns:
            column = files[name]
        elif dtype.is_nested():
            column = pl.Series(name, [[]] * files.height, dtype=dtype)
        elif dtype == pl.Int64:
            high = 12_000 if name in {"n_tokens", "n_faces"} else 50
            column = pl.Series(name, generator.integers(1, high, files.height)).cast(dtype)
        elif dtype == pl.Boolean:
            column = pl.Series(name, generator.random(files.height) > REJECTED_SHARE)
        elif dtype == pl.String:
            column = pl.Series(name, [SETTINGS.tokenizer.label] * files.height)
        else:
            column = pl.Series(name, generator.random(files.height)).cast(dtype)
        columns.append(column)
    return pl.DataFrame(columns)


def _duplicates(files: pl.DataFrame, number: int) -> pl.DataFrame:
    """Rows of the duplicates table: some are copies of the row before them."""
    generator = np.random.default_rng([3, number])
    is_copy = pl.Series(generator.random(files.height) < DUPLICATE_SHARE)
    columns = {
        "cluster": pl.col("sha256"),
        "n_meshes": is_copy.cast(pl.Int64) + 1,
        "representative": pl.col("mesh_id"),
        "representative_uri": pl.col("uri"),
        "match": pl.when(is_copy).then(pl.lit("near")),
    }
    return files.with_columns(**columns).select(list(polars_schema(Duplicates)))


def _placed(curated: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Rows of the index as the shards stage would write them."""
    position = pl.int_range(pl.len(), dtype=pl.Int64)
    places = {
        f"{member}_{what}": position * 20_000 + i * 6_000 if what == "offset" else pl.lit(6000, pl.Int64)
        for i, member in enumerate(("tokens", "vertices", "faces"))
        for what in ("offset", "size")
    }
    rows = curated.with_columns(shard_file=pl.lit(f"{prefix}-00000.tar"), position=position, **places)
    return rows.select(list(polars_schema(ShardIndex)))


def measured(name: str, work: Callable[[], str]) -> None:
    """Do one step; print what it took."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the steps before
    started, cpu = time.monotonic(), time.process_time()
    said = work()
    wall, cpu = time.monotonic() - started, time.process_time() - cpu
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e6
    print(f"| {name} | {wall:.0f} | {cpu:.0f} | {peak:.2f} | {said} |", flush=True)


def main() -> None:
    """Simulate and print a Markdown table."""
    steps = ["tables", "curated", "index", "account", "search", "clusters"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rows-per-partition", type=int, default=10_000)
    parser.add_argument("--steps", nargs="+", choices=steps, default=steps)
    parser.add_argument("--folder", type=Path, help="where to write, instead of a temporary folder")
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        simulation = Simulation(DataFolder(Path(folder)), given.rows, given.rows_per_partition)
        print(f"{given.rows:,} rows, load {os.getloadavg()[0]:.1f}")
        print("| step | seconds | processor seconds | peak GB | |\n| --- | --- | --- | --- | --- |")
        for step in given.steps:
            measured(step, getattr(simulation, step))


if __name__ == "__main__":
    main()
