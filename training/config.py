"""One experiment as one object: what is trained, on what, and how.

    config = load_config("configs/experiments/demo.yaml", ["optimizer.lr=3e-4", "schedule.steps=500"])

YAML files hold only what differs from the defaults below. The resolved tree is saved beside the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    ValidationError,
    create_model,
    model_validator,
)

from model.systems import Needs, Stage, System, load_system
from pipelines.tokenizers import TokenizerSettings
from pipelines.yaml_files import YamlFileError, read_yaml
from training.settings import (
    AverageSettings,
    DataSettings,
    GenerationSettings,
    OptimizerSettings,
    ScheduleSettings,
    Settings,
    Tracker,
)
from training.unknown_keys import explain

EXPERIMENTS = Path(__file__).parents[1] / "configs" / "experiments"


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the key and the remedy."""


class ExperimentConfig(Settings):
    """The resolved configuration of one run; saved as RUN/config.yaml.

    Made by `parse_config`, with the model's own settings for the system that it names.
    """

    system: str = Field(default="silksong", description="A folder of model/, or a package's dotted name.")
    stage: str = Field(description="Which of the system's networks is trained.")
    earlier: dict[str, Path] = Field(
        default_factory=dict, description="Runs of the earlier stages whose networks this one uses."
    )
    model: SerializeAsAny[BaseModel]
    earlier_weights: Literal["average", "raw"] = Field(
        default="average", description="Of a run that averaged its weights, what a later stage uses."
    )
    initial_weights: Path | None = Field(default=None, description="A reference checkpoint to start from.")
    data: DataSettings = DataSettings()
    generation: GenerationSettings = GenerationSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    average: AverageSettings | None = Field(
        default=None, description="Average the weights, and measure and generate with that; null: do not."
    )
    schedule: ScheduleSettings = ScheduleSettings()
    batch_size: int = Field(
        default=4, ge=1, description="Samples per process and step; without effect under tokens_per_step."
    )
    tokens_per_step: int | None = Field(
        default=None,
        ge=1,
        description="Tokens of a step, over all processes: as many samples as stay within, and at least one; "
        "null: batch_size samples per process.",
    )
    bad_steps: Literal["stop", "skip"] = Field(
        default="stop",
        description="A loss or gradient that is not finite ends the run; or the step is left out, and its "
        "meshes are named in RUN/quarantine.parquet.",
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest global L2 norm of the gradient.")
    mixed_precision: Literal["no", "bf16", "fp16"] = "bf16"
    recompute_activations: bool = Field(
        default=False,
        description="Keep less of the forward pass in memory, and compute it again; same result.",
    )
    peak_tflops: float | None = Field(
        default=None,
        gt=0,
        description="TFLOP/s of one device at most, for model FLOP utilisation; null: by its name.",
    )
    parallel: Literal["ddp", "fsdp"] = Field(
        default="ddp",
        description="Every rank holds the whole network, or (FSDP2) its share of it; never changes a result.",
    )
    nodes: int = Field(default=1, ge=1, description="Machines; each is told its own --node-rank.")
    processes: int = Field(default=1, ge=1, description="Ranks on each machine: one per GPU.")
    threads: int = Field(default=0, ge=0, description="CPU threads per rank; 0 divides the cores.")
    seed: int = Field(default=0, ge=0)
    log_every: int = Field(default=10, ge=1, description="Steps per row of metrics.parquet.")
    checkpoint_every: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=3, ge=1)
    evaluate_every: int = Field(default=1000, ge=1, description="Steps between validation losses.")
    evaluate_meshes: int = Field(default=64, ge=0, description="Held-out meshes of a validation loss.")
    samples_every: int | None = Field(
        default=None,
        ge=1,
        description="Steps between sheets of generated meshes, RUN/samples, the last step with them; null: "
        "none. Stages that write no meshes have none, nor do several ranks under fsdp.",
    )
    samples_meshes: int = Field(default=6, ge=1, description="Held-out meshes that a sheet is made from.")
    trackers: tuple[Tracker, ...] = Field(
        default=("tensorboard",),
        description="Where metrics go beside metrics.parquet; other packages are yours to install.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_older_names(cls, content: Any) -> Any:
        """A switch for TensorBoard was there before trackers had names."""
        if isinstance(content, Mapping) and isinstance(content.get("tensorboard"), bool):
            rest = {key: value for key, value in content.items() if key != "tensorboard"}
            return {"trackers": ["tensorboard"] if content["tensorboard"] else [], **rest}
        return content

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentConfig:
        needs = self.needs
        for name, limit, longest in (
            ("max_tokens", self.data.max_tokens, needs.max_tokens),
            ("max_faces", self.data.max_faces, needs.max_faces),
        ):
            if limit is not None and longest is not None and limit > longest:
                raise ValueError(f"data.{name} {limit} exceeds the model's {longest}; lower it")
        pool = self.data.point_pool
        if pool is not None and pool < needs.points:
            raise ValueError(f"data.point_pool {pool} is below the model's {needs.points} points; raise it")
        if needs.text_width is not None and self.data.text_encoder is None:
            raise ValueError("the model reads texts; give data.text_encoder=FOLDER of a T5")
        wanted = set(self.training_stage.earlier)
        if wanted != set(self.earlier):
            raise ValueError(
                f"stage {self.stage} uses the networks of {', '.join(sorted(wanted)) or 'no other stage'}; "
                f"give earlier.STAGE=RUN for each of them, and no others"
            )
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return parse_config, (self.model_dump(mode="json"),)  # the class is made for its system

    @property
    def training_stage(self) -> Stage[Any, Any]:
        """What is trained."""
        return load_system(self.system).stage(self.stage)

    @property
    def needs(self) -> Needs:
        """What the stage reads of each sample."""
        return self.training_stage.needs(self.model)

    @property
    def max_tokens(self) -> int | None:
        """Longest sequence that is read."""
        return self.data.max_tokens or self.needs.max_tokens

    @property
    def max_faces(self) -> int | None:
        """Faces of the largest mesh that is read."""
        return self.data.max_faces or self.needs.max_faces

    @property
    def tokenizer(self) -> TokenizerSettings:
        """The tokenizer of the run. Raises ConfigError where nothing has said yet which it is."""
        if self.data.tokenizer is None:
            raise ConfigError(
                "data.tokenizer is not given, and no data set has filled it in; give for example "
                "data.tokenizer.name=silksong"
            )
        return self.data.tokenizer


# A resumed run may differ in these; anything else would make it another run.
MAY_CHANGE_ON_RESUME = frozenset(
    {
        "bad_steps",
        "batch_size",
        "checkpoint_every",
        "data.num_workers",
        "evaluate_every",
        "evaluate_meshes",
        "generation.constrained",
        "generation.draft",
        "generation.draft_tokens",
        "keep_checkpoints",
        "log_every",
        "mixed_precision",
        "nodes",
        "parallel",
        "peak_tflops",
        "processes",
        "recompute_activations",
        "samples_every",
        "samples_meshes",
        "threads",
        "trackers",
    }
)


_SYSTEM, _STAGE = ExperimentConfig.model_fields["system"], ExperimentConfig.model_fields["stage"]


def load_config(path: Path | str | None, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read YAML (none: the defaults alone), apply `key.sub=value` overrides, and check everything.

    `path` is a file, or the name of one in configs/experiments ("demo").
    Raises ConfigError, naming the key, for unknown keys, values that do not fit, or an unreadable file.
    """
    try:
        content = {} if path is None else read_yaml(_find(path))
    except YamlFileError as error:
        raise ConfigError(str(error)) from None
    for override in overrides:
        _apply_override(content, override)
    return parse_config(content)


def parse_config(content: Mapping[str, Any]) -> ExperimentConfig:
    """Check a tree of keys and values. Raises ConfigError."""
    name = content.get("system", _SYSTEM.default)
    try:
        owner = _experiment_class(str(name))
    except ValueError as error:
        raise ConfigError(f"system: {error}") from None
    try:
        return owner.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(owner, dict(item)) for item in error.errors())) from None


@functools.cache
def _experiment_class(name: str) -> type[ExperimentConfig]:
    """The class whose `model` is that of a system. Raises ValueError."""
    system: System[Any] = load_system(name)
    stages = tuple(stage.name for stage in system.stages)
    return create_model(
        ExperimentConfig.__name__,
        __base__=ExperimentConfig,
        stage=(cast(Any, Literal[stages]), Field(default=stages[0], description=_STAGE.description)),
        model=(system.config, Field(default_factory=system.config)),
    )


def dump_config(config: ExperimentConfig) -> str:
    """The whole tree as YAML; `load_config` reads it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a nested mapping."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differences(before: ExperimentConfig, after: ExperimentConfig) -> list[str]:
    """What differs in a way that makes `after` another run: `key: old -> new`, in order."""
    old, new = flatten(before.model_dump(mode="json")), flatten(after.model_dump(mode="json"))
    return [
        f"{key}: {old.get(key)} -> {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in MAY_CHANGE_ON_RESUME
    ]


def _find(path: Path | str) -> Path:
    named = EXPERIMENTS / f"{path}.yaml"
    return named if not Path(path).is_file() and named.is_file() else Path(path)


def _apply_override(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise ConfigError(f"override {override!r} is not of the form key.sub=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of override {override!r} is not YAML: {error}") from error
    node = content
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override {override!r}: {part} is a value, not a group of keys")
        node = child
    node[parts[-1]] = value
