"""Every table of a data set, in one place.

A stage keeps a row or rejects it with a reason; nothing is lost. Column docs name the reference's column
where one exists (Mesh Silksong, arXiv 2507.02477), since its users know those.
"""

from pipelines.reasons import Stage
from pipelines.tables.base import REASONS, SPLITS, Table, column_docs, polars_schema, validate
from pipelines.tables.comparison import ComparedMeshes, TokenizerSummary, TokenizerTimes, TokenizerTrials
from pipelines.tables.data_set import Curated, ShardIndex
from pipelines.tables.duplicates import MATCHES, Descriptors, DuplicatePairs, Duplicates
from pipelines.tables.files import Ledger, RawMeshes, Rejected
from pipelines.tables.meshes import Geometry, MeshTable
from pipelines.tables.quality import QUALITY_GROUPS, Quality
from pipelines.tables.tokens import SILKSONG_COLUMNS, Tokens
from pipelines.tables.versions import Attribution, VersionChanges, VersionFiles

STAGE_TABLES: dict[Stage, type[Table]] = {
    Stage.RAW_MESHES: RawMeshes,
    Stage.MESH_TABLE: MeshTable,
    Stage.TOKENS: Tokens,
    Stage.CURATED: Curated,
}

__all__ = [
    "MATCHES",
    "QUALITY_GROUPS",
    "REASONS",
    "SILKSONG_COLUMNS",
    "SPLITS",
    "STAGE_TABLES",
    "Attribution",
    "ComparedMeshes",
    "Curated",
    "Descriptors",
    "DuplicatePairs",
    "Duplicates",
    "Geometry",
    "Ledger",
    "MeshTable",
    "Quality",
    "RawMeshes",
    "Rejected",
    "ShardIndex",
    "Table",
    "TokenizerSummary",
    "TokenizerTimes",
    "TokenizerTrials",
    "Tokens",
    "VersionChanges",
    "VersionFiles",
    "column_docs",
    "polars_schema",
    "validate",
]
