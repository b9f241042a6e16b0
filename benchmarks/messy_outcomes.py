"""What becomes of each damaged file of the corpus, and why that is right. -> docs/messy-outcomes.md

python -m benchmarks.messy_outcomes

The corpus says of each file what a curator should do with it (`recommended`). An outcome that differs must be
explained in REVIEWED, or this script stops.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.curation import curate
from pipelines.rule_columns import with_rule_columns
from pipelines.rules import first_failure, load_preset
from pipelines.settings import CurationSettings, QualitySettings, WorkerLimits
from pipelines.sources.files import uri_path
from pipelines.storage import DataFolder

PAGE = Path(__file__).parents[1] / "docs" / "messy-outcomes.md"
KEPT = "kept"
ADVICE: dict[str, frozenset[bool]] = {
    "accept": frozenset({True}),
    "repair": frozenset({True}),
    "accept_after_normalise": frozenset({True}),
    "reject": frozenset({False}),
    "unreadable": frozenset({False}),
    "ignore": frozenset({False}),
    "repair_or_reject": frozenset({True, False}),
    "accept_or_reject": frozenset({True, False}),
    "unreadable_or_accept": frozenset({True, False}),
    "needs_decoder": frozenset({True, False}),
    "filter_by_size": frozenset({True, False}),
}
"""Which outcomes (kept or not) agree with what the corpus recommends."""

FEW_FACES = "whole and exact; whether so few faces are wanted is for a rule to say, and the presets do"
REVIEWED = {
    "Mesh_PrimitiveMode_05.gltf": "a triangle strip, which glTF allows, and trimesh reads as empty; "
    + FEW_FACES,
    "Mesh_PrimitiveMode_12.gltf": "a triangle strip, which glTF allows, and trimesh reads as empty; "
    + FEW_FACES,
    "checkerboard_half_faces.ply": "every face is there and the tokens are exact; " + FEW_FACES,
    "denormal_coordinates.glb": "tiny but not a point: normalisation makes it as large as any other",
    "glb_zero_scale_axis.glb": "flattened by its own scene graph; what is left is a flat sheet with area",
    "single_triangle.obj": FEW_FACES,
    "zero_area_all_collinear.obj": "not exactly collinear in single precision; the preset's slivers drop it",
    "number_formats.obj": "`3.1+e2` is no number in any notation: reading it as 3.1 would move a vertex",
}
"""Outcomes that differ from the recommendation, by file name, and why they stand."""

REASONS = {
    "EMPTY_FILE": "there is nothing in it",
    "LOAD": "a file is read whole or not at all; a guess at the missing part would be another mesh",
    "MISSING_SIDE_FILE": "its positions lie in a file that is absent, remote or outside its folder",
    "NEEDS_DECODER": "it requires an extension without which its positions are wrong",
    "NON_FINITE": "a coordinate that is no number poisons the bounding box, and with it every vertex",
    "NOT_A_MESH": "the content is something else; the detail says what was found",
    "NO_TRIANGLES": "points, lines or nothing: no surface",
    "NO_VALID_COMPONENT": "after the clean-up no face is left",
    "TOO_MANY_FACES_RAW": "larger than the data set's limit; `decimate` or `faces_limit` would take it",
    "UNSUPPORTED_FORMAT": "not a mesh format that is read; the ledger has it all the same",
    "ZERO_EXTENT": "all vertices in one point",
}
"""Why a rejection with this reason is right."""

DEFECTS = {
    "draco_compressed": "decoded by the reader itself",
    "nonmanifold_edge": "the repair pairs the faces of the edge, and keeps every triangle",
    "nonmanifold_vertex": "the repair gives each fan its own copy of the vertex",
    "inconsistent_winding": "the repair turns faces until neighbours agree",
    "non_orientable": "the repair cuts it open along a loop",
    "duplicate_faces": "repeated faces go",
    "zero_area": "faces without area go",
    "near_duplicate_vertices": "vertices within 1e-4 of the diagonal merge",
    "unwelded": "equal positions are one vertex",
    "inside_out": "triangles and their neighbours are intact; `surface_kind` says inverted",
    "self_intersection": "crossings stay, as in many assets; `intersecting_share` counts them",
    "open_boundary": "an open surface is a surface",
    "extreme_scale": "normalisation takes it away",
    "outlier": "a stray piece makes the rest small; `quantization_distance_7bit` shows it",
    "too_few_faces": "small but whole; a rule decides",
    "unreferenced_vertices": "vertices that no face uses are left out",
}
"""How a kept file's defect is met; the first that it has is named. Others do not touch its triangles."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    path: str
    defects: list[str]
    recommended: str
    reason: str | None
    """Of its rejection; None where it was kept."""
    detail: str | None
    default: str | None
    """The default preset's reason; None where it keeps the file too, or did not get it."""

    @property
    def why(self) -> str:
        """Why that is right."""
        name = self.path.rpartition("/")[2]
        if name in REVIEWED:
            return REVIEWED[name]
        if self.reason is not None:
            return REASONS[self.reason]
        said = [text for defect, text in DEFECTS.items() if defect in self.defects]
        return said[0] if said else "its triangles are whole"

    @property
    def agrees(self) -> bool:
        """Whether the outcome is among those that the corpus recommends."""
        return (self.reason is None) in ADVICE[self.recommended]


