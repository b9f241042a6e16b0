"""Many meshes on one sheet: a grid of titles and pictures, rows of input beside output, or panels."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from pipelines.pictures.rendering import COLOUR, Marks, render_mesh

Colour = tuple[int, int, int]
TitledMesh = tuple[str, ArrayLike, ArrayLike]
Mesh = tuple[ArrayLike, ArrayLike]

_INK, _QUIET, _LINE = (40, 44, 52), (150, 154, 162), (228, 230, 234)
_FONT_SIZE = 12
_TITLE_HEIGHT = 20
_OUTPUT_COLOUR = (206, 148, 110)
_PALETTE = 64  # flat shading needs few colours; a sheet of 24 stays below 100 kB


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet: a mesh in colours, lines on it, and what they mean."""

    title: str
    vertices: ArrayLike
    faces: ArrayLike
    colour: ArrayLike = COLOUR
    """One for all faces, or (F, 3)."""
    marks: tuple[Marks, ...] = ()
    legend: tuple[tuple[str, Colour], ...] = ()


def to_png(image: NDArray[np.uint8]) -> bytes:
    """PNG of an RGB image (H, W, 3), with all its colours."""
    return _png(Image.fromarray(image))


def contact_sheet(meshes: Sequence[TitledMesh], columns: int = 6, size: int = 128) -> bytes:
    """PNG of a grid of (title, vertices, faces), each `size` pixels wide, in reading order.

    24 meshes at the default size stay below 100 kB, the most that an event log should hold.
    """
    columns = max(1, min(columns, len(meshes)))
    rows = max(1, -(-len(meshes) // columns))
    sheet, pen = _blank(columns * size, rows * (size + _TITLE_HEIGHT))
    for i, (title, vertices, faces) in enumerate(meshes):
        x, y = i % columns * size, i // columns * (size + _TITLE_HEIGHT)
        sheet.paste(Image.fromarray(render_mesh(vertices, faces, size)), (x, y))
        _write(pen, title, x, y + size, size)
    return _png(sheet, _PALETTE)


def pairs_sheet(
    rows: Sequence[tuple[str, Mesh, Mesh | None]], size: int = 192, pairs_per_row: int = 3
) -> bytes:
    """PNG of (title, input mesh, output mesh), the output right of the input in a colour of its own.

    An output that is None or has no face is written as "no mesh".
    """
    pairs_per_row = max(1, min(pairs_per_row, len(rows)))
    height = size + _TITLE_HEIGHT
    sheet, pen = _blank(pairs_per_row * 2 * size, max(1, -(-len(rows) // pairs_per_row)) * height)
    for i, (title, given, made) in enumerate(rows):
        x, y = i % pairs_per_row * 2 * size, i // pairs_per_row * height
        sheet.paste(Image.fromarray(render_mesh(*given, size)), (x, y))
        if made is None or np.asarray(made[1]).size == 0:
            pen.text((x + size * 1.5, y + size / 2), "no mesh", _QUIET, _font(), anchor="mm")
        else:
            sheet.paste(Image.fromarray(render_mesh(*made, size, colour=_OUTPUT_COLOUR)), (x + size, y))
        pen.rectangle((x, y, x + 2 * size - 1, y + height - 1), outline=_LINE)
        _write(pen, title, x, y + size, 2 * size)
    return _png(sheet, _PALETTE)


def panels_sheet(panels: Sequence[Panel], columns: int = 2, size: int = 420) -> bytes:
    """PNG of panels in reading order, each with its title above and its legend below."""
    columns = max(1, min(columns, len(panels)))
    height = size + 2 * _TITLE_HEIGHT
    sheet, pen = _blank(columns * size, max(1, -(-len(panels) // columns)) * height)
    for i, panel in enumerate(panels):
        x, y = i % columns * size, i // columns * height
        image = render_mesh(panel.vertices, panel.faces, size, colour=panel.colour, marks=panel.marks)
        sheet.paste(Image.fromarray(image), (x, y + _TITLE_HEIGHT))
        pen.rectangle((x, y, x + size - 1, y + height - 1), outline=_LINE)
        _write(pen, panel.title, x, y, size)
        _write_legend(pen, panel.legend, x, y + size + _TITLE_HEIGHT, size)
    return _png(sheet)


def _write_legend(
    pen: ImageDraw.ImageDraw, legend: Sequence[tuple[str, Colour]], x: int, y: int, width: int
) -> None:
    """Colours and what they mean, side by side in equal shares of the width."""
    share = width // max(1, len(legend))
    for i, (text, colour) in enumerate(legend):
        left, middle = x + i * share + 6, y + _TITLE_HEIGHT // 2
        pen.rectangle((left, middle - 4, left + 8, middle + 4), fill=colour)
        _write(pen, text, left + 10, y, share - 16)


def _blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (width, height), "white")
    return sheet, ImageDraw.Draw(sheet)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


def _write(pen: ImageDraw.ImageDraw, text: str, x: int, y: int, width: int) -> None:
    """One centred line; what does not fit ends in an ellipsis."""
    shown = text
    while len(shown) > 1 and pen.textlength(shown, _font()) > width - 6:
        shown = shown.rstrip("…")[:-1] + "…"
    pen.text((x + width / 2, y + _TITLE_HEIGHT / 2), shown, _INK, _font(), anchor="mm")


def _png(image: Image.Image, colours: int | None = None) -> bytes:
    if colours is not None:
        image = image.quantize(colours, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
