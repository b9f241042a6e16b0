"""What a version was made from, whom its meshes are owed to, and how two versions differ."""

import polars as pl
from pandera.polars import Field

from pipelines.licences import LICENCES
from pipelines.reasons import Stage
from pipelines.tables.base import REASONS, SPLITS, Table

STATUSES = ["kept", "rejected"]
CHANGES = ["added", "removed", "changed", "rejected"]
CAUSES = [
    *("NEW_FILE", "FILE_GONE", "BYTES_CHANGED", "TOKENIZER_CHANGED", "RULE_CHANGED", "LICENCE_CHANGED"),
    *("SETTINGS_CHANGED", "CODE_CHANGED", "SPLIT_CHANGED", "PROVENANCE_CHANGED", "REASON_CHANGED"),
]
_STAGES = [stage.value for stage in Stage]


class VersionFiles(Table):
    """Every input file of a version and what became of it; holds no path of the machine it was made on."""

    uri: pl.String = Field(unique=True, description="Place within its source: local:meshes/a.glb.")
    mesh_id: pl.String
    sha256: pl.String = Field(nullable=True, description="Null where the file was not read.")
    status: pl.String = Field(isin=STATUSES)
    stage: pl.String = Field(nullable=True, isin=_STAGES, description="Null when kept.")
    reason: pl.String = Field(nullable=True, isin=REASONS, description="Null when kept.")
    split: pl.String = Field(nullable=True, isin=SPLITS, description="Null when rejected.")
    licence: pl.String = Field(nullable=True, description="As the source states it.")
    author: pl.String = Field(nullable=True, description="As the source states it.")


class Attribution(Table):
    """Whom each mesh of the data set is owed to."""

    mesh_id: pl.String = Field(unique=True)
    name: pl.String = Field(description="Title of the work.")
    author: pl.String = Field(nullable=True, description="As the source states it.")
    licence: pl.String = Field(
        nullable=True, isin=list(LICENCES), description="Short name; null where the text names none."
    )
    licence_stated: pl.String = Field(nullable=True, description="As the source states it.")
    source: pl.String
    uri: pl.String = Field(description="Place within its source.")


class VersionChanges(Table):
    """Files that two versions do not treat alike."""

    uri: pl.String = Field(unique=True, description="Place within its source.")
    mesh_id: pl.String
    change: pl.String = Field(
        isin=CHANGES,
        description="added: only the second version holds the mesh; removed: only the first; changed: both, "
        "not the same; rejected: neither, for another reason, or the file is new or gone.",
    )
    cause: pl.String = Field(isin=CAUSES, description="The first of the list that holds.")
    before_status: pl.String = Field(nullable=True, isin=STATUSES, description="Null for a new file.")
    before_reason: pl.String = Field(nullable=True, isin=REASONS)
    before_sha256: pl.String = Field(nullable=True)
    after_status: pl.String = Field(nullable=True, isin=STATUSES, description="Null for a file that is gone.")
    after_reason: pl.String = Field(nullable=True, isin=REASONS)
    after_sha256: pl.String = Field(nullable=True)
