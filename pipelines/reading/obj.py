"""Wavefront OBJ: `v` and `f` statements; everything else is skipped."""

import numpy as np

from pipelines.reading.loaded import LoadedMesh, MeshReadError, fan, mesh
from pipelines.reading.text import decode, lines
from pipelines.reasons import Reason


def read_obj(content: bytes) -> LoadedMesh:
    """Read vertices and faces; polygons are cut into fans, faces below three corners are skipped.

    Negative indices count back from the last vertex defined so far. Parts are the materials in use.
    Raises LOAD at the first statement that cannot be read.
    """
    coordinates: list[float] = []
    corners: list[int] = []
    materials: set[str | None] = set()
    material: str | None = None
    text = decode(content)
    if "\\" in text:
        # a space keeps the line count right for no one, but the numbers apart
        text = text.replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(lines(text), start=1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == "v":
                x, y, z = words[1:4]
                coordinates += (float(x), float(y), float(z))
            elif words[0] == "f":
                polygon = _corners(words[1:], len(coordinates) // 3)
                if len(polygon) >= 3:
                    corners += fan(polygon)
                    materials.add(material)
            elif words[0] == "usemtl":
                material = " ".join(words[1:])
        except ValueError as error:
            raise MeshReadError(Reason.LOAD, f"line {number}: {line.strip()[:60]!r}: {error}") from None
    return mesh(np.array(coordinates), np.array(corners, dtype=np.int64), len(materials))


def _corners(words: list[str], n_vertices: int) -> list[int]:
    """Vertex indices of one face, from 0; `n_vertices` are defined so far."""
    polygon = []
    for word in words:
        if word.startswith("#"):
            break
        index = int(word.partition("/")[0])
        if index == 0:
            raise ValueError("index 0; OBJ counts from 1")
        polygon.append(index - 1 if index > 0 else n_vertices + index)
    return polygon
