"""A comparison as data: what is compared, on what, and for how long.

settings = load_comparison("loom-silksong")    # a name in configs/comparisons, or a YAML file
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.tokenizers import TokenizerSettings, build_tokenizer
from pipelines.yaml_files import YamlFileError, checked, read_yaml
from training.config import ConfigError, ExperimentConfig, load_config

COMPARISONS = Path(__file__).parents[2] / "configs" / "comparisons"


class ComparisonSettings(BaseModel):
    """One comparison; every tokenizer is trained with every seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizers: dict[str, TokenizerSettings] = Field(
        min_length=2, description="By the names they have in folders and tables."
    )
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    curation: dict[str, Any] = Field(
        description="Curation settings that differ from the defaults, without a tokenizer, with a preset."
    )
    experiment: str = Field(description="What is trained: a name in configs/experiments, or a YAML file.")
    overrides: tuple[str, ...] = Field(default=(), description="Of the experiment: key.path=value.")
    meshes: int = Field(ge=1, description="That a run sees, visits of the same mesh counted each time.")
    evaluations: int = Field(
        default=12, ge=1, description="Held-out losses, and checkpoints, along each curve."
    )
    held_out_meshes: int = Field(default=64, ge=1, description="Of split val, for the losses.")
    generated_meshes: int = Field(default=32, ge=1, description="Of split test, to generate from.")
    slots: int = Field(default=8, ge=1, description="Meshes that are written at once.")
    temperature: float = Field(default=0.5, ge=0)
    close: tuple[float, ...] = Field(
        default=(0.1, 0.2),
        description="A generated mesh is close where its Chamfer distance (cd_l2_sum) is at most this.",
    )

    @model_validator(mode="after")
    def _can_be_run(self) -> "ComparisonSettings":
        if "tokenizer" in self.curation or "preset" not in self.curation:
            raise ValueError("curation must have a preset that all tokenizers share, and no tokenizer")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {self.seeds} name one twice")
        if any(name != Path(name).name or name in ("", ".", "..") for name in self.tokenizers):
            raise ValueError("the names of tokenizers are names of folders, and must be usable as such")
        return self

    def config(self, tokenizer: str, seed: int) -> ExperimentConfig:
        """The experiment of one run. Raises ConfigError."""
        plain = load_config(self.experiment, self.overrides)
        if plain.needs.vocab_size is None:
            raise ConfigError(
                f"{self.experiment} trains a stage that reads no tokens; there is nothing to compare"
            )
        if plain.data.augment.changes_mesh:
            raise ConfigError(
                f"{self.experiment} turns or scales meshes, and a tokenizer would pay for its speed; "
                "give data.augment.rotate=false and data.augment.scale=false"
            )
        if plain.tokens_per_step is not None:
            raise ConfigError(
                f"{self.experiment} has steps of {plain.tokens_per_step} tokens, and a comparison sees equal "
                "numbers of meshes; give tokens_per_step=null and a batch_size"
            )
        steps = max(1, round(self.meshes / (plain.batch_size * plain.processes * plain.nodes)))
        interval = max(1, steps // self.evaluations)
        settings = self.tokenizers[tokenizer]
        options = [f"data.tokenizer.{name}={value}" for name, value in settings.model_dump().items()]
        return load_config(
            self.experiment,
            [
                *self.overrides,
                *options,
                f"model.vocab_size={build_tokenizer(settings).vocab_size}",
                f"seed={seed}",
                f"schedule.steps={steps}",
                f"log_every={interval}",
                f"evaluate_every={interval}",
                f"evaluate_meshes={self.held_out_meshes}",
                f"checkpoint_every={interval}",
                f"keep_checkpoints={steps // interval + 1}",
            ],
        )


def load_comparison(path: Path | str) -> ComparisonSettings:
    """Settings of a YAML file, or of a name in configs/comparisons.

    Raises ConfigError, naming the key, where they cannot be read or do not fit.
    """
    named = COMPARISONS / f"{path}.yaml"
    file = named if not Path(path).is_file() and named.is_file() else Path(path)
    try:
        return checked(ComparisonSettings, read_yaml(file), file)
    except YamlFileError as error:
        raise ConfigError(str(error)) from None
