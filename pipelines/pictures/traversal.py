"""Panels that show what a repair finds and does, and in which order a tokenizer visits the faces.

panels = [defects_panel(vertices, faces, defects, flipped), order_panel(repaired, faces, face_order)]
Path("chair.png").write_bytes(panels_sheet(panels))
"""

from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from pipelines.measuring import EdgeDefects
from pipelines.pictures.rendering import Marks
from pipelines.pictures.sheets import Colour, Panel

RED, ORANGE, PURPLE, PINK = (214, 39, 40), (242, 142, 20), (128, 62, 186), (240, 170, 196)
GREY, PALE = (120, 124, 132), (196, 204, 216)
_PALETTE = np.array(
    [
        *((116, 148, 196), (225, 166, 110), (128, 186, 134), (204, 121, 129), (160, 141, 196)),
        *((166, 136, 122), (218, 160, 204), (196, 198, 112), (112, 194, 204), (150, 156, 166)),
    ]
)
_DOT = 0.013

Vertices = NDArray[np.float64]
Faces = NDArray[np.integer[Any]]


def defects_panel(vertices: Vertices, faces: Faces, defects: EdgeDefects, flipped: Faces) -> Panel:
    """The mesh as it came: (V, 3), (F, 3), its edges at fault, and the indices of faces that get turned."""
    colour = np.tile(PALE, (len(faces), 1))
    colour[flipped] = PINK
    return Panel(
        "as loaded",
        vertices,
        faces,
        colour,
        tuple(
            Marks(vertices[edges], shade)
            for edges, shade in (
                (defects.boundary, ORANGE),
                (defects.inconsistent, PURPLE),
                (defects.nonmanifold, RED),
            )
        ),
        (
            (f"{len(defects.nonmanifold)} non-manifold", RED),
            (f"{len(defects.boundary)} boundary", ORANGE),
            (f"{len(defects.inconsistent)} opposed", PURPLE),
            (f"{len(flipped)} turned", PINK),
        ),
    )


def repaired_panel(
    vertices: Vertices, faces: Faces, components: Faces, cut: Vertices, copied: Vertices
) -> Panel:
    """The repaired mesh by component (F,), with edges that were cut (N, 2, 3) and copied vertices (N, 3)."""
    dots = np.repeat(copied[:, None], 2, axis=1)
    n_components = int(components.max(initial=-1)) + 1
    return Panel(
        "repaired, by component",
        vertices,
        faces,
        distinct_colours(components),
        (Marks(cut, RED), Marks(dots, (0, 0, 0), _DOT)),
        (
            (f"{n_components} components", _colour(_PALETTE[0])),
            (f"{len(cut)} edges cut", RED),
            (f"{len(copied)} vertices copied", (0, 0, 0)),
        ),
    )


def order_panel(vertices: Vertices, faces: Faces, order: Faces) -> Panel:
    """Faces from the first visited (dark) to the last (light); `order` (N,) holds indices of faces."""
    colour = order_colours(order, len(faces))
    legend = (
        [("first", _colour(colour[order[0]])), ("last", _colour(colour[order[-1]]))] if len(order) else []
    )
    if len(order) < len(faces):
        legend.append((f"{len(faces) - len(order)} left out", GREY))
    return Panel("order of visits", vertices, faces, colour, (), tuple(legend))


def layers_panel(vertices: Vertices, faces: Faces, layers: Faces) -> Panel:
    """Faces by the layer (F,) that completes them; -1 for a face in none."""
    n_layers = int(layers.max(initial=-1)) + 1
    legend = tuple((f"layer {i}", _colour(_PALETTE[i])) for i in range(1, min(n_layers, 4)))
    return Panel(f"layers, at most {n_layers}", vertices, faces, distinct_colours(layers), (), legend)


def order_colours(order: Faces, n_faces: int) -> NDArray[np.uint8]:
    """Colours (F, 3) along a sequential map in the order (N,) of visits; grey for what is not visited."""
    colour = np.tile(np.array(GREY, dtype=np.uint8), (n_faces, 1))
    shares = np.linspace(0.05, 1, len(order))
    colour[order] = (colormaps["viridis"](shares)[:, :3] * 255).round().astype(np.uint8)
    return colour


def distinct_colours(labels: Faces) -> NDArray[np.uint8]:
    """Colours (F, 3) that tell neighbouring labels apart, repeated after ten; grey for labels below 0."""
    colour = _PALETTE[np.asarray(labels) % len(_PALETTE)].astype(np.uint8)
    colour[np.asarray(labels) < 0] = GREY
    return colour


def _colour(values: NDArray[Any]) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
