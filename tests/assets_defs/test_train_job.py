"""`dagster job launch -j train` as a user starts it: in processes of its own, without a daemon."""

import contextlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError

from assets_defs.resources import DataSetResource
from assets_defs.train.assets import TrainConfig, resolve_experiment, run_name
from pipelines.curation import curate
from tests.assets_defs.tiny import TINY_MODEL, as_config, launch, wait_for_end, wait_until, write_three_meshes

pytest.importorskip("tokenizer_rs")


@pytest.fixture(scope="module")
def curated_set(tmp_path_factory: pytest.TempPathFactory) -> DataSetResource:
    """A data set that is there already, as `meshloom curate` leaves it."""
    folder = tmp_path_factory.mktemp("train")
    meshes = write_three_meshes(folder / "meshes")
    data_set = DataSetResource(
        sources=[f"local:{meshes}"], folder=str(folder / "data"), runs=str(folder / "runs"), workers=1
    )
    curate(data_set.source_texts(), data_set.data.root, data_set.settings)
    return data_set


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY_MODEL))
    return path


def run_config(data_set: DataSetResource, experiment: Path, run: str, **overrides: Any) -> str:
    asset = {"experiment": str(experiment), "run": run, "overrides": overrides}
    return json.dumps({"ops": {"checkpoint": {"config": asset}}, "resources": as_config(data_set)})


def test_overrides_reach_the_trainer(
    curated_set: DataSetResource,
    experiment: Path,
    dagster_home: Path,
    home_instance: dg.DagsterInstance,
) -> None:
    config = run_config(curated_set, experiment, "overridden", **{"schedule.steps": 2, "batch_size": 2})
    run_id = launch("train", config, dagster_home)
    assert wait_for_end(home_instance, run_id) is dg.DagsterRunStatus.SUCCESS
    run = curated_set.runs_folder / "overridden"
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert (resolved["schedule"]["steps"], resolved["batch_size"]) == (2, 2)
    metrics = pl.read_parquet(run / "metrics.parquet")
    assert metrics["step"].to_list() == [1, 2]
    assert metrics["samples"].to_list() == [2, 4]

    event = home_instance.get_latest_materialization_event(dg.AssetKey("checkpoint"))
    assert event is not None
    materialization = event.asset_materialization
    assert materialization is not None
    told = {name: value.value for name, value in materialization.metadata.items()}
    assert told["step"] == 2
    assert Path(str(told["checkpoint"])).is_dir()
    assert "data:image/png" in str(told["loss curve"])
    messages = [record.user_message for record in home_instance.all_logs(event.run_id)]
    assert any(message.startswith("step 2/2") for message in messages), "the trainer's lines reach the log"


def test_cancelling_leaves_a_checkpoint_and_no_process(
    curated_set: DataSetResource,
    experiment: Path,
    dagster_home: Path,
    home_instance: dg.DagsterInstance,
) -> None:
    run = curated_set.runs_folder / "cancelled"
    config = run_config(curated_set, experiment, "cancelled", **{"schedule.steps": 1_000_000})
    run_id = launch("train", config, dagster_home)
    wait_until(lambda: (run / "metrics.parquet").exists(), 300)
    assert training_processes(run)
    with contextlib.suppress(DagsterUserCodeUnreachableError):  # the run has outlived its code server
        home_instance.run_launcher.terminate(run_id)
    assert wait_for_end(home_instance, run_id) is dg.DagsterRunStatus.CANCELED
    assert training_processes(run) == []
    kinds = {
        record.dagster_event_type for record in home_instance.all_logs(run_id) if record.is_dagster_event
    }
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    assert [path.name for path in (run / "checkpoints").iterdir() if not path.name.startswith(".")]


def test_an_unknown_key_is_said_and_not_tried_again(
    curated_set: DataSetResource, experiment: Path, instance: dg.DagsterInstance
) -> None:
    from assets_defs.train.assets import checkpoint

    result = dg.materialize(
        [checkpoint],
        resources={"data_set": curated_set},
        run_config=json.loads(run_config(curated_set, experiment, "wrong", **{"schedule.stepz": 2})),
        instance=instance,
        raise_on_error=False,
    )
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "schedule.stepz" in str(failure.event_specific_data)
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_a_data_set_that_is_missing_is_made_first(
    experiment: Path, data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    from assets_defs.train.assets import checkpoint

    assert not data_set.data.root.exists()
    result = dg.materialize(
        [checkpoint],
        resources={"data_set": data_set},
        run_config=json.loads(run_config(data_set, experiment, "first", **{"schedule.steps": 1})),
        instance=instance,
    )
    assert result.success
    assert data_set.data.manifest.exists()
    assert (data_set.runs_folder / "first" / "checkpoints").is_dir()


def test_a_run_is_named_after_what_it_is(experiment: Path) -> None:
    def name(version: str = "a", **overrides: Any) -> str:
        config = TrainConfig(experiment=str(experiment), overrides=overrides)
        return run_name(config.experiment, resolve_experiment(config), version)

    assert name() == name()
    assert name().startswith("tiny-")
    assert len({name(), name("b"), name(seed=1), name(**{"schedule.steps": 9})}) == 4
    assert name(schedule={"steps": 9}) == name(**{"schedule.steps": 9})


def training_processes(run: Path) -> list[str]:
    """Command lines of processes that name the run folder, the launch itself left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "training.loop" in line and str(run) in line:
            found.append(line)
    return found
