"""The meshes that every tokenizer of a comparison can be trained on, in one order."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipelines.storage import DataFolder, write_json, write_table
from training.data import DataError, read_index

KEYS = ["mesh_id", "split", "n_faces"]


def common_meshes(curated: Mapping[str, Path], max_tokens: int | None) -> pl.DataFrame:
    """One row per mesh that all data sets hold within `max_tokens`, in the same split, with as many faces.

    Columns mesh_id, split, n_faces, and n_tokens_<tokenizer> for each key of `curated`. Rows are in the order
    of the sha256 of their ids, so that the first of them are a sample of all sources.
    Raises DataError where a split has none.
    """
    common: pl.DataFrame | None = None
    for name, data in curated.items():
        index = read_index(DataFolder(data))
        if max_tokens is not None:
            index = index.filter(pl.col("n_tokens") <= max_tokens)
        index = index.select(*KEYS, pl.col("n_tokens").alias(f"n_tokens_{name}"))
        common = index if common is None else common.join(index, on=KEYS)
    assert common is not None  # a comparison has tokenizers
    for split in ("train", "val", "test"):
        if common.filter(pl.col("split") == split).is_empty():
            raise DataError(
                f"split {split} has no mesh that {', '.join(curated)} all take within {max_tokens} tokens; "
                "give more meshes, larger shares in curation.split, or a larger model.max_tokens"
            )
    return common.sort(pl.col("mesh_id").map_elements(_hash, pl.String))


def restrict(data: Path, mesh_ids: pl.Series, out: Path) -> Path:
    """The data set `out`: these meshes of `data`, in this order. The samples stay in the shards of `data`.

    Raises DataError for a mesh that is not in `data`.
    """
    source, target = DataFolder(data), DataFolder(out)
    shards = os.path.relpath(source.shards, target.shards)
    wanted = mesh_ids.to_frame("mesh_id")
    index = wanted.join(read_index(source), on="mesh_id", maintain_order="left")
    if index.height != wanted.height:
        raise DataError(f"{data} lacks {wanted.height - index.height} of the meshes asked for")
    index = index.with_columns(pl.concat_str(pl.lit(f"{shards}/"), "shard_file").alias("shard_file"))
    write_table(target.shards / "index.parquet", index)
    manifest = json.loads(source.manifest.read_bytes())
    # The digest makes the version of the data set follow its meshes and their order.
    digest = _hash("\n".join(mesh_ids))
    write_json(
        target.manifest, {"of": manifest["version"], "settings": manifest["settings"], "meshes": digest}
    )
    return out


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
