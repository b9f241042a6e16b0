"""Every table of a data set, in one place.

A stage keeps a row or rejects it with a reason; nothing is lost. Column docs name the reference's column
where one exists (Mesh Silksong, arXiv 2507.02477), since its users know those.
"""

import pandera.polars as pa
import polars as pl
from pandera.polars import Field

from pipelines.reasons import Reason, Stage

REASONS = [reason.value for reason in Reason]
SPLITS = ["train", "val", "test"]


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True


class RawMeshes(_Table):
    """Every file a source lists, with its hash and provenance; one row per input file."""

    mesh_id: pl.String = Field(
        unique=True, description="Stable name of the mesh within all sources (reference: obj_name)."
    )
    uri: pl.String = Field(
        unique=True, description="Where the file is: file:///path, or builtin:name (reference: obj_path)."
    )
    source: pl.String = Field(description="objaverse, shapenet, local or builtin.")
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


class Rejected(_Table):
    """Files that one stage rejected."""

    mesh_id: pl.String
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String = Field(nullable=True, description="Null where the file was not read.")
    stage: pl.String = Field(isin=[stage.value for stage in Stage])
    reason: pl.String = Field(isin=REASONS)
    detail: pl.String = Field(description="What was found, and what to do; one line.")


class MeshTable(_Table):
    """Meshes that load, measured after welding exactly equal float32 positions."""

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    n_vertices_raw: pl.Int64 = Field(
        ge=0, description="Vertices as loaded, those that no face uses included."
    )
    n_vertices: pl.Int64 = Field(ge=0, description="Referenced vertices after the weld.")
    n_faces: pl.Int64 = Field(
        ge=1, description="Triangles, instances expanded (reference: face_num when listing)."
    )
    n_edges: pl.Int64 = Field(ge=0)
    n_boundary_edges: pl.Int64 = Field(ge=0, description="Edges of one face.")
    n_nonmanifold_edges: pl.Int64 = Field(ge=0, description="Edges of three or more faces.")
    n_inconsistent_edges: pl.Int64 = Field(
        ge=0, description="Edges that both faces traverse in the same direction."
    )
    n_nonmanifold_vertices: pl.Int64 = Field(ge=0, description="Vertices whose faces are not one fan.")
    n_components: pl.Int64 = Field(ge=1, description="Components of faces connected through a welded vertex.")
    n_degenerate_faces: pl.Int64 = Field(
        ge=0, description="Repeated welded index, or area <= 1e-12 x diagonal^2."
    )
    n_duplicate_faces: pl.Int64 = Field(ge=0, description="Faces beyond the first with the same vertices.")
    is_watertight: pl.Boolean = Field(description="Every edge belongs to exactly two faces.")
    bounding_box_diagonal: pl.Float64 = Field(ge=0, description="In the file's own unit.")
    n_geometries: pl.Int64 = Field(ge=0, description="Geometries of the scene.")


class Geometry(_Table):
    """Triangles as loaded, world transforms applied, vertices that no face uses left out."""

    mesh_id: pl.String = Field(unique=True)
    vertices: pl.List(pl.Float64) = Field(description="x, y, z of each vertex, flat.")  # type: ignore[valid-type]
    faces: pl.List(pl.Int32) = Field(description="Three vertex indices of each face, flat.")  # type: ignore[valid-type]


