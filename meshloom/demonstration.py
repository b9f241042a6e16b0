"""`meshloom demo`: the main job, small enough for a laptop without a GPU."""

import os
from pathlib import Path

import polars as pl
from rich.console import Console

from meshloom import commands, training_commands

console = Console(highlight=False)
EXPERIMENT = "demo"
N_EVALUATED = 12


def demo_sources(folder: Path | None) -> list[str]:
    """The user's folder, else the development corpus where it is present, else the builtin meshes."""
    if folder is not None:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is not a folder; give one that holds glb, gltf, obj, ply, stl or off files"
            )
        return [f"local:{folder}"]
    corpus = Path(os.environ.get("MESHLOOM_SHARED", "../shared")) / "corpus"
    if (corpus / "objaverse").is_dir():
        return [f"objaverse:{corpus / 'objaverse'}", f"shapenet:{corpus / 'shapenet'}"]
    return ["builtin:"]


def train_demo(data: Path, out: Path) -> Path:
    """Train below `out`, or go on with what is begun there; the folder of the run.

    A run that was begun of other data or by another version of the software keeps its folder, and the new
    one gets the next number. Raises RuntimeError where training fails.
    """
    from training.checkpoints import OtherRunError

    number = 1
    while True:
        run = out / ("run" if number == 1 else f"run-{number}")
        try:
            code = training_commands.train(EXPERIMENT, [], data=data, run=run, resume=run.exists())
        except OtherRunError as error:
            console.print(f"left as it is: {error}", soft_wrap=True)
            number += 1
        else:
            break
    if code != 0:
        raise RuntimeError(f"training ended with exit code {code}; its log is {run}/log.txt")
    return run


def run_demo(folder: Path | None, out: Path) -> None:
    """Curate, train, evaluate; end with what was made and where to look."""
    sources = demo_sources(folder)
    data, evaluation = out / "data", out / "evaluation"
    console.rule(f"1 of 3: curate {' '.join(sources)}")
    report = commands.curate(sources, data)
    console.rule("2 of 3: train a small Mesh Silksong model")
    run = train_demo(data, out)
    console.rule("3 of 3: generate from held-out meshes and evaluate")
    training_commands.evaluate(
        run,
        data,
        evaluation,
        split="test",
        limit=N_EVALUATED,
        seed=0,
        temperature=0.5,
        protocol="paired-10k",
    )
    metrics = pl.read_parquet(run / "metrics.parquet")
    losses = metrics["loss"].to_list()
    fall = f"loss {losses[0]:.2f} -> {losses[-1]:.2f} in {metrics['step'].to_list()[-1]} steps"
    console.rule("what was made")
    console.print(
        f"""\
{report.n_kept} of {report.n_files} meshes kept; why the others were not: {data}/tables/ledger
tables      {data}/tables/*/*/*.parquet
shards      {data}/shards/*.tar
training    {fall}: {run}/metrics.parquet
checkpoint  {run}/checkpoints
evaluation  {evaluation}/metrics.parquet, {evaluation}/summary.json
pictures    {evaluation}/report.html: each held-out mesh beside what was generated from it
web UI      make ui, then http://localhost:3000""",
        soft_wrap=True,
    )
