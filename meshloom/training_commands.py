"""What the commands about experiments and runs do: config show, train, generate, evaluate, curves, ..."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from meshloom.commands import console


def show_config(config: str, overrides: list[str]) -> None:
    """Print the resolved configuration."""
    from training.config import dump_config, load_config

    print(dump_config(load_config(config, overrides)), end="")


def train(
    config: str,
    overrides: list[str],
    data: Path,
    run: Path,
    resume: bool,
    node_rank: int = 0,
    rendezvous: str | None = None,
) -> int:
    """Launch training as child processes; returns their exit code."""
    from training.launch import train as launch
    from training.nodes import Node

    node = Node(node_rank, rendezvous)
    code = launch(config, overrides, data=data, run=run, resume=resume, node=node)
    if code == 0 and node_rank == 0:
        console.print(f"trained: {run}/checkpoints, {run}/metrics.parquet, {run}/config.yaml")
    return code


def generate(
    run: Path,
    meshes: Sequence[Path],
    data: Path | None,
    split: str,
    texts: Sequence[str],
    limit: int | None,
    out: Path,
    **options: Any,
) -> None:
    """Generate one mesh per condition, with the options of `training.generation.generate_run`.

    The conditions are meshes, those of a split of a data set, and texts.
    """
    from meshloom.conditions import conditions_of_paths
    from training.conditions import MeshCondition, conditions_of_split, conditions_of_texts
    from training.config import ExperimentConfig
    from training.generation import generate_run

    def conditions_of(config: ExperimentConfig) -> list[MeshCondition]:
        of_split = [] if data is None else conditions_of_split(data, split, config)
        conditions: list[MeshCondition] = [
            *conditions_of_paths(meshes),
            *of_split,
            *conditions_of_texts(texts),
        ]
        if not conditions:
            raise ValueError(
                "there is nothing to generate from; give meshes, a data set with "
                "--data, or for a run that reads texts --text"
            )
        return conditions[:limit]

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("meshes", total=None)
        table = generate_run(
            run,
            conditions_of,
            out,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            **options,
        )
    written = table.filter(table["file"].is_not_null()).height
    console.print(
        f"{written} of {table.height} meshes written; every condition is a row of {out}/generated.parquet"
    )


def evaluate(
    run: Path,
    data: Path,
    out: Path,
    split: str,
    limit: int | None,
    seed: int,
    temperature: float,
    protocol: str,
    raw_weights: bool = False,
) -> None:
    """Generate from the held-out meshes of a split, compare, and print the summary."""
    from training.evaluation.report import evaluate_run

    summary = evaluate_run(
        run,
        data,
        split,
        out,
        limit=limit,
        seed=seed,
        temperature=temperature,
        protocol=protocol,
        raw_weights=raw_weights,
    )
    console.print(f"{summary['valid']} valid of {summary['requested']} requested; report: {out}/report.html")


def curves(runs: list[Path], out: Path) -> None:
    """Draw the training and held-out losses of runs against their steps."""
    from pipelines.pictures import curves_plot
    from pipelines.storage import write_bytes
    from training.learning_curves import learning_curves

    write_bytes(out, curves_plot(learning_curves(runs), "loss (nats)", {"step": "steps"}))
    console.print(f"written: {out}", markup=False, soft_wrap=True)


def compare_training(comparison: str, sources: list[str], out: Path) -> None:
    """Curate the sources once per tokenizer, train every tokenizer with every seed, and compare."""
    from pipelines.curation import curate
    from pipelines.settings import CurationSettings
    from training.comparison import compare_training as compare
    from training.comparison import load_comparison

    settings = load_comparison(comparison)
    curated = {}
    for name, tokenizer in settings.tokenizers.items():
        console.print(f"curating {name}", markup=False)
        curation = CurationSettings.model_validate({**settings.curation, "tokenizer": tokenizer})
        curated[name] = curate(sources, out / "curated" / name, curation).root
    compare(settings, curated, out, lambda line: console.print(line, markup=False, soft_wrap=True))
    console.print(
        f"tables: {out}/comparison.md; curves: {out}/curves.png; every run: {out}/runs.parquet",
        soft_wrap=True,
    )
