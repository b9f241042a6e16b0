"""Meshes as token sequences."""

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import Table


class Tokens(Table):
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