class Tokens(_Table):
    """Meshes that tokenise: statistics, tokens, and the cleaned mesh they were made from.

    Columns of SILKSONG_COLUMNS are null in rows of other tokenizers.
    """

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    tokenizer: pl.String = Field(description="Family and its options.")
    resolution: pl.Int64 = Field(description="Quantisation bins per axis (reference: resolution).")
    exact: pl.Boolean = Field(
        description="Whether decoding the tokens gives the quantised, repaired mesh, checked by decoding."
    )
    n_input_vertices: pl.Int64 = Field(
        description="After pre-clean; Silksong's with copies of the repair (reference: vert_num)."
    )
    n_input_faces: pl.Int64 = Field(description="After pre-clean (reference: face_num).")
    n_vertices: pl.Int64 = Field(description="Tokenised vertices (reference: vert_num_process).")
    n_faces: pl.Int64 = Field(ge=1, description="Tokenised faces (reference: face_num_process).")
    n_components: pl.Int64 = Field(description="Edge-connected components (reference: CC_num).")
    n_valid_components: pl.Int64 = Field(
        nullable=True, ge=1, description="Those with at least three faces (reference: CC_num_valid)."
    )
    n_labels: pl.Int64 = Field(nullable=True, description="Distinct repair labels (reference: CC_num_pre).")
    n_labels_created: pl.Int64 = Field(
        nullable=True, description="Repair labels ever created (reference: CC_num_pre_all)."
    )
    max_layer_vertices: pl.Int64 = Field(nullable=True, description="Longest layer (reference: max_lv).")
    max_layers: pl.Int64 = Field(nullable=True, description="Most layers of a component (reference: max_l).")
    max_vertex_faces: pl.Int64 = Field(
        nullable=True, description="Longest incident face list (reference: max_edge_num)."
    )
    n_tokens: pl.Int64 = Field(ge=1, description="Tokens without start and end (reference: token_length).")
    compression_ratio: pl.Float64 = Field(
        gt=0, description="n_tokens / (9 n_faces) (reference: compression_rate, a text)."
    )
    n_flipped_faces: pl.Int64 = Field(
        nullable=True, description="Faces turned by the orientation repair (reference: flipped_face)."
    )
    n_split_component_vertices: pl.Int64 = Field(
        nullable=True, description="Always 0 (reference: 1v2cc_gen)."
    )
    n_vertex_copies: pl.Int64 = Field(
        nullable=True, description="Copies made by the non-manifold repair (reference: nonmani_gen)."
    )
    n_nonmanifold_vertices: pl.Int64 = Field(
        nullable=True, description="Repaired vertices (reference: nonmani_face, which is misnamed)."
    )
    n_unoriented_faces: pl.Int64 = Field(
        nullable=True, description="Always 0 in a kept row (reference: not_success_flip_face)."
    )
    n_merged_vertices: pl.Int64 = Field(
        nullable=True, description="Merged by quantisation (reference: merge_repeat_verts)."
    )
    n_reindexed_faces: pl.Int64 = Field(
        nullable=True, description="Faces with a merged corner (reference: replace_facevert_num)."
    )
    n_degenerate_faces: pl.Int64 = Field(
        nullable=True, description="Dropped as degenerate (reference: degraded_face_num)."
    )
    n_duplicate_faces: pl.Int64 = Field(
        nullable=True, description="Dropped as duplicates (reference: move_repeat_face_num)."
    )
    n_invalid_component_vertices: pl.Int64 = Field(
        nullable=True, description="(reference: CC_invalid_vert_num)."
    )
    n_invalid_component_faces: pl.Int64 = Field(
        nullable=True, description="(reference: CC_invalid_face_num)."
    )
    tokens: pl.List(pl.UInt16) = Field(description="Token ids without start, end or padding.")  # type: ignore[valid-type]
    vertices: pl.List(pl.Float32) = Field(  # type: ignore[valid-type]
        description="Cleaned, normalised mesh (longest side 1.9): x, y, z, flat."
    )
    faces: pl.List(pl.Int32) = Field(description="Cleaned mesh before repair: three indices a face, flat.")  # type: ignore[valid-type]


SILKSONG_COLUMNS = tuple(name for name, column in Tokens.to_schema().columns.items() if column.nullable)
"""Columns of the tokens table that only Silksong's tokenizer fills."""


class Curated(_Table):
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
    split: pl.String = Field(isin=SPLITS, description="By the file's sha256: stable when the data set grows.")
    n_faces: pl.Int64 = Field(ge=1)
    n_vertices: pl.Int64
    n_components: pl.Int64
    n_valid_components: pl.Int64 = Field(nullable=True, description="Null for tokenizers but Silksong.")
    n_tokens: pl.Int64
    compression_ratio: pl.Float64
    exact: pl.Boolean = Field(description="Whether the tokens decode to the quantised, repaired mesh.")


class Ledger(_Table):
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


class ShardIndex(_Table):
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


class ComparedMeshes(_Table):
    """Files of a comparison of tokenizers: the mesh that every tokenizer got, or why there is none."""

    file: pl.String = Field(unique=True, description="Path below the folder that was given.")
    reason: pl.String = Field(nullable=True, isin=REASONS, description="Null where the file gave a mesh.")
    detail: pl.String = Field(nullable=True, description="What was found, and what to do; one line.")
    n_faces_raw: pl.Int64 = Field(nullable=True, ge=1, description="As loaded.")
    n_vertices: pl.Int64 = Field(nullable=True, ge=3, description="Quantised and repaired, copies included.")
    n_faces: pl.Int64 = Field(nullable=True, ge=1, description="Quantised and repaired.")


