"""Meshes generated from held-out ones, and how far they are from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets_defs.checks import check_columns, schema_spec
from assets_defs.curate.assets import dataset
from assets_defs.reporting import DATA_SET_TAG, OWNERS, file_link, picture
from assets_defs.resources import DataSetResource
from assets_defs.train.assets import checkpoint


class EvaluateConfig(dg.Config):
    """From which run, on which meshes, and how tokens are drawn."""

    run: str = Field(default="", description="Folder below the runs folder; empty: the newest checkpoint's.")
    split: str = Field(default="test", description="train, val or test.")
    limit: int | None = Field(default=24, description="At most so many meshes of the split; null for all.")
    temperature: float = Field(default=0.5, description="0 takes the most probable token.")
    seed: int = 0
    protocol: str = Field(default="paired-10k", description="paired-10k or paired-1k-self.")


@dg.multi_asset(
    name="evaluate_checkpoint",
    specs=[
        dg.AssetSpec(
            "generated_meshes",
            deps=[checkpoint, dataset],
            group_name="evaluate",
            kinds={"pytorch", "glb"},
            owners=OWNERS,
            code_version="1",
            description="One GLB per held-out mesh, generated from points on its surface.",
        ),
        dg.AssetSpec(
            "evaluation",
            deps=["generated_meshes"],
            group_name="evaluate",
            kinds={"parquet", "html"},
            owners=OWNERS,
            code_version="1",
            description="Distances, topology and status of every generated mesh, with a report to look at.",
        ),
    ],
    check_specs=[schema_spec("generated_meshes"), schema_spec("evaluation")],
    pool="gpu",
)
def evaluate_checkpoint(
    context: dg.AssetExecutionContext, config: EvaluateConfig, data_set: DataSetResource
) -> Iterator[dg.MaterializeResult]:
    """Generate and compare in one step: the network and the held-out meshes are loaded once."""
    from assets_defs.evaluate.pictures import pairs_picture
    from training.checkpoints import RunError
    from training.data import DataError
    from training.evaluation.protocol import PROTOCOLS
    from training.evaluation.report import evaluate_run
    from training.evaluation.scoring import metrics_schema
    from training.generated_table import TABLE_SCHEMA

    run, data = named_or_newest_run(context, config.run, data_set), data_set.data.root
    out = run / "evaluation" / config.split
    try:
        summary = evaluate_run(
            run,
            data,
            config.split,
            out,
            limit=config.limit,
            seed=config.seed,
            temperature=config.temperature,
            protocol=config.protocol,
            on_progress=lambda done, total: context.log.info(f"generated {done} of {total} meshes"),
        )
    except (DataError, RunError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    version = data_set.version()
    tags = {DATA_SET_TAG: version[:16], "meshloom/run": run.name}
    context.instance.add_run_tags(context.run.run_id, tags)
    generated = pl.read_parquet(out / "generated" / "generated.parquet")
    yield dg.MaterializeResult(
        asset_key="generated_meshes",
        check_results=[check_columns(generated, TABLE_SCHEMA, "generated_meshes")],
        metadata={
            "dagster/row_count": generated.height,
            "files": generated["file"].drop_nulls().len(),
            "status": dg.MetadataValue.json(_counts(generated["status"])),
            "folder": file_link(out / "generated"),
            **_sheet(generated, out / "generated"),
        },
    )
    metrics = pl.read_parquet(out / "metrics.parquet")
    pairs = pairs_picture(generated, data, run, config.split, out / "generated")
    yield dg.MaterializeResult(
        asset_key="evaluation",
        check_results=[check_columns(metrics, metrics_schema(PROTOCOLS[config.protocol]), "evaluation")],
        metadata={
            "dagster/row_count": metrics.height,
            "requested": summary["requested"],
            "valid": summary["valid"],
            **_scores(summary),
            "report": file_link(out / "report.html"),
            "metrics": file_link(out / "metrics.parquet"),
            "summary": file_link(out / "summary.json"),
            "checkpoint": str(summary["checkpoint"]),
            "data set": version,
            "input beside output": picture(pairs, "input beside output"),
        },
    )


def named_or_newest_run(context: dg.AssetExecutionContext, name: str, data_set: DataSetResource) -> Path:
    """Folder of the run that is generated from: the one named, or that of the latest checkpoint."""
    if name:
        return data_set.runs_folder / name
    event = context.instance.get_latest_materialization_event(checkpoint.key)
    materialization = event.asset_materialization if event else None
    if materialization is None:
        raise dg.Failure(
            "no checkpoint has been made yet; launch the job `train`, or name a run", allow_retries=False
        )
    return Path(str(materialization.metadata["run"].value))


def _sheet(generated: pl.DataFrame, folder: Path) -> dict[str, dg.MetadataValue]:
    from assets_defs.evaluate.pictures import generated_sheet

    if generated["file"].drop_nulls().is_empty():
        return {}
    return {"generated meshes": picture(generated_sheet(generated, folder), "generated meshes")}


def _counts(column: pl.Series) -> dict[str, int]:
    return dict(column.value_counts(sort=True).iter_rows())


def _scores(summary: dict[str, Any]) -> dict[str, float]:
    """Mean of each metric with failures counted; Dagster plots numbers over time."""
    penalised = {name: entry["penalised"] for name, entry in summary["scores"].items()}
    return {name: float(value) for name, value in penalised.items() if value is not None}
