"""Where a run's metrics go beside its folder: accelerate's trackers, by the names in `trackers`.

TensorBoard comes with Meshloom and writes to RUN/tensorboard. Packages of the others are the user's to
install, and who he is they know themselves (their own login or environment variables): nothing of the kind
is in a configuration, and the configuration is all that is given to them.
"""

import json
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import ProjectConfiguration

from training.config import ConfigError, ExperimentConfig, flatten

PROJECT = "meshloom"


def check_trackers(config: ExperimentConfig) -> None:
    """Raises ConfigError where a package is absent, which accelerate would pass over in silence."""
    available = {str(name) for name in get_available_trackers()}
    for name in config.trackers:
        if name not in available:
            raise ConfigError(f"trackers: {name} is not installed; pip install {name}, or leave it out")


def open_accelerator(config: ExperimentConfig, run: Path, **options: Any) -> Accelerator:
    """accelerate with the run's trackers, not begun yet; the other options are its own."""
    folders = ProjectConfiguration(project_dir=str(run), logging_dir=str(run / "tensorboard"))
    return Accelerator(log_with=list(config.trackers) or None, project_config=folders, **options)


def begin_tracking(accelerator: Accelerator, config: ExperimentConfig, run: Path) -> None:
    """Tell the trackers the run's name and its resolved configuration, one value for each dotted key."""
    if not config.trackers:
        return
    name = run.resolve().name
    options = {
        "wandb": {"name": name, "dir": str(run)},
        "trackio": {"name": name},
        "mlflow": {"run_name": name},
    }
    content = flatten(config.model_dump(mode="json"))
    described = {key: value for key, value in content.items() if value is not None}
    described = {key: _scalar(value) for key, value in described.items()}
    accelerator.init_trackers(PROJECT, {"run": name, **described}, options)


def _scalar(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
