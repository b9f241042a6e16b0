"""Which meshes are copies of which."""

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import Table

MATCHES = ["file", "geometry", "near"]


class Descriptors(Table):
    """What the search for duplicates knows of each mesh of mesh_table."""

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    geometry_hash: pl.String = Field(
        nullable=True,
        description="The same for the same triangles, whatever their order, place, size or axes; null where "
        "the mesh has no surface to compare.",
    )
    descriptor: pl.List(pl.UInt16) = Field(  # type: ignore[valid-type]
        nullable=True, description="Lengths of harmonic coefficients by shell and degree, in 1 / 65535."
    )
    landmarks: pl.List(pl.Int16) = Field(  # type: ignore[valid-type]
        nullable=True,
        description="x, y, z of the vertices, flat, at most the 2048 farthest from the centroid, in 1 / 1024 "
        "of the root mean square radius.",
    )
    problem: pl.String = Field(nullable=True, description="Why there is no descriptor; null where there is.")


class DuplicatePairs(Table):
    """Meshes of different geometry that are near enough to be compared, and whether they are duplicates."""

    first: pl.String = Field(description="sha256 of one mesh's file.")
    second: pl.String = Field(description="sha256 of the other's.")
    distance: pl.Float64 = Field(ge=0, description="Between the descriptors; 0 for a rotated copy.")
    shared_of_fewer: pl.Float64 = Field(
        ge=0, le=1, description="Share of the vertices that lie on the other's, of the mesh with fewer."
    )
    shared_of_more: pl.Float64 = Field(ge=0, le=1, description="The same share of the mesh with more.")
    is_duplicate: pl.Boolean


class Duplicates(Table):
    """The cluster of copies that each mesh belongs to; most are alone in theirs."""

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    cluster: pl.String = Field(description="Smallest sha256 of the cluster's files; it decides the split.")
    n_meshes: pl.Int64 = Field(ge=1, description="Meshes of the cluster.")
    representative: pl.String = Field(description="mesh_id of the one that stands for the cluster.")
    representative_uri: pl.String
    match: pl.String = Field(
        nullable=True,
        isin=MATCHES,
        description="How the mesh is like its representative: same file, same geometry, or near, perhaps "
        "through others between them; null for the representative itself.",
    )
