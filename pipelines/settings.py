"""Everything that decides what a data set holds, as data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.licences import LICENCES, normalize_licence
from pipelines.tokenizers import SilksongSettings, TokenizerSettings

DEFAULT_PRESETS = {
    "silksong": "silksong-v11",
    "edgerunner": "edgerunner-default",
    "face_sequence": "face-sequence-default",
    "loom": "loom-default",
}
"""Rules that a data set of a tokenizer family follows where it names none."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerLimits(_Settings):
    """How much one mesh may cost before it is given up, and how many are worked on at once.

    None of these changes the bytes of a mesh that stays within them.
    """

    workers: int = Field(
        default=0, ge=0, description="Processes; 0 = one per core. On Ray: of each partition; 0 = 1."
    )
    seconds_per_item: float = Field(default=60.0, gt=0)
    bytes_per_item: int = Field(
        default=4 << 30, gt=0, description="Address space a worker may add for one mesh."
    )


class FetchSettings(_Settings):
    """How files are brought from elsewhere; none of it changes the bytes of a file that comes.

    The caps for archives decide which of their members may be read.
    """

    store: str | None = Field(
        default=None,
        description="Folder of the fetched bytes, which data sets may share; DIR/store by default.",
    )
    parallel: int = Field(default=8, ge=1, description="Files on their way at once.")
    requests_per_second: float = Field(default=20.0, gt=0, description="To one host.")
    attempts: int = Field(default=6, ge=1, description="For one file in one run.")
    first_wait_seconds: float = Field(
        default=0.5, ge=0, description="Doubled with each attempt, with jitter."
    )
    longest_wait_seconds: float = Field(
        default=120.0, ge=0, description="A host that asks for a longer pause is left for another run."
    )
    connect_seconds: float = Field(default=15.0, gt=0)
    read_seconds: float = Field(default=60.0, gt=0, description="Without a byte.")
    seconds_per_file: float = Field(default=3600.0, gt=0)
    failures_until_down: int = Field(
        default=20, ge=1, description="Files in a row; the rest of the host's files are then not asked for."
    )
    archive_bytes_limit: int = Field(default=64 << 30, gt=0, description="Packed, and unpacked.")
    archive_ratio_limit: float = Field(
        default=1000.0, gt=1, description="Unpacked over packed size of a member above 1 MiB."
    )
    archive_members_limit: int = Field(default=1_000_000, ge=1)


class EngineSettings(_Settings):
    """Where partitions are worked on: `local`, or `ray` for the nodes of a Ray cluster. Changes no byte."""

    name: Literal["local", "ray"] = "local"
    address: str | None = Field(
        default=None,
        description="Of the cluster, as HOST:PORT; by default RAY_ADDRESS, or a cluster on this machine.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_its_name(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given


class SplitSettings(_Settings):
    """Shares of the held-out splits, decided by the smallest sha256 of each cluster of copies."""

    val: float = Field(default=0.02, ge=0, lt=1)
    test: float = Field(default=0.05, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "SplitSettings":
        if self.val + self.test >= 1:
            raise ValueError(
                f"val {self.val} and test {self.test} leave nothing to train on; their sum must be below 1"
            )
        return self


class QualitySettings(_Settings):
    """Which groups of the quality columns are measured; those of the others are null."""

    quantization: bool = Field(default=True, description="Damage of 7, 8, 9 and 10 bits.")
    intersections: bool = Field(default=True, description="Faces that cross each other.")
    pairs_limit: int = Field(
        default=4_000_000,
        ge=0,
        description="A mesh with more pairs of faces whose boxes overlap is not searched for crossings.",
    )
    tokenizers: bool = Field(default=True, description="Length and exactness for every tokenizer family.")


class DecimationSettings(_Settings):
    """Simplify meshes of more than `faces` faces before they are tokenised, planar regions first."""

    faces: int = Field(default=800, ge=4, description="Most faces afterwards.")
    distance: float = Field(
        default=0.01,
        gt=0,
        description="Farthest that a vertex of either surface may then be from the other, as a share of the "
        "bounding box's diagonal; a mesh that needs more is rejected.",
    )


class CurationSettings(_Settings):
    """The resolved configuration of one data set; saved in its manifest."""

    tokenizer: TokenizerSettings = SilksongSettings()
    preset: str = Field(
        default_factory=lambda data: DEFAULT_PRESETS[data["tokenizer"].name],
        description="Filter rules: a name in configs/rules or a YAML file; by default the tokenizer's.",
    )
    size_bytes_limit: int = Field(default=512 << 20, description="Larger files are TOO_LARGE.")
    faces_limit: int = Field(
        default=16_000, ge=1, description="More faces after loading: TOO_MANY_FACES_RAW."
    )
    decimate: DecimationSettings | None = None
    quality: QualitySettings = QualitySettings()
    split: SplitSettings = SplitSettings()
    duplicates: Literal["keep_representative", "keep_all"] = Field(
        default="keep_representative",
        description="Of a cluster of copies keep one, or all; either way it lies on one side of the split.",
    )
    samples_per_shard: int = Field(default=1000, ge=1)
    limits: WorkerLimits = WorkerLimits()
    engine: EngineSettings = EngineSettings()
    fetch: FetchSettings = FetchSettings()
    licences: tuple[str, ...] | None = Field(
        default=None, description="Only meshes under one of these, for example [cc0, by]; null keeps all."
    )

    @field_validator("licences")
    @classmethod
    def _are_known(cls, licences: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if licences is None:
            return None
        names = {text: normalize_licence(text) for text in licences}
        unknown = [text for text, name in names.items() if name is None]
        if unknown or not names:
            what = f"{', '.join(map(repr, unknown))} unknown" if unknown else "no licence named"
            raise ValueError(f"{what}; take some of {', '.join(LICENCES)}, or null to keep all")
        return tuple(sorted({name for name in names.values() if name is not None}))
