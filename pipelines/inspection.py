"""What is in one mesh, what a repair makes of it, and how a tokenizer walks over it: a picture and a page.

    inspection = inspect_mesh("chair.obj", vertices, faces, tokenizer_named("silksong"))
    write_inspection(inspection, Path("out"))      # out/inspection.png, out/inspection.html

The page is one file that needs no network. Names of files come from strangers and are escaped.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jinja2
import numpy as np
from numpy.typing import NDArray

from pipelines.measuring import EdgeDefects, edge_components, edge_defects, measure, measure_by_index
from pipelines.normalizing import normalize, pre_clean
from pipelines.pictures import Panel, panels_sheet
from pipelines.pictures.traversal import (
    defects_panel,
    distinct_colours,
    layers_panel,
    order_colours,
    order_panel,
    repaired_panel,
)
from pipelines.storage import write_bytes
from pipelines.tokenizers import TokenizerSettings, build_tokenizer

if TYPE_CHECKING:
    import tokenizer_rs

SHOWN_TOKENS = 400
PICTURE, PAGE = "inspection.png", "inspection.html"
_DONE = {
    "welded_vertices": "vertices merged into another one of the same position",
    "unreferenced_vertices": "vertices left out that no face uses",
    "degenerate_faces": "faces dropped with a corner twice",
    "collinear_faces": "faces dropped whose corners lie on a line",
    "duplicate_faces": "faces dropped that are there already",
    "cut_edges": "edges of more than two faces cut open",
    "cut_loops": "edges cut open because the surface around them is one-sided",
    "detached_faces": "corners of faces detached",
    "copied_vertices": "vertices copied, one for each fan of faces",
    "flipped_faces": "faces turned over",
}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
)

Positions = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Walk:
    """How a tokenizer writes a mesh."""

    vertices: Positions
    """(V, 3), centres of bins"""
    faces: Indices
    """(F, 3)"""
    order: Indices
    """(N,) faces as the tokens name them"""
    layers: Indices | None
    """(F,) layer that completes each face, -1 for none; only Silksong has layers"""
    tokens: Indices
    exact: bool
    vocab_size: int
    described: list[tuple[int, int, str]]
    """Position, id and meaning of the first tokens."""


@dataclass(frozen=True)
class Inspection:
    """Everything that the picture and the page show of one mesh."""

    name: str
    tokenizer: TokenizerSettings
    vertices: Positions
    """(V, 3) as loaded, normalised"""
    faces: Indices
    defects: EdgeDefects
    repaired_vertices: Positions
    """On the tokenizer's grid"""
    repaired_faces: Indices
    log: "tokenizer_rs.RepairLog"
    """By indices of the loaded mesh, as `tokenizer_rs.repair` names them"""
    before: dict[str, int | bool]
    after: dict[str, int | bool]
    walk: Walk | None
    refusal: str | None
    """Why the tokenizer did not take the mesh."""

    def repairs(self) -> list[str]:
        """What the repair did, in words."""
        return repairs_in_words(self.log)


def repairs_in_words(log: "tokenizer_rs.RepairLog") -> list[str]:
    """One line for each kind of change in the log of `tokenizer_rs.repair`; none where nothing was done."""
    counts = {kind: len(changes) for kind, changes in cast("dict[str, Indices]", log).items()}
    return [f"{counts[kind]:,} {text}" for kind, text in _DONE.items() if counts[kind]]


def inspect_mesh(name: str, vertices: Positions, faces: Indices, settings: TokenizerSettings) -> Inspection:
    """Normalise, repair on the tokenizer's grid, and tokenise as a data set would.

    Raises ZeroExtentError, MeshError for what cannot even be repaired, TokenizerError.
    """
    import tokenizer_rs

    tokenizer = build_tokenizer(settings)
    placed = normalize(vertices)
    repaired = tokenizer_rs.repair(placed, faces, resolution=settings.resolution)
    walk, refusal = None, None
    try:
        cleaned = pre_clean(placed, faces)
        walk = _walk(tokenizer.encode(*cleaned), tokenizer)
    except tokenizer_rs.MeshError as error:
        refusal = f"{error.code}: {error}"
    return Inspection(
        name=name,
        tokenizer=settings,
        vertices=placed,
        faces=faces,
        defects=edge_defects(placed, faces),
        repaired_vertices=repaired.vertices,
        repaired_faces=repaired.faces,
        log=repaired.log,
        before=measure(placed, faces),
        after=measure_by_index(repaired.vertices, repaired.faces),
        walk=walk,
        refusal=refusal,
    )


