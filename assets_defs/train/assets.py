"""Weights, trained in processes of their own that report back through Dagster's pipes."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets_defs.curate.assets import dataset
from assets_defs.reporting import DATA_SET_TAG, OWNERS, file_link, picture
from assets_defs.resources import PROJECT, DataSetResource
from assets_defs.train.cancelling import interrupted_when_cancelled

if TYPE_CHECKING:
    from training.config import ExperimentConfig

EXPERIMENTS = PROJECT / "configs" / "experiments"


class TrainConfig(dg.Config):
    """Which experiment, and what differs from it."""

    experiment: str = Field(default="demo", description="A name in configs/experiments, or a YAML file.")
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="What differs: {schedule.steps: 100}, or nested."
    )
    run: str = Field(
        default="",
        description="Folder below the runs folder; empty: named after experiment, overrides and data set.",
    )


@dg.asset(
    description="The newest weights of a run, with its resolved configuration and its metrics.",
    group_name="train",
    kinds={"pytorch"},
    owners=OWNERS,
    code_version="1",
    deps=[dataset],
    pool="gpu",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL),
)
def checkpoint(
    context: dg.AssetExecutionContext, config: TrainConfig, data_set: DataSetResource
) -> dg.MaterializeResult:
    """Train, or go on training.

    Every start goes on from the newest complete checkpoint of the run folder, so a retry and a run after a
    cancel lose nothing.
    """
    from training.checkpoints import RunError, newest_checkpoint
    from training.config import ConfigError
    from training.data import DataError
    from training.launch import launch_training

    data = ensure_data_set(context, data_set)
    try:
        experiment = resolve_experiment(config)
        version = data_set.version()
        run = data_set.runs_folder / (config.run or run_name(config.experiment, experiment, version))
        context.log.info(f"training in {run}")
        context.instance.add_run_tags(
            context.run.run_id, {DATA_SET_TAG: version[:16], "meshloom/run": run.name}
        )
        with (
            interrupted_when_cancelled(context.instance, context.run.run_id),
            dg.open_pipes_session(
                context=context,
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            ) as session,
        ):
            code = launch_training(experiment, data, run, resume=True, env=session.get_bootstrap_env_vars())
    except (ConfigError, DataError, RunError) as error:  # trying again would find the same
        raise dg.Failure(str(error), allow_retries=False) from error
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt) as error:
        # Left as it is, Dagster would take the interrupt for something to try again.
        raise dg.Failure(
            "training was stopped; launched again, it goes on from the checkpoint it saved",
            allow_retries=False,
        ) from error
    newest = newest_checkpoint(run)
    if code != 0 or newest is None:
        raise dg.Failure(
            f"training ended with exit code {code}; its log is {run / 'log.txt'}",
            metadata={"log": file_link(run / "log.txt")},
        )
    return dg.MaterializeResult(metadata=run_metadata(run, newest, version))


def ensure_data_set(context: dg.AssetExecutionContext, data_set: DataSetResource) -> Path:
    """Folder of the data set; on a fresh checkout, where there is none yet, it is made first."""
    data = data_set.data
    if not data.manifest.exists():
        from pipelines.curation import curate

        context.log.warning(
            f"there is no data set in {data.root} yet; making it from {' '.join(data_set.sources)}. "
            "The job `curate` does this with every step recorded"
        )
        curate(data_set.source_texts(), data.root, data_set.settings)
    return data.root


def resolve_experiment(config: TrainConfig) -> "ExperimentConfig":
    """The experiment with its overrides. Raises ConfigError."""
    from training.config import flatten, load_config

    named = EXPERIMENTS / f"{config.experiment}.yaml"
    path = named if named.is_file() else PROJECT / Path(config.experiment).expanduser()
    overrides = [f"{key}={json.dumps(value)}" for key, value in flatten(config.overrides).items()]
    return load_config(path, overrides)


def run_name(experiment: str, config: "ExperimentConfig", version: str) -> str:
    """Name of the run folder: the same for the same configuration and data, so that a run is found again."""
    content = json.dumps([config.model_dump(mode="json"), version], sort_keys=True)
    return f"{Path(experiment).stem}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def run_metadata(run: Path, newest: Path, version: str) -> dict[str, Any]:
    """Last metrics, links and the loss curve of a run."""
    from assets_defs.train.loss_curve import loss_curve
    from training.reporting import read_metrics
    from training.samples import newest_sheet

    metrics = read_metrics(run)
    values: dict[str, Any] = {}
    if metrics.height:
        last = metrics.row(-1, named=True)
        values = {name: last[name] for name in ("step", "tokens", "loss", "tokens_per_second", "seconds")}
        validation = metrics["validation_loss"].drop_nulls()
        values |= {"validation_loss": validation[-1]} if len(validation) else {}
        utilisation = last["model_flops_utilisation"]
        values |= {} if utilisation is None else {"model_flops_utilisation": utilisation}
        values |= {"loss curve": picture(loss_curve(metrics), "loss curve")}
    if (sheet := newest_sheet(run)) is not None:
        values |= {"samples": picture(sheet.read_bytes(), f"samples of {sheet.stem}")}
    return {
        **values,
        "checkpoint": file_link(newest),
        "run": file_link(run),
        "metrics": file_link(run / "metrics.parquet"),
        "log": file_link(run / "log.txt"),
        "config": dg.MetadataValue.md(f"```yaml\n{(run / 'config.yaml').read_text()}\n```"),
        "data set": version,
    }
