"""Everything that decides what a data set holds, as data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


class TokenizerSettings(_Settings):
    """Which tokenizer makes the tokens table."""

    name: str = "silksong"
    resolution: int = 128
    vertex_mode: Literal["block_offset", "xyz"] = "block_offset"
    conformance: Literal["reference"] = "reference"
    faces_limit: int = Field(default=16_000, description="More faces after loading: TOO_MANY_FACES_RAW.")

    @property
    def label(self) -> str:
        """What the `tokenizer` column says."""
        return f"{self.name}/{self.vertex_mode}/{self.resolution}/{self.conformance}"


class SplitSettings(_Settings):
    """Shares of the held-out splits, decided by each file's own sha256."""

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

    preset: str = "silksong-v11"
    size_bytes_limit: int = Field(default=512 << 20, description="Larger files are TOO_LARGE.")
    tokenizer: TokenizerSettings = TokenizerSettings()
    split: SplitSettings = SplitSettings()
    samples_per_shard: int = Field(default=1000, ge=1)
    limits: WorkerLimits = WorkerLimits()
