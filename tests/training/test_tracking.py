"""accelerate's trackers as it finds them by name; TensorBoard's files as TensorBoard reads them."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from accelerate.tracking import GeneralTracker, get_available_trackers, register_tracker_class
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.conftest import tiny_config
from training.checkpoints import Position
from training.config import ConfigError, parse_config
from training.launch import launch_training, prepare_run
from training.reporting import open_reporter, read_metrics, take_row
from training.tracking import begin_tracking, open_accelerator


class Recorder(GeneralTracker):
    """Keeps what accelerate tells it."""

    name = "recorder"
    requires_logging_directory = False
    told: ClassVar[list[Any]] = []

    def __init__(self, project: str) -> None:
        super().__init__()
        self.told.append(project)

    @property
    def tracker(self) -> list[Any]:
        return self.told

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.told.append(values)

    def log(self, values: dict[str, Any], step: int | None = None, **options: Any) -> None:
        self.told.append((step, values))


def test_tensorboard_has_the_rows_and_the_configuration(box_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny_config(schedule={"steps": 2, "warmup": 0}, trackers=["tensorboard"])
    assert launch_training(config, box_data, run) == 0
    events = EventAccumulator(str(run / "tensorboard" / "meshloom")).Reload()
    metrics = read_metrics(run)
    scalars = events.Scalars("loss")
    assert [scalar.step for scalar in scalars] == [1, 2]
    assert [scalar.value for scalar in scalars] == pytest.approx(metrics["loss"].to_list())
    described = next((run / "tensorboard").rglob("hparams.yml")).read_text()
    assert "run: run\n" in described
    assert "optimizer.lr: 0.001\n" in described


def test_a_tracker_is_found_by_its_name_and_told_all(tmp_path: Path) -> None:
    register_tracker_class(Recorder)
    Recorder.told.clear()
    config = tiny_config().model_copy(update={"trackers": ("recorder",)})
    run = tmp_path / "first"
    run.mkdir()
    accelerator = open_accelerator(config, run, cpu=True)
    begin_tracking(accelerator, config, run)
    with open_reporter(run, 2, is_main=True, tracker=accelerator) as reporter:
        position = Position(step=1, interval_loss=3.0, interval_tokens=2)
        reporter.add_row(take_row(position, 10, 1e-3, 1.0, None, None))
    project, described, (step, values) = Recorder.told
    assert project == "meshloom"
    assert (described["run"], described["optimizer.lr"]) == ("first", 1e-3)
    assert described["optimizer.betas"] == "[0.9, 0.99]"
    assert (step, values["loss"]) == (1, 1.5)
    assert "validation_loss" not in values


def test_without_a_tracker_there_is_nothing_of_one(long_run: Path) -> None:
    assert not (long_run / "tensorboard").exists()


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow"])
def test_an_absent_package_is_named_before_anything_starts(name: str, box_data: Path, tmp_path: Path) -> None:
    if name in {str(tracker) for tracker in get_available_trackers()}:
        pytest.skip(f"{name} is installed")
    with pytest.raises(ConfigError, match=f"trackers: {name} is not installed; pip install {name}"):
        prepare_run(tiny_config(trackers=["tensorboard", name]), box_data, tmp_path / "run", resume=False)
    assert not (tmp_path / "run").exists()


def test_the_switch_of_before_is_still_read() -> None:
    assert parse_config({"tensorboard": True}).trackers == ("tensorboard",)
    assert parse_config({"tensorboard": False}).trackers == ()
    with pytest.raises(ConfigError, match=r"trackers\.0: Input should be 'tensorboard', 'wandb'"):
        parse_config({"trackers": ["paper"]})
