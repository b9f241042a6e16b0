"""What each command does, as plain functions: read, call one layer, say where the result is."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.curation import CurationReport
from pipelines.curation import curate as curate_sources
from pipelines.reading import LoadedMesh, MeshReadError, read_mesh
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.tokenizers import build_tokenizer, tokenizer_named
from pipelines.yaml_files import checked, read_yaml

console = Console(highlight=False)
QUANTISED_BOUND = 0.95


class StageProgress:
    """One progress bar per stage, on standard error."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "StageProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` items of a stage are finished."""
        if stage not in self._tasks:
            self._bars.start()  # not before: an error that comes first stands alone
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)


def curation_settings(
    preset: str | None,
    workers: int | None,
    settings_file: Path | None,
    tokenizer: str | None = None,
    licences: list[str] | None = None,
) -> CurationSettings:
    """Settings of a file, with what the command line changes."""
    given = read_yaml(settings_file) if settings_file else {}
    if tokenizer is not None:
        given = {**given, "tokenizer": tokenizer_named(tokenizer)}
    if licences is not None:
        given = {**given, "licences": licences}
    settings = checked(CurationSettings, given, settings_file or "the settings")
    if preset is not None:
        settings = settings.model_copy(update={"preset": preset})
    if workers is not None:
        limits = WorkerLimits.model_validate({**settings.limits.model_dump(), "workers": workers})
        settings = settings.model_copy(update={"limits": limits})
    return settings


def curate(
    sources: list[str],
    out: Path,
    preset: str | None = None,
    workers: int | None = None,
    settings_file: Path | None = None,
    tokenizer: str | None = None,
    licences: list[str] | None = None,
) -> CurationReport:
    """Run every stage over `sources` into `out` and print the ledger's summary."""
    settings = curation_settings(preset, workers, settings_file, tokenizer, licences)
    with StageProgress() as progress:
        report = curate_sources(sources, out, settings, progress)
    console.print(report.summary(), soft_wrap=True)
    return report


def rules(preset: str, data: Path, picture: Path | None) -> None:
    """Print the funnel of a preset over a data set; save it as a picture where asked."""
    from rich.markup import escape

    from pipelines.dry_run import dry_run
    from pipelines.pictures import funnel_plot
    from pipelines.rules import load_preset
    from pipelines.storage import DataFolder, write_bytes

    loaded = load_preset(preset)
    funnel = dry_run(DataFolder(data), loaded)
    table = Table("step", "reason", "kept", "rejected", "alone", title=escape(f"{loaded.name} over {data}"))
    for step, reason, *counts in funnel.iter_rows():
        table.add_row(escape(step), reason or "", *(f"{count:,}" for count in counts))
    console.print(table)
    if picture is not None:
        write_bytes(picture, funnel_plot(funnel))
        console.print(f"written: {picture}", markup=False, soft_wrap=True)


def duplicates(data: Path) -> None:
    """Print how many copies a data set has, the largest clusters, and what lies between sources."""
    from pipelines.duplicates.report import duplicate_report
    from pipelines.manifest import read_manifest
    from pipelines.settings import SplitSettings
    from pipelines.storage import DataFolder

    folder = DataFolder(data)
    split = SplitSettings.model_validate(read_manifest(folder)["settings"]["split"])
    report = duplicate_report(folder, split)
    console.print(report.summary(), soft_wrap=True)
    between = Table("source", "and source", "clusters", "leaks file by file", title="copies between sources")
    for pair in report.sources.iter_rows():
        between.add_row(*map(str, pair))
    largest = Table("meshes", "representative", "sources", title="largest clusters")
    for row in report.largest.rows(named=True):
        largest.add_row(str(row["n_meshes"]), escape(row["representative"]), ", ".join(row["sources"]))
    if report.n_clusters:
        console.print(between, largest)
    console.print(
        f"every mesh: {folder.tables}/duplicates; every pair: {folder.duplicate_pairs}", soft_wrap=True
    )


def read_file(path: Path) -> LoadedMesh:
    """Read one mesh file named on the command line.

    Raises ValueError that names the file.
    """
    try:
        return read_mesh(path, path.suffix.lstrip(".").lower())
    except MeshReadError as error:
        raise ValueError(f"{path}: {error}") from None


def triangles(mesh: LoadedMesh) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and faces (F, 3)."""
    return mesh.vertices, mesh.faces


def tokenize(mesh: Path, tokenizer: str, out: Path | None) -> None:
    """Print one mesh's statistics and first tokens; save all tokens where asked."""
    from pipelines.normalizing import normalize, pre_clean

    built = build_tokenizer(tokenizer_named(tokenizer))
    vertices, faces = triangles(read_file(mesh))
    encoding = built.encode(*pre_clean(normalize(vertices), faces))
    statistics = {name: value for name, value in encoding.statistics.items() if np.isscalar(value)}
    statistics["exact"] = encoding.exact
    console.print(_two_columns(f"{mesh.name}: {tokenizer}", statistics))
    shown = " ".join(map(str, encoding.tokens[:32]))
    console.print(f"tokens: {shown}{' ...' if len(encoding.tokens) > 32 else ''}", soft_wrap=True)
    if out is not None:
        np.save(out, encoding.tokens)
        console.print(f"{len(encoding.tokens)} tokens written to {out}")


def repair(mesh: Path, out: Path, resolution: int) -> None:
    """Write the repaired mesh, quantised, in its own place and unit, and print what was done."""
    import tokenizer_rs
    import trimesh

    from pipelines.inspection import repairs_in_words

    loaded = read_file(mesh)
    low, high = loaded.vertices.min(axis=0), loaded.vertices.max(axis=0)
    center, half_side = (low + high) / 2, (high - low).max() / 2
    if not half_side > 0:
        raise ValueError("the mesh has no extent: all its vertices lie in one point")
    scale = half_side / QUANTISED_BOUND
    repaired = tokenizer_rs.repair((loaded.vertices - center) / scale, loaded.faces, resolution=resolution)
    out.parent.mkdir(parents=True, exist_ok=True)
    vertices = repaired.vertices * scale + center
    trimesh.Trimesh(vertices, repaired.faces, process=False).export(out)
    done = "; ".join(repairs_in_words(repaired.log)) or "nothing to repair"
    console.print(f"{out}: {len(vertices)} vertices, {len(repaired.faces)} faces; {done}", soft_wrap=True)


def inspect(mesh: Path, tokenizer: str, resolution: int | None, out: Path | None) -> None:
    """Print measures before and after repair, and how the mesh tokenises; write picture and page."""
    from pipelines.inspection import inspect_mesh, write_inspection

    loaded = read_file(mesh)
    settings = tokenizer_named(tokenizer, resolution)
    inspection = inspect_mesh(mesh.name, loaded.vertices, loaded.faces, settings)
    table = Table("measure", "as loaded", "repaired", title=escape(mesh.name))
    for name, value in inspection.before.items():
        table.add_row(name.replace("_", " "), str(value), str(inspection.after[name]))
    console.print(table)
    for line in inspection.repairs():
        console.print(line)
    if inspection.walk is None:
        console.print(f"{settings.label}: refused. {inspection.refusal}", markup=False, soft_wrap=True)
    else:
        n_tokens = len(inspection.walk.tokens)
        exactness = "exact" if inspection.walk.exact else "not exact"
        console.print(f"{settings.label}: {n_tokens} tokens, {exactness}", soft_wrap=True)
    if out is not None:
        for path in write_inspection(inspection, out):
            console.print(f"written: {path}", markup=False, soft_wrap=True)


def compare_tokenizers(
    folder: Path,
    out: Path,
    resolution: int,
    tokenizers: list[str] | None,
    sample: int | None,
    nominal: bool,
    workers: int,
) -> None:
    """Compare tokenizers on the meshes of a folder and print the summary."""
    from pipelines import tokenizer_comparison as comparison
    from pipelines.tokenizer_report import COLUMNS, cell

    files = comparison.folder_files(folder, sample)
    with StageProgress() as progress:
        report = comparison.compare_tokenizers(
            files, out, resolution, tokenizers, nominal, WorkerLimits(workers=workers), progress
        )
    times = {row["tokenizer"]: row for row in report.microseconds_per_face().iter_rows(named=True)}
    for meshes, summary in report.sets().items():
        rows = summary.rows(named=True)
        note = "" if meshes == "accepted" else ", those that every tokenizer accepts"
        table = Table("measure", *(row["tokenizer"] for row in rows), title=report.title() + note)
        for name, (title, form) in COLUMNS.items():
            table.add_row(title, *(cell(row[name], form) for row in rows))
        for way in ("encode", "decode") if meshes == "accepted" else ():
            found = (times.get(row["tokenizer"], {}).get(way) for row in rows)
            table.add_row(f"us/face to {way}", *(cell(microseconds, "{:.2f}") for microseconds in found))
        console.print(table)
    for line in report.refusals():
        console.print(line, soft_wrap=True)
    console.print(
        f"table: {out}/comparison.md; plots: {out}/lengths.png, {out}/bits.png; "
        f"every file: {out}/meshes.parquet; every mesh and tokenizer: {out}/trials.parquet",
        soft_wrap=True,
    )


def _two_columns(title: str, values: dict) -> Table:
    table = Table("name", "value", title=title)
    for name, value in values.items():
        table.add_row(name, str(value))
    return table
