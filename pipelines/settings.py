"""Everything that decides what a data set holds, as data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

    workers: int = Field(default=0, ge=0, description="Processes; 0 = one per core.")
    seconds_per_item: float = Field(default=60, gt=0)
    bytes_per_item: int = Field(
        default=4 << 30, gt=0, description="Address space a worker may add for one mesh."
    )


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
    split: SplitSettings = SplitSettings()
    duplicates: Literal["keep_representative", "keep_all"] = Field(
        default="keep_representative",
        description="Of a cluster of copies keep one, or all; either way it lies on one side of the split.",
    )
    samples_per_shard: int = Field(default=1000, ge=1)
    limits: WorkerLimits = WorkerLimits()
