"""Where every input file went: listed, rejected, and the ledger that has one row for each."""

import polars as pl
from pandera.polars import Field

from pipelines.reasons import Stage
from pipelines.tables.base import REASONS, Table


class RawMeshes(Table):
    """Every file a source lists, with its hash and provenance; one row per input file."""

    mesh_id: pl.String = Field(
        unique=True, description="Stable name of the mesh within all sources (reference: obj_name)."
    )
    uri: pl.String = Field(
        unique=True,
        description="Where it is: file:///path, its public address, or builtin:name (reference: obj_path).",
    )
    source: pl.String = Field(description="objaverse, shapenet, local, s3, ...")
    shard: pl.String = Field(description="Partition within the source.")
    name: pl.String = Field(description="Title or file name, for people.")
    category: pl.String = Field(
        nullable=True, description="LVIS category, ShapeNet synset or builtin family."
    )
    format: pl.String = Field(description="glb, gltf, obj, ply, stl or off.")
    size_bytes: pl.Int64 = Field(ge=0, description="Size of the file in bytes.")
    sha256: pl.String = Field(
        str_length={"min_value": 64, "max_value": 64}, description="sha256 of the file's bytes."
    )
    licence: pl.String = Field(nullable=True, description="As the source states it; null where it does not.")
    author: pl.String = Field(nullable=True, description="As the source states it; null where it does not.")


class Rejected(Table):
    """Files that one stage rejected."""

    mesh_id: pl.String
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String = Field(nullable=True, description="Null where the file was not read.")
    stage: pl.String = Field(isin=[stage.value for stage in Stage])
    reason: pl.String = Field(isin=REASONS)
    detail: pl.String = Field(description="What was found, and what to do; one line.")


class Ledger(Table):
    """One row per input file: kept, or the stage and reason of its rejection."""

    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    mesh_id: pl.String
    sha256: pl.String = Field(nullable=True)
    status: pl.String = Field(isin=["kept", "rejected"])
    stage: pl.String = Field(
        nullable=True, isin=[stage.value for stage in Stage], description="Null when kept."
    )
    reason: pl.String = Field(nullable=True, isin=REASONS, description="Null when kept.")
    detail: pl.String = Field(nullable=True, description="What was found, and what to do; null when kept.")
    exact: pl.Boolean = Field(
        nullable=True, description="Whether the tokens decode to the repaired mesh; null when rejected."
    )