class TokenizerTrials(_Table):
    """What each tokenizer made of each mesh of a comparison."""

    file: pl.String
    tokenizer: pl.String
    code: pl.String = Field(nullable=True, description="Of the error with which the mesh was refused.")
    message: pl.String = Field(nullable=True, description="What was found; null where all went well.")
    n_faces: pl.Int64 = Field(ge=1, description="Of the mesh that all tokenizers got.")
    n_tokens: pl.Int64 = Field(nullable=True, ge=0, description="Without begin, end and padding.")
    ratio: pl.Float64 = Field(nullable=True, description="n_tokens / (9 n_faces).")
    nominal_bits: pl.Float64 = Field(
        nullable=True, description="Sum over tokens and end of log2 of how many tokens are legal there."
    )
    is_exact: pl.Boolean = Field(
        nullable=True, description="Decoding gives the mesh's triangles, oriented, and no others."
    )
    is_same_triangles: pl.Boolean = Field(nullable=True, description="The same, orientation apart.")


class TokenizerTimes(_Table):
    """Processor time of each trial, one thread; apart from the trials, since no two runs give the same."""

    file: pl.String
    tokenizer: pl.String
    n_faces: pl.Int64 = Field(ge=1)
    encode_microseconds: pl.Float64 = Field(
        nullable=True, ge=0, description="Best of up to three runs; the check by decoding is part of it."
    )
    decode_microseconds: pl.Float64 = Field(nullable=True, ge=0, description="Best of up to three runs.")


class TokenizerSummary(_Table):
    """One row per tokenizer and set of meshes of a comparison."""

    meshes: pl.String = Field(
        isin=["accepted", "common"],
        description="Those that this tokenizer accepts, or those that every tokenizer accepts.",
    )
    tokenizer: pl.String
    vocab_size: pl.Int64 = Field(ge=1)
    n_meshes: pl.Int64 = Field(ge=0)
    n_refused: pl.Int64 = Field(ge=0, description="Of all meshes; their codes are in the trials.")
    n_faces: pl.Int64 = Field(ge=0)
    n_tokens: pl.Int64 = Field(ge=0)
    tokens_per_face: pl.Float64 = Field(nullable=True)
    ratio_pooled: pl.Float64 = Field(nullable=True, description="All tokens / (9 times all faces).")
    ratio_mean: pl.Float64 = Field(nullable=True, description="Mean over meshes of tokens / (9 faces).")
    vocabulary_bits_per_face: pl.Float64 = Field(
        nullable=True, description="tokens x log2(vocab_size) / faces."
    )
    nominal_bits_per_face: pl.Float64 = Field(
        nullable=True, description="Where the grammar's legal tokens are equally likely; null if not asked."
    )
    order_0_bits_per_face: pl.Float64 = Field(nullable=True, description="Adaptive coder without context.")
    order_2_bits_per_face: pl.Float64 = Field(nullable=True, description="Adaptive coder, two tokens back.")
    exact_share: pl.Float64 = Field(
        nullable=True, description="Of meshes whose triangles all return oriented."
    )
    same_triangles_share: pl.Float64 = Field(nullable=True, description="The same, orientation apart.")


STAGE_TABLES: dict[Stage, type[_Table]] = {
    Stage.RAW_MESHES: RawMeshes,
    Stage.MESH_TABLE: MeshTable,
    Stage.TOKENS: Tokens,
    Stage.CURATED: Curated,
}


def column_docs(table: type[_Table]) -> dict[str, str]:
    """Description of each column of a table."""
    return {name: column.description or "" for name, column in table.to_schema().columns.items()}


def polars_schema(table: type[_Table]) -> dict[str, pl.DataType]:
    """Column names and polars types of a table, in order."""
    return {name: column.dtype.type for name, column in table.to_schema().columns.items()}


def validate(table: type[_Table], frame: pl.DataFrame) -> pl.DataFrame:
    """Check types and values of `frame` against `table`.

    Raises pandera.errors.SchemaErrors with every failure.
    """
    return table.validate(frame, lazy=True)
