"""Which meshes are the same: exact copies, near duplicates, and the clusters they form.

    from pipelines.duplicates import describe, shared_vertices

    a, b = describe(*first), describe(*second)
    a.geometry_hash == b.geometry_hash       # the same triangles, whatever their order, place, size or axes
    a.distance(b)                            # 0 for a rotated copy, some 0.01 for a slightly decimated one
    shared_vertices(a.landmarks, b.landmarks)  # shares of the vertices that lie on one another

Only shape counts: textures, materials and names do not. Mirror images and flipped faces are the same shape.
"""

from pipelines.duplicates.alignment import SharedVertices, shared_vertices
from pipelines.duplicates.descriptor import Description, NoSurfaceError, describe
from pipelines.duplicates.geometry_hash import geometry_hash
from pipelines.duplicates.search import neighbours_within

__all__ = [
    "Description",
    "NoSurfaceError",
    "SharedVertices",
    "describe",
    "geometry_hash",
    "neighbours_within",
    "shared_vertices",
]
