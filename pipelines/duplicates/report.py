"""How many copies a data set has, between which sources, and what a split file by file would have leaked.

print(duplicate_report(DataFolder(Path("data")), SplitSettings()).summary())
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.reasons import Stage
from pipelines.settings import SplitSettings
from pipelines.stages.curated import split_of
from pipelines.stages.duplicates import DUPLICATES
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import MATCHES

LISTED_CLUSTERS = 10
SHOWN_MESHES = 24


@dataclass(frozen=True)
class DuplicateReport:
    """What `meshloom duplicates` prints."""

    n_meshes: int
    n_clusters: int
    """Of two meshes or more."""
    n_copies: int
    """Meshes beside the representatives."""
    matches: dict[str, int]
    """Copies by how they are like their representative: file, geometry, near."""
    sources: pl.DataFrame
    """first, second (sources), clusters that hold meshes of both, and how many of these leak file by file."""
    largest: pl.DataFrame
    """cluster, n_meshes, representative, sources: the largest clusters first."""
    n_leaks_by_file: int
    """Clusters that would lie in several splits if each file's own hash decided."""
    n_leaks: int
    """Clusters that do lie in several splits of the curated table: 0."""

    def summary(self) -> str:
        """The counts as text."""
        kinds = ", ".join(f"{self.matches[match]:,} by {match}" for match in MATCHES)
        return (
            f"{self.n_copies:,} of {self.n_meshes:,} meshes are copies ({kinds}), in {self.n_clusters:,} "
            f"clusters\n{self.n_leaks_by_file:,} clusters would lie in several splits if each file decided "
            f"alone; {self.n_leaks:,} do"
        )


def duplicate_report(data: DataFolder, split: SplitSettings) -> DuplicateReport:
    """Read the clusters of a data set.

    Raises FileNotFoundError where there are none yet.
    """
    meshes = data.scan(DUPLICATES).collect()
    own = pl.Series("split", [split_of(sha256, split) for sha256 in meshes["sha256"]], dtype=pl.String)
    copies = meshes.with_columns(own).filter(pl.col("n_meshes") > 1)
    clusters = copies.group_by("cluster").agg(
        pl.col("n_meshes", "representative").first(),
        sources=pl.col("source").unique().sort(),
        leaks=pl.col("split").n_unique() > 1,
    )
    found = dict(meshes["match"].drop_nulls().value_counts().iter_rows())
    return DuplicateReport(
        n_meshes=meshes.height,
        n_clusters=clusters.height,
        n_copies=meshes["match"].count(),
        matches={match: found.get(match, 0) for match in MATCHES},
        sources=_between_sources(copies, clusters),
        largest=clusters.sort(["n_meshes", "cluster"], descending=[True, False])
        .head(LISTED_CLUSTERS)
        .drop("leaks"),
        n_leaks_by_file=int(clusters["leaks"].sum()),
        n_leaks=_leaks(data),
    )


def largest_cluster_sheet(data: DataFolder, report: DuplicateReport) -> bytes | None:
    """PNG of meshes of the largest cluster, as loaded, the representative first; None where there is none."""
    from pipelines.pictures import contact_sheet

    if report.largest.is_empty():
        return None
    members = data.scan(DUPLICATES).filter(cluster=report.largest["cluster"][0]).collect()
    shown = members.sort(["match", "mesh_id"], nulls_last=False).head(SHOWN_MESHES)
    keys = {ShardKey(*row) for row in shown.select("source", "shard").iter_rows()}
    names = pl.scan_parquet([data.table(Stage.RAW_MESHES, key) for key in sorted(keys)])
    meshes = (
        pl.scan_parquet([data.geometry(key) for key in sorted(keys)])
        .filter(pl.col("mesh_id").is_in(shown["mesh_id"].to_list()))
        .join(names.select("mesh_id", "name"), on="mesh_id")
        .collect()
    )
    by_id = {row["mesh_id"]: row for row in meshes.rows(named=True)}
    rows = [by_id[mesh_id] for mesh_id in shown["mesh_id"]]
    return contact_sheet([(row["name"], _triples(row["vertices"]), _triples(row["faces"])) for row in rows])


def _triples(flat: list[float]) -> NDArray:
    return np.asarray(flat).reshape(-1, 3)


def _between_sources(copies: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Clusters with meshes of two sources, or several of one source, and those that leak file by file."""
    counts = copies.group_by("cluster", "source").len()
    pairs = counts.join(counts, on="cluster", suffix="_other").filter(
        (pl.col("source") < pl.col("source_other"))
        | ((pl.col("source") == pl.col("source_other")) & (pl.col("len") > 1))
    )
    return (
        pairs.join(clusters.select("cluster", "leaks"), on="cluster")
        .group_by(first="source", second="source_other")
        .agg(clusters=pl.len().cast(pl.Int64), leaks=pl.col("leaks").sum().cast(pl.Int64))
        .sort("first", "second")
    )


def _leaks(data: DataFolder) -> int:
    """Clusters of the curated table that lie in several splits."""
    try:
        curated = data.scan(Stage.CURATED)
    except FileNotFoundError:
        return 0
    sides = curated.group_by("cluster").agg(pl.col("split").n_unique())
    return int(sides.filter(pl.col("split") > 1).select(pl.len()).collect().item())
