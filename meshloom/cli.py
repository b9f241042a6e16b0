"""The commands of `meshloom`; each parses its arguments and calls one plain function.

meshloom curate local:meshes --out data
meshloom train demo --data data --out runs/first
meshloom evaluate runs/first --data data --split test --out runs/first/evaluation
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn a pile of 3D files into a trained mesh generator.",
)
config_app = typer.Typer(no_args_is_help=True, help="Experiments as data.")
app.add_typer(config_app, name="config")
console = Console(stderr=True, highlight=False)

OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")]
RawWeights = Annotated[
    bool, typer.Option("--raw-weights", help="Of a run that averages its weights, the weights themselves.")
]


@app.command()
def curate(
    sources: Annotated[
        list[str],
        typer.Argument(help="local:PATH, hf:OWNER/NAME, s3://bucket/prefix, ...; see docs/sources.md"),
    ],
    out: OutFolder,
    tokenizer: Annotated[
        str | None, typer.Option(help="silksong (default), edgerunner, face_sequence or loom.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Filter rules: a name in configs/rules or a YAML file; the tokenizer's by default."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; 0 = one per core.")] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML with curation settings that differ.")] = None,
    licences: Annotated[
        str | None, typer.Option(help="Only meshes under one of these, with commas between: cc0,by.")
    ] = None,
) -> None:
    """Meshes in; tables, ledger, shards and a manifest out. Only what changed is done again."""
    from meshloom import commands

    commands.curate(
        sources,
        out,
        preset=preset,
        workers=workers,
        settings_file=settings,
        tokenizer=tokenizer,
        licences=None if licences is None else [name.strip() for name in licences.split(",")],
    )


DataOption = Annotated[
    Path | None, typer.Option(help="Folder of the data set that the beginning of a version id belongs to.")
]


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A folder, versions/<version>.json, or an id with --data.")],
    after: Annotated[str, typer.Argument(help="The same, of the version to compare with.")],
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for changes.parquet and changes.html.")
    ] = None,
) -> None:
    """What was added, removed and changed between two versions of a data set, and why."""
    from meshloom import version_commands

    version_commands.diff(before, after, data, out)


@app.command()
def publish(
    version: Annotated[str, typer.Argument(help="A folder, versions/<version>.json, or an id with --data.")],
    out: OutFolder,
    data: DataOption = None,
) -> None:
    """A version without its meshes: what it was made from, how, and whom it is owed to."""
    from meshloom import version_commands

    version_commands.publish(version, out, data)


@app.command()
def rebuild(
    version: Annotated[str, typer.Argument(help="A folder, versions/<version>.json, or an id with --data.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    source: Annotated[
        list[str] | None, typer.Option(help="Where a source lies now; all of them, in the record's order.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Go on without the files that are gone or modified.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one per core.")] = 0,
    data: DataOption = None,
) -> None:
    """Make a version again from its record, say what is missing, and compare what came out."""
    from meshloom import version_commands

    if not version_commands.rebuild(version, out, source, partial, workers, data):
        raise typer.Exit(1)


@app.command()
def rules(
    preset: Annotated[str, typer.Argument(help="A name in configs/rules, or a YAML file.")],
    data: Annotated[Path, typer.Argument(help="Folder that `curate` made.")],
    picture: Annotated[Path | None, typer.Option(help="Write the funnel as a PNG, and nothing else.")] = None,
) -> None:
    """Dry run: what each rule of a preset would drop of a data set, which stays as it is."""
    from meshloom import commands

    commands.rules(preset, data, picture)


@app.command()
def duplicates(data: Annotated[Path, typer.Argument(help="Folder that `curate` made.")]) -> None:
    """Which meshes are copies of others, between which sources, and what the split keeps apart."""
    from meshloom import commands

    commands.duplicates(data)


@config_app.command("show")
def show_config(
    config: Annotated[str, typer.Argument(help="Experiment: a YAML file or a name in configs/experiments.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.path=value, for example schedule.steps=100")
    ] = None,
) -> None:
    """Print the whole of an experiment as YAML, with every default."""
    from meshloom import training_commands

    training_commands.show_config(config, overrides or [])


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="Experiment: a YAML file or a name in configs/experiments.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.path=value, for example schedule.steps=100")
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="Folder that `curate` made.")],
    out: OutFolder,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the newest complete checkpoint.")
    ] = False,
    node_rank: Annotated[
        int, typer.Option(help="Which of the experiment's `nodes` this machine is, from 0.")
    ] = 0,
    rendezvous: Annotated[
        str | None, typer.Option(help="HOST:PORT of node 0, where several machines meet.")
    ] = None,
) -> None:
    """Train on the shards of DATA; metrics, checkpoints and the resolved config go to the run folder."""
    from meshloom import training_commands

    code = training_commands.train(
        config,
        overrides or [],
        data=data,
        run=out,
        resume=resume,
        node_rank=node_rank,
        rendezvous=rendezvous,
    )
    raise typer.Exit(code)


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(help="Folder that `train` made.")],
    out: OutFolder,
    meshes: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Meshes whose surface is the condition, folders of them, .txt or .parquet lists."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder that `curate` made: conditions are the meshes of a split.")
    ] = None,
    split: str = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many conditions.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A mesh of this; again for more. For runs that read texts.")
    ] = None,
    guidance: Annotated[
        float, typer.Option(min=1, help="How far to go towards the texts; 1 for as far as was learned.")
    ] = 1.0,
    faces: Annotated[
        int | None, typer.Option(min=1, help="About so many faces; for runs with model.count_condition.")
    ] = None,
    components: Annotated[
        int | None, typer.Option(min=1, help="About so many connected components; likewise.")
    ] = None,
    seed: int = 0,
    temperature: float = 0.5,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest sequence; the model's own limit by default.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Most probable tokens to draw from; 0 for all.")] = 50,
    top_p: Annotated[float, typer.Option(help="Probability of the tokens to draw from.")] = 0.95,
    batch_size: Annotated[int, typer.Option(min=1, help="Meshes that are written at once.")] = 8,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time of one mesh, after which it is led to its end.")
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network first; for many meshes on a GPU.")
    ] = False,
    raw_weights: RawWeights = False,
    draft: Annotated[
        Path | None, typer.Option(help="Run of a smaller network that guesses tokens ahead.")
    ] = None,
    draft_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens it guesses at a time; 4 by default.")
    ] = None,
) -> None:
    """One GLB per condition, and generated.parquet with one row per condition; goes on after a kill."""
    from meshloom import training_commands

    training_commands.generate(
        run,
        meshes or [],
        data,
        split,
        text or [],
        limit,
        out,
        raw_weights=raw_weights,
        guidance=guidance,
        n_faces=faces,
        n_components=components,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        top_k=top_k or None,
        top_p=top_p,
        batch_size=batch_size,
        max_seconds=max_seconds,
        is_compiled=compiled,
        draft=draft,
        draft_tokens=draft_tokens,
    )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder that `train` made.")],
    data: Annotated[Path, typer.Option(help="Folder that `curate` made.")],
    out: OutFolder,
    split: str = "test",
    limit: Annotated[int | None, typer.Option(help="At most so many meshes of the split.")] = None,
    seed: int = 0,
    temperature: float = 0.5,
    protocol: Annotated[str, typer.Option(help="paired-10k or paired-1k-self")] = "paired-10k",
    raw_weights: RawWeights = False,
) -> None:
    """Generate from held-out meshes and compare: metrics.parquet, summary.json, report.html."""
    from meshloom import training_commands

    training_commands.evaluate(
        run,
        data,
        out,
        split=split,
        limit=limit,
        seed=seed,
        temperature=temperature,
        protocol=protocol,
        raw_weights=raw_weights,
    )


@app.command()
def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders that `train` made.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG to write.")] = Path("curves.png"),
) -> None:
    """Learning curves: training and held-out losses of runs against their steps, as a picture."""
    from meshloom import training_commands

    training_commands.curves(runs, out)


@app.command("compare-training")
def compare_training(
    comparison: Annotated[str, typer.Argument(help="A YAML file, or a name in configs/comparisons.")],
    sources: Annotated[list[str], typer.Argument(help="Of the meshes, as `curate` takes them.")],
    out: OutFolder,
) -> None:
    """Which tokenizer a network learns better from, at equal cost: losses and generations, over seeds."""
    from meshloom import training_commands

    training_commands.compare_training(comparison, sources, out)


@app.command()
def tokenize(
    mesh: Path,
    tokenizer: str = "silksong",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Save the tokens as .npy.")] = None,
) -> None:
    """Tokens and statistics of one mesh."""
    from meshloom import commands

    commands.tokenize(mesh, tokenizer, out)


@app.command()
def repair(
    mesh: Path,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Mesh file to write; the extension decides the format.")
    ],
    resolution: Annotated[int, typer.Option(help="Quantisation bins per axis.")] = 1024,
) -> None:
    """Quantise and repair one mesh: edge-manifold, vertex-manifold, consistently oriented."""
    from meshloom import commands

    commands.repair(mesh, out, resolution)


@app.command()
def inspect(
    mesh: Path,
    tokenizer: Annotated[str, typer.Option(help="silksong, edgerunner, face_sequence or loom.")] = "silksong",
    resolution: Annotated[
        int | None, typer.Option(help="Bins per axis; the tokenizer's own by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for inspection.png and inspection.html.")
    ] = None,
) -> None:
    """What is in a mesh, what a repair does to it, and how a tokenizer walks over it."""
    from meshloom import commands

    commands.inspect(mesh, tokenizer, resolution, out)


@app.command("compare-tokenizers")
def compare_tokenizers(
    folder: Annotated[Path, typer.Argument(help="Folder of meshes, searched through all its subfolders.")],
    out: OutFolder = Path("tokenizer-comparison"),
    resolution: Annotated[int, typer.Option(help="Quantisation bins per axis.")] = 128,
    tokenizers: Annotated[
        str | None, typer.Option(help="Names with commas between them; all tokenizers by default.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many files, always the same.")] = None,
    nominal: Annotated[bool, typer.Option(help="Run each grammar to count the legal tokens.")] = True,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one per core.")] = 0,
) -> None:
    """How long and how rich each tokenizer's sequences of your meshes are, and whether the meshes return."""
    from meshloom import commands

    names = None if tokenizers is None else [name.strip() for name in tokenizers.split(",")]
    commands.compare_tokenizers(folder, out, resolution, names, sample, nominal, workers)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder of meshes; the development corpus or builtin by default.")
    ] = None,
    out: OutFolder = Path("demo"),
) -> None:
    """The main job, small: curate, train for a few minutes, generate from held-out meshes, evaluate."""
    from meshloom.demonstration import run_demo

    run_demo(data, out)


def main() -> None:
    """Run the command line; a failure is one line that says what to do (MESHLOOM_DEBUG=1: the traceback)."""
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        if os.environ.get("MESHLOOM_DEBUG"):
            raise
        console.print(f"[bold red]error:[/] {escape(str(error) or type(error).__name__)}", soft_wrap=True)
        sys.exit(1)
