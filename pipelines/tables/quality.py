"""What the meshes that load are like, beyond the counts of the mesh table."""

from typing import Any

import polars as pl
from pandera.polars import Field

from pipelines.tables.base import REASONS, Table


def _share(description: str) -> Any:
    return Field(ge=0, le=1, nullable=True, description=description)


def _merged(bits: int) -> Any:
    return Field(ge=0, nullable=True, description=f"Distinct positions fewer on the grid of {bits} bits.")


def _dropped(bits: int) -> Any:
    what = f"Distinct faces of three distinct corners fewer at {bits} bits."
    return Field(ge=0, nullable=True, description=what)


def _distance(bits: int) -> Any:
    return _share(
        f"Greatest distance of a vertex of the mesh or of that at {bits} bits to the other surface, as a "
        "share of the bounding box's diagonal; null where no face is left."
    )


def _tokens(family: str) -> Any:
    what = f"Tokens of {family} with its default options; null where refused."
    return Field(ge=1, nullable=True, description=what)


def _exact(family: str) -> Any:
    what = f"Whether {family}'s tokens decode to the quantised, repaired mesh."
    return Field(nullable=True, description=what)


def _code(family: str) -> Any:
    return Field(nullable=True, description=f"Why {family} refused the mesh; null where it did not.")


class Quality(Table):
    """Meshes that load, one row each, measured after welding equal float32 positions; none is rejected.

    Columns of a group that the settings switch off are null, and so are all where `code` says why nothing was
    measured.
    """

    mesh_id: pl.String = Field(unique=True)
    uri: pl.String = Field(unique=True)
    source: pl.String
    shard: pl.String
    sha256: pl.String
    code: pl.String = Field(
        nullable=True,
        isin=REASONS,
        description="Why nothing was measured, such as TIME_LIMIT.",
    )
    surface_kind: pl.String = Field(
        nullable=True,
        isin=["empty", "nonmanifold", "open", "twisted", "inverted", "solid"],
        description="nonmanifold (an edge of three faces), else open (of one), else twisted (one "
        "along which both faces run the same way), else inverted (no positive volume), else solid.",
    )
    genus: pl.Int64 = Field(
        ge=0,
        nullable=True,
        description="Handles of all components together, holes filled, by Euler's formula; null where an "
        "edge has three faces or the surface cannot be oriented.",
    )
    n_boundary_loops: pl.Int64 = Field(
        ge=0, nullable=True, description="Connected sets of edges of one face."
    )
    n_edge_components: pl.Int64 = Field(
        ge=0, nullable=True, description="Components connected through edges."
    )
    is_orientable: pl.Boolean = Field(
        nullable=True, description="Whether faces could be turned so that no edge of two is inconsistent."
    )
    winding_consistency: pl.Float64 = _share(
        "Edges along which both faces run in opposite directions, of all edges of two; 1 without any."
    )
    valence_histogram: pl.List(pl.Int64) = Field(  # type: ignore[valid-type]
        nullable=True, description="Vertices with 0, 1, ... 14, and with 15 or more edges."
    )
    regular_share: pl.Float64 = _share(
        "Vertices with six edges, of those whose edges all have two faces; null without such vertices."
    )
    mean_face_quality: pl.Float64 = Field(
        ge=0,
        le=1 + 1e-9,
        nullable=True,
        description="Mean of 4 sqrt(3) area / (sum of squared sides): 1 for equilateral faces.",
    )
    sliver_share: pl.Float64 = _share("Faces with a quality below 0.1, those without area among them.")
    degenerate_share: pl.Float64 = _share("n_degenerate_faces of mesh_table / n_faces.")
    duplicate_share: pl.Float64 = _share("n_duplicate_faces of mesh_table / n_faces.")
    surface_area: pl.Float64 = Field(ge=0, nullable=True, description="Squared unit of the file.")
    volume: pl.Float64 = Field(
        nullable=True, description="Enclosed, cubed unit of the file; null unless solid or inverted."
    )
    middle_extent_ratio: pl.Float64 = _share(
        "Middle side of the bounding box / longest; null where the box is a point."
    )
    shortest_extent_ratio: pl.Float64 = _share("Shortest side / longest; 0 for a flat mesh.")
    merged_vertices_7bit: pl.Int64 = _merged(7)
    dropped_faces_7bit: pl.Int64 = _dropped(7)
    quantization_distance_7bit: pl.Float64 = _distance(7)
    merged_vertices_8bit: pl.Int64 = _merged(8)
    dropped_faces_8bit: pl.Int64 = _dropped(8)
    quantization_distance_8bit: pl.Float64 = _distance(8)
    merged_vertices_9bit: pl.Int64 = _merged(9)
    dropped_faces_9bit: pl.Int64 = _dropped(9)
    quantization_distance_9bit: pl.Float64 = _distance(9)
    merged_vertices_10bit: pl.Int64 = _merged(10)
    dropped_faces_10bit: pl.Int64 = _dropped(10)
    quantization_distance_10bit: pl.Float64 = _distance(10)
    n_intersecting_faces: pl.Int64 = Field(
        ge=0,
        nullable=True,
        description="Faces that cross another, contacts not counted; null above `pairs_limit`.",
    )
    intersecting_share: pl.Float64 = _share("n_intersecting_faces / n_faces.")
    silksong_tokens: pl.Int64 = _tokens("silksong")
    silksong_exact: pl.Boolean = _exact("silksong")
    silksong_code: pl.String = _code("silksong")
    edgerunner_tokens: pl.Int64 = _tokens("edgerunner")
    edgerunner_exact: pl.Boolean = _exact("edgerunner")
    edgerunner_code: pl.String = _code("edgerunner")
    face_sequence_tokens: pl.Int64 = _tokens("face_sequence")
    face_sequence_exact: pl.Boolean = _exact("face_sequence")
    face_sequence_code: pl.String = _code("face_sequence")
    loom_tokens: pl.Int64 = _tokens("loom")
    loom_exact: pl.Boolean = _exact("loom")
    loom_code: pl.String = _code("loom")
    has_textures: pl.Boolean = Field(
        nullable=True,
        description="A glTF file lists textures; null for OBJ and PLY, whose side files are not asked.",
    )
    has_animations: pl.Boolean = Field(nullable=True, description="A glTF file lists animations.")
    has_skins: pl.Boolean = Field(nullable=True, description="A glTF file lists skins.")


QUALITY_GROUPS = {
    "quantization": [name for name in Quality.to_schema().columns if name.endswith("bit")],
    "intersections": ["n_intersecting_faces", "intersecting_share"],
    "tokenizers": [
        name for name in Quality.to_schema().columns if name.endswith(("_tokens", "_exact", "_code"))
    ],
}
"""Columns that a setting of `QualitySettings` switches off."""
