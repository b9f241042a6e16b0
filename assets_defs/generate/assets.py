"""One mesh for each condition of a split, and for each seed: on request, thousands at a time."""

from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from assets_defs.checks import check_columns, schema_spec
from assets_defs.curate.assets import dataset
from assets_defs.evaluate.assets import named_or_newest_run
from assets_defs.reporting import DATA_SET_TAG, OWNERS, file_link, picture
from assets_defs.resources import DataSetResource
from assets_defs.train.assets import checkpoint


class GenerateConfig(dg.Config):
    """From which run, for which conditions, how often, and how tokens are drawn."""

    run: str = Field(default="", description="Folder below the runs folder; empty: the newest checkpoint's.")
    split: str = Field(default="test", description="train, val or test.")
    number: int | None = Field(default=None, description="At most so many of its meshes; null for all.")
    seeds: list[int] = Field(
        default=[0], description="One mesh a condition for each; row i draws from the stream seed + i."
    )
    temperature: float = Field(default=0.5, description="0 takes the most probable token.")
    top_k: int | None = 50
    top_p: float | None = 0.95
    max_tokens: int | None = Field(default=None, description="Longest sequence; null: the model's limit.")
    batch_size: int = Field(default=8, ge=1, description="Meshes that are written at once.")
    faces: int | None = Field(default=None, description="About so many, if the run reads counts.")
    components: int | None = Field(default=None, description="Likewise.")
    draft: str = Field(default="", description="Run below the runs folder that guesses tokens ahead.")
    draft_tokens: int | None = Field(default=None, description="Tokens it guesses at a time.")


@dg.asset(
    description="One GLB and one row per condition and seed; a run that was killed goes on where it was.",
    group_name="generate",
    kinds={"pytorch", "glb", "parquet"},
    owners=OWNERS,
    code_version="1",
    deps=[checkpoint, dataset],
    check_specs=[schema_spec("generations")],
    pool="gpu",
)
def generations(
    context: dg.AssetExecutionContext, config: GenerateConfig, data_set: DataSetResource
) -> dg.MaterializeResult:
    """Generate into RUN/generated/SPLIT/seed-N; what is there already is not made again."""
    from assets_defs.evaluate.pictures import generated_sheet
    from training.checkpoints import RunError
    from training.conditions import conditions_of_split
    from training.data import DataError
    from training.generated_table import TABLE_SCHEMA
    from training.generation import generate_run

    run, data = named_or_newest_run(context, config.run, data_set), data_set.data.root
    out, tables = run / "generated" / config.split, []
    context.instance.add_run_tags(
        context.run.run_id, {DATA_SET_TAG: data_set.version()[:16], "meshloom/run": run.name}
    )
    try:
        for seed in dict.fromkeys(config.seeds):
            table = generate_run(
                run,
                lambda experiment: conditions_of_split(data, config.split, experiment, config.number),
                out / f"seed-{seed}",
                draft=data_set.runs_folder / config.draft if config.draft else None,
                draft_tokens=config.draft_tokens,
                seed=seed,
                temperature=config.temperature,
                top_k=config.top_k,
                top_p=config.top_p,
                max_tokens=config.max_tokens,
                batch_size=config.batch_size,
                n_faces=config.faces,
                n_components=config.components,
                on_progress=lambda done, total, seed=seed: context.log.info(
                    f"generated {done} of {total} meshes with seed {seed}"
                ),
            )
            in_folder = pl.lit(f"seed-{seed}/") + pl.col("file")
            tables.append(table.with_columns(file=in_folder))
    except (DataError, RunError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    generated = pl.concat(tables)
    sheet = picture(generated_sheet(generated, out), "generated meshes") if _n_files(generated) else None
    return dg.MaterializeResult(
        check_results=[check_columns(generated, TABLE_SCHEMA, "generations")],
        metadata={
            "dagster/row_count": generated.height,
            "files": _n_files(generated),
            "status": dg.MetadataValue.json(dict(generated["status"].value_counts(sort=True).iter_rows())),
            "tables": dg.MetadataValue.json([_table(out, seed) for seed in config.seeds]),
            "folder": file_link(out),
            "data set": data_set.version(),
            **({} if sheet is None else {"generated meshes": sheet}),
        },
    )


def _n_files(generated: pl.DataFrame) -> int:
    return generated["file"].drop_nulls().len()


def _table(out: Path, seed: int) -> str:
    return str(out / f"seed-{seed}" / "generated.parquet")
