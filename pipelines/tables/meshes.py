"""Meshes as loaded: what was measured, and their triangles."""

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import Table


class MeshTable(Table):
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


class Geometry(Table):
    """Triangles as loaded, world transforms applied, vertices that no face uses left out."""

    mesh_id: pl.String = Field(unique=True)
    vertices: pl.List(pl.Float64) = Field(description="x, y, z of each vertex, flat.")  # type: ignore[valid-type]
    faces: pl.List(pl.Int32) = Field(description="Three vertex indices of each face, flat.")  # type: ignore[valid-type]
