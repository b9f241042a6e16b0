"""Tables of a partition as its earlier stages leave them, without running those."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from pipelines.reasons import Reason, Stage
from pipelines.sources import Annotations
from pipelines.stages.duplicates import DUPLICATES
from pipelines.storage import DataFolder, ShardKey, write_table
from pipelines.tables import STAGE_TABLES, Duplicates, Rejected, Tokens, polars_schema, validate

KEY = ShardKey("local", "hand-00")


def write_partition(
    data: DataFolder,
    n: int,
    key: ShardKey = KEY,
    n_rejected: Mapping[Stage, int] | None = None,
    changes: Mapping[int, Mapping[str, Any]] | None = None,
) -> pl.DataFrame:
    """Write raw_meshes, mesh_table, tokens and duplicates of `n` files, none a copy; returns the tokens.

    Each stage rejects the last `n_rejected[stage]` of what it gets; `changes` overrides columns of rows of
    the tokens table.
    """
    n_rejected = n_rejected or {}
    rows = [_row(key, i) for i in range(n)]
    for stage in (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS):
        n_kept = len(rows) - n_rejected.get(stage, 0)
        rows, lost = rows[:n_kept], rows[n_kept:]
        rejects = [{**row, "stage": stage, "reason": Reason.LOAD, "detail": "made by hand"} for row in lost]
        _write(data.rejected(stage, key), Rejected, rejects)
        if stage is Stage.TOKENS:
            rows = [{**row, **(changes or {}).get(i, {})} for i, row in enumerate(rows)]
        _write(data.table(stage, key), STAGE_TABLES[stage], rows)
    alone = [
        {**row, "cluster": row["sha256"], "n_meshes": 1, "match": None}
        | {"representative": row["mesh_id"], "representative_uri": row["uri"]}
        for row in rows
    ]
    _write(data.table(DUPLICATES, key), Duplicates, alone)
    return pl.read_parquet(data.table(Stage.TOKENS, key))


def _write(path: Any, table: Any, rows: list[dict[str, Any]]) -> None:
    schema = polars_schema(table)
    frame = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    write_table(path, validate(table, frame), "by hand", rows_per_group=4)


def _row(key: ShardKey, i: int) -> dict[str, Any]:
    generator = np.random.default_rng([i, len(key.shard)])
    name = f"{key.source}-{key.shard}-{i:04d}"
    n_tokens, n_vertices = int(generator.integers(5, 200)), int(generator.integers(4, 60))
    numbers = {name: 1 for name, dtype in polars_schema(Tokens).items() if dtype == pl.Int64}
    return {
        **numbers,
        **{column: 0 for column in ("n_boundary_edges", "n_duplicate_faces", "n_geometries")},
        **{column: 1 for column in polars_schema(STAGE_TABLES[Stage.MESH_TABLE]) if column.startswith("n_")},
        "mesh_id": name,
        "uri": f"file:///{key.shard}/{i:04d}.glb",
        "source": key.source,
        "shard": key.shard,
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "name": f"mesh {i}",
        "category": None,
        "format": "glb",
        "size_bytes": 1000,
        "licence": "CC0-1.0" if i % 2 else None,
        "author": None,
        "side_files_sha256": None,
        **Annotations(face_count=50 + i, tags=("made", "by hand")).columns(),
        "is_watertight": True,
        "bounding_box_diagonal": 1.0,
        "tokenizer": "silksong/block_offset/128/extended",
        "exact": True,
        "resolution": 128,
        "n_faces": 40 + i,
        "n_tokens": n_tokens,
        "compression_ratio": 0.25,
        "tokens": generator.integers(0, 5000, n_tokens).tolist(),
        "vertices": generator.normal(size=3 * n_vertices).astype(np.float32).tolist(),
        "faces": generator.integers(0, n_vertices, 3 * (40 + i)).tolist(),
    }
