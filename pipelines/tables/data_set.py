"""What the data set consists of, and where each sample lies."""

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import SPLITS, Table


class Curated(Table):
    """What the data set consists of: the rows that every rule of the preset keeps, with their split."""

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    name: pl.String
    category: pl.String = Field(nullable=True)
    licence: pl.String = Field(nullable=True)
    author: pl.String = Field(nullable=True)
    cluster: pl.String = Field(description="Of copies: the smallest sha256 of their files.")
    split: pl.String = Field(isin=SPLITS, description="By the cluster: stable when the data set grows.")
    n_faces: pl.Int64 = Field(ge=1)
    n_vertices: pl.Int64
    n_components: pl.Int64
    n_valid_components: pl.Int64 = Field(nullable=True, description="Null for tokenizers but Silksong.")
    n_tokens: pl.Int64
    compression_ratio: pl.Float64
    exact: pl.Boolean = Field(description="Whether the tokens decode to the quantised, repaired mesh.")


class ShardIndex(Table):
    """Where each sample lies: read `size` bytes at `offset` of `shard_file` to have one member."""

    shard_file: pl.String = Field(description="File name below DIR/shards.")
    position: pl.Int64 = Field(ge=0, description="Place of the sample in its file.")
    mesh_id: pl.String = Field(unique=True, description="The sample's key in the tar.")
    split: pl.String = Field(isin=SPLITS)
    n_faces: pl.Int64
    n_components: pl.Int64
    n_tokens: pl.Int64
    tokens_offset: pl.Int64 = Field(description="Of <key>.tokens.npy (uint16).")
    tokens_size: pl.Int64
    vertices_offset: pl.Int64 = Field(description="Of <key>.vertices.npy (float32 (V, 3)).")
    vertices_size: pl.Int64
    faces_offset: pl.Int64 = Field(description="Of <key>.faces.npy (int32 (F, 3)).")
    faces_size: pl.Int64
