"""From pairs to clusters, and which mesh stands for each.

The representative is, of the meshes that the data set would keep, the one with the most open licence, then
one whose tokens are exact, then the one with the most faces, then the smallest sha256 and mesh_id.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.licences import normalize_licence

_OPEN = (
    {"cc0", "public-domain", "unlicense"},
    {"by", "mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "odc-by"},
    {"by-sa", "odbl", "mpl-2.0", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0"},
    {"by-nd", "by-nc", "by-nc-sa", "by-nc-nd"},
)
"""From the most open to the least: no condition, name the author, share alike, with limits of use."""


def licence_rank(licence: str | None) -> int:
    """How open a licence is, 0 the most; one that is unknown or not stated comes last."""
    name = normalize_licence(licence)
    return next((rank for rank, names in enumerate(_OPEN) if name in names), len(_OPEN))


def connected(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the component (n,) that each of n things is in, joined by pairs (P, 2)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def assign_clusters(meshes: pl.DataFrame) -> pl.DataFrame:
    """Give each mesh its cluster's name, size and representative, and how it matches that one.

    Columns asked for: mesh_id, uri, sha256, shape (the same for exact copies), component (of shapes),
    is_kept, licence, exact, n_faces; the last three may be null. Rows stay in their order.
    """
    ranks = {text: licence_rank(text) for text in meshes["licence"].unique()}
    rank = pl.col("licence").replace_strict(ranks, default=len(_OPEN), return_dtype=pl.Int64)
    best_first = meshes.with_columns(openness=rank).sort(
        ["component", "is_kept", "openness", "exact", "n_faces", "sha256", "mesh_id"],
        descending=[False, True, False, True, True, False, False],
        nulls_last=True,
    )
    clusters = best_first.group_by("component", maintain_order=True).agg(
        cluster=pl.col("sha256").min(),
        n_meshes=pl.len().cast(pl.Int64),
        representative=pl.col("mesh_id").first(),
        representative_uri=pl.col("uri").first(),
        its_sha256=pl.col("sha256").first(),
        its_shape=pl.col("shape").first(),
    )
    is_same_shape = pl.col("shape") == pl.col("its_shape")
    match = (
        pl.when(pl.col("mesh_id") == pl.col("representative"))
        .then(None)
        .when(is_same_shape & (pl.col("sha256") == pl.col("its_sha256")))
        .then(pl.lit("file"))
        .when(is_same_shape)
        .then(pl.lit("geometry"))
        .otherwise(pl.lit("near"))
    )
    return meshes.join(clusters, on="component", how="left", maintain_order="left").with_columns(match=match)
