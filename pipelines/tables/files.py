"""Where every input file went: listed, rejected, and the ledger that has one row for each."""

from typing import Any

import polars as pl
from pandera.polars import Field

from pipelines.reasons import Stage
from pipelines.tables.base import REASONS, Table


def _stated(what: str) -> Any:
    return Field(nullable=True, description=f"{what} as the source states it; null where it does not.")


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
    side_files_sha256: pl.String = Field(
        nullable=True,
        str_length={"min_value": 64, "max_value": 64},
        description="sha256 over the names and sums of the files that it names, such as buffers; null where "
        "it names none.",
    )
    licence: pl.String = _stated("Licence")
    author: pl.String = _stated("Author")
    face_count: pl.Int64 = _stated("Faces, not counted here,")
    vertex_count: pl.Int64 = _stated("Vertices, not counted here,")
    texture_count: pl.Int64 = _stated("Textures")
    animation_count: pl.Int64 = _stated("Animations")
    tags: pl.List(pl.String) = _stated("Tags")  # type: ignore[valid-type]
    caption: pl.String = _stated("Caption or description")
    aesthetic_score: pl.Float64 = _stated("Aesthetic score")


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
