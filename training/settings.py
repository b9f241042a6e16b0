"""The parts of an experiment's configuration: what is read of the data, and how training goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat

from pipelines.tokenizers import TokenizerSettings

Tracker = Literal["tensorboard", "wandb", "trackio", "mlflow"]


class Settings(BaseModel):
    """Cannot be changed, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _is_ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"{limits[0]} is more than {limits[1]}; give the smaller one first")
    return limits


_Factors = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_is_ascending)]


class AugmentSettings(Settings):
    """What differs between two visits of a mesh. What changes the mesh encodes it anew on every visit."""

    rotate: bool = Field(default=True, description="Uniform azimuth about +y.")
    scale: bool = Field(
        default=True, description="Half of the longest side uniform in scale_range, else 0.95."
    )
    scale_range: tuple[float, float] = (0.75, 0.95)
    axis_scale_range: _Factors | None = Field(
        default=None,
        description="Factor of each axis, uniform; the mesh is normalised again. MeshGPT: 0.75, 1.25.",
    )
    shift: tuple[float, float, float] | None = Field(
        default=None,
        description="Farthest along x, y (up) and z, uniform, as far as the mesh stays within 0.95. MeshGPT: "
        "0.2, 0.15, 0.2.",
    )
    decimate: _Factors | None = Field(
        default=None,
        description="Share of its faces that a mesh is decimated to, uniform, flat regions first.",
    )
    decimate_distance: float = Field(
        default=0.01,
        gt=0,
        description="A mesh of which a vertex would move farther, as a share of the diagonal, stays whole.",
    )
    noise_probability: float = Field(default=0.5, ge=0, le=1, description="Share of clouds that get noise.")
    noise_sigma: float = Field(default=0.01, ge=0, description="Standard deviation per coordinate.")

    @property
    def changes_mesh(self) -> bool:
        """Whether the stored tokens cannot be used."""
        options = (self.axis_scale_range, self.shift, self.decimate)
        return self.rotate or self.scale or any(option is not None for option in options)


class DataSettings(Settings):
    """Which samples are read, and how a sample becomes a condition and a sequence."""

    max_tokens: int | None = Field(
        default=None, ge=1, description="Longer sequences are left out, and counted; null: the model's limit."
    )
    max_faces: int | None = Field(
        default=None, ge=1, description="Meshes of more are left out, and counted; null: the model's limit."
    )
    point_pool: int | None = Field(
        default=None,
        description="Draw this many points and keep what the model asks for (the reference: 50 000).",
    )
    balanced_epochs: int | None = Field(
        default=None,
        ge=1,
        description="Epochs over which visits move from the natural to a balanced mix of face counts.",
    )
    tokenizer: TokenizerSettings | None = Field(
        default=None,
        description="Encodes turned meshes and decodes generated ones; null: the data set's own, which is "
        "filled in when a run begins. Given, it must be the data set's.",
    )
    captions: Path | None = Field(
        default=None,
        description="What is said of meshes, for models that read texts: Parquet or CSV with columns mesh_id "
        "and text; null: the category or the name in the data set's tables.",
    )
    text_encoder: Path | None = Field(
        default=None, description="Folder of a T5 as `transformers` reads it, for models that read texts."
    )
    augment: AugmentSettings = AugmentSettings()
    num_workers: int = Field(
        default=0, ge=0, description="Loader processes per rank; never changes a result."
    )


class GenerationSettings(Settings):
    """How token sequences are written."""

    constrained: bool = Field(
        default=True,
        description="Only tokens that the tokenizer's grammar allows: every row ends, and decodes.",
    )
    draft: Path | None = Field(
        default=None,
        description="The run of a smaller network of the same system and tokenizer, which guesses tokens "
        "ahead: what is written is distributed as without it.",
    )
    draft_tokens: int = Field(default=4, ge=1, description="Tokens that the draft guesses at a time.")


class OptimizerSettings(Settings):
    """AdamW."""

    lr: float = Field(default=1e-4, gt=0, description="Peak learning rate.")
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    weight_decay: float = Field(default=0.01, ge=0)
    decay_all: bool = Field(
        default=False, description="Decay norms, biases and embeddings too, as the reference does."
    )


class AverageSettings(Settings):
    """An exponential moving average of the weights. After step s it keeps, for e = s - update_after - 1,
    1 - (1 + e / inverse_gamma) ** -power of itself, at least 0 and at most `decay`."""

    decay: float = Field(default=0.9999, ge=0, le=1, description="Its largest decay.")
    update_after: int = Field(default=100, ge=0, description="Until this step it is a copy of the weights.")
    update_every: int = Field(default=10, ge=1, description="Steps from one update to the next.")
    power: float = Field(default=2 / 3, gt=0)
    inverse_gamma: float = Field(default=1.0, gt=0, description="The larger, the slower the decay grows.")


class ScheduleSettings(Settings):
    """Linear warm-up, then half a cosine down to half of the peak."""

    steps: int = Field(default=100_000, ge=1)
    warmup: float = Field(default=0.01, ge=0, lt=1, description="Share of the steps.")