def inspection_picture(inspection: Inspection) -> bytes:
    """PNG: as loaded, repaired, and where it tokenises the order of visits and the layers."""
    log, placed = inspection.log, inspection.vertices
    cut = np.concatenate([log["cut_edges"], log["cut_loops"]]).reshape(-1, 2)
    panels = [
        defects_panel(placed, inspection.faces, inspection.defects, log["flipped_faces"]),
        repaired_panel(
            inspection.repaired_vertices,
            inspection.repaired_faces,
            edge_components(inspection.repaired_faces),
            placed[cut],
            placed[log["copied_vertices"].reshape(-1, 2)[:, 0]],
        ),
        *_walk_panels(inspection.walk),
    ]
    return panels_sheet(panels)


def inspection_page(inspection: Inspection, picture: bytes) -> str:
    """The page as one HTML file, with the picture and a viewer that can be turned in it."""
    return _TEMPLATES.get_template("inspection.html").render(
        inspection=inspection,
        picture=base64.b64encode(picture).decode(),
        label=inspection.tokenizer.label,
        walk=inspection.walk,
        n_faces=0 if inspection.walk is None else len(inspection.walk.faces),
        viewer=None if inspection.walk is None else _viewer_data(inspection.walk),
    )


def write_inspection(inspection: Inspection, out: Path) -> tuple[Path, Path]:
    """Write picture and page into the folder `out`; returns their paths."""
    picture = inspection_picture(inspection)
    write_bytes(out / PICTURE, picture)
    write_bytes(out / PAGE, inspection_page(inspection, picture).encode())
    return out / PICTURE, out / PAGE


def _walk(encoding: Any, tokenizer: Any) -> Walk:
    faces, order = np.asarray(encoding.faces), np.asarray(encoding.face_order)
    layers = None
    if hasattr(encoding, "sequence_layers"):
        is_written = np.asarray(encoding.component_valid)[np.asarray(encoding.component_ids)]
        order = order[is_written[order]]
        layer_of = np.full(len(encoding.vertices), -1)
        layer_of[np.asarray(encoding.sequence_vertices)] = np.asarray(encoding.sequence_layers)
        layers = np.where(is_written, layer_of[faces].max(axis=1, initial=-1), -1)
    tokens = np.asarray(encoding.tokens)
    return Walk(
        vertices=(np.asarray(encoding.vertices, dtype=float) + 0.5) / tokenizer.resolution * 2 - 1,
        faces=faces,
        order=order,
        layers=layers,
        tokens=tokens,
        exact=bool(encoding.exact),
        vocab_size=tokenizer.vocab_size,
        described=[(i, t, tokenizer.describe(t)) for i, t in enumerate(tokens[:SHOWN_TOKENS].tolist())],
    )


def _walk_panels(walk: Walk | None) -> list[Panel]:
    if walk is None:
        return []
    panels = [order_panel(walk.vertices, walk.faces, walk.order)]
    if walk.layers is not None:
        panels.append(layers_panel(walk.vertices, walk.faces, walk.layers))
    return panels


def _viewer_data(walk: Walk) -> dict[str, Any]:
    """Corners of the visited faces in order, float32 (N, 3, 3), and their colours, uint8 (N, 3); base64."""
    n_faces = len(walk.faces)
    colours = {
        "order of visits": order_colours(walk.order, n_faces),
        "component": distinct_colours(edge_components(walk.faces)),
    }
    if walk.layers is not None:
        colours["layer"] = distinct_colours(walk.layers)
    corners = walk.vertices[walk.faces[walk.order]].astype("<f4")
    return {
        "corners": base64.b64encode(corners.tobytes()).decode(),
        # a list: JSON in a template comes with its keys sorted
        "colours": [
            [name, base64.b64encode(values[walk.order].astype(np.uint8).tobytes()).decode()]
            for name, values in colours.items()
        ],
    }
