"""A comparison of tokenizers on a folder of meshes."""

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import REASONS, Table


class ComparedMeshes(Table):
    """Files of a comparison of tokenizers: the mesh that every tokenizer got, or why there is none."""

    file: pl.String = Field(unique=True, description="Path below the folder that was given.")
    reason: pl.String = Field(nullable=True, isin=REASONS, description="Null where the file gave a mesh.")
    detail: pl.String = Field(nullable=True, description="What was found, and what to do; one line.")
    n_faces_raw: pl.Int64 = Field(nullable=True, ge=1, description="As loaded.")
    n_vertices: pl.Int64 = Field(nullable=True, ge=3, description="Quantised and repaired, copies included.")
    n_faces: pl.Int64 = Field(nullable=True, ge=1, description="Quantised and repaired.")


class TokenizerTrials(Table):
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


class TokenizerTimes(Table):
    """Processor time of each trial, one thread; apart from the trials, since no two runs give the same."""

    file: pl.String
    tokenizer: pl.String
    n_faces: pl.Int64 = Field(ge=1)
    encode_microseconds: pl.Float64 = Field(
        nullable=True, ge=0, description="Best of up to three runs; the check by decoding is part of it."
    )
    decode_microseconds: pl.Float64 = Field(nullable=True, ge=0, description="Best of up to three runs.")


class TokenizerSummary(Table):
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