def outcomes(messy: Path, out: Path) -> list[Outcome]:
    """Curate the folder into `out` with every rule left out, then ask the default preset."""
    labels = json.loads((messy / "labels.json").read_text())
    settings = CurationSettings(
        tokenizer={"name": "loom"},
        preset="silksong-v00",
        quality=QualitySettings(tokenizers=False, intersections=False),
        limits=WorkerLimits(workers=2),
    )
    curate([f"local:{messy}"], out, settings)
    data = DataFolder(out)
    dropped = dict(_dropped(data))
    found = []
    for row in data.scan("ledger").collect().iter_rows(named=True):
        path = uri_path(row["uri"]).relative_to(messy.resolve().parent).as_posix()
        label = labels[path]
        found.append(
            Outcome(
                path,
                label["defects"],
                label["recommended"],
                row["reason"],
                row["detail"],
                dropped.get(row["uri"]),
            )
        )
    return sorted(found, key=lambda outcome: outcome.path)


def _dropped(data: DataFolder) -> Iterator[tuple[str, str]]:
    """Files that the default preset would drop, each with its reason."""
    preset = load_preset("default")
    for key in data.partitions("tokens"):
        rows = with_rule_columns(pl.read_parquet(data.table("tokens", key)), data, key, preset.columns)
        failed = rows.with_columns(first_failure(preset)).filter(pl.col("rule").is_not_null())
        for uri, rule in failed.select("uri", "rule").iter_rows():
            yield uri, preset.rules[rule].reason.value


def page(found: list[Outcome]) -> str:
    """The document; raises ValueError for outcomes that nobody has explained."""
    reviewed = {outcome.path.rpartition("/")[2] for outcome in found if not outcome.agrees}
    if reviewed != set(REVIEWED):
        raise ValueError(f"outcomes to review, or reviews to drop: {sorted(reviewed ^ set(REVIEWED))}")
    n_kept = sum(outcome.reason is None for outcome in found)
    lines = [
        "# What becomes of damaged files",
        "",
        "Made by `python -m benchmarks.messy_outcomes` from the `messy` folder of the development corpus;",
        "do not edit. *Advice* is what the corpus recommends, *outcome* is `kept` or the reason of the",
        "rejection before any rule, with Loom as tokenizer, and *default preset* what the rules of `default`",
        "then say.",
        "",
        f"{n_kept} of {len(found)} files are kept. {len(reviewed)} outcomes differ from the advice (marked",
        "**!**); each was reviewed and stands for the reason given.",
        "",
        "| file | damage | advice | outcome | default preset | why that is right |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in found:
        mark = "" if outcome.agrees else " **!**"
        default = "" if outcome.reason else outcome.default or KEPT
        cells = (
            f"`{outcome.path.removeprefix('messy/')}`",
            ", ".join(outcome.defects).replace("_", " "),
            outcome.recommended.replace("_", " ") + mark,
            outcome.reason or KEPT,
            default,
            outcome.why,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    shared = Path(os.environ.get("MESHLOOM_SHARED", Path(__file__).parents[2] / "shared"))
    with tempfile.TemporaryDirectory() as out:
        PAGE.write_text(page(outcomes((shared / "corpus" / "messy").resolve(), Path(out))), encoding="utf-8")


if __name__ == "__main__":
    main()
