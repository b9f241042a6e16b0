"""OFF and its variants with colours, normals or texture coordinates behind each vertex."""

import re

import numpy as np

from pipelines.reading.loaded import LoadedMesh, MeshReadError, fan, mesh
from pipelines.reading.text import decode, lines
from pipelines.reasons import Reason

# ModelNet glues the counts to the keyword: "OFF8 12 0"
HEADER = re.compile(r"(?:ST)?C?N?OFF\b|(?:ST)?C?N?OFF(?=\d)")


def read_off(content: bytes) -> LoadedMesh:
    """Read an ASCII OFF file; polygons are cut into fans.

    Raises LOAD where the header is not that of OFF or the counts do not fit.
    """
    text = "\n".join(line.partition("#")[0] for line in lines(decode(content))).strip()
    header = HEADER.match(text)
    if header is None or text[header.end() :].lstrip().startswith("BINARY"):
        raise MeshReadError(
            Reason.LOAD, f"starts with {text[:20]!r}, not with an ASCII OFF header; export it again"
        )
    rows = [row.split() for row in text[header.end() :].split("\n") if row.strip()]
    if not rows or len(rows[0]) < 2:
        raise MeshReadError(Reason.LOAD, "no line with the counts of vertices and faces")
    n_vertices, n_faces = int(rows[0][0]), int(rows[0][1])
    if min(n_vertices, n_faces) < 0 or n_vertices + n_faces != len(rows) - 1:
        raise MeshReadError(
            Reason.LOAD,
            f"announces {n_vertices} vertices and {n_faces} faces, but {len(rows) - 1} lines follow",
        )
    coordinates = [[float(word) for word in row[:3]] for row in rows[1 : n_vertices + 1]]
    corners: list[int] = []
    for row in rows[n_vertices + 1 :]:
        n_corners = int(row[0])
        if len(row) <= n_corners:
            raise MeshReadError(Reason.LOAD, f"a face announces {n_corners} corners and has {len(row) - 1}")
        corners += fan([int(word) for word in row[1 : n_corners + 1]])
    return mesh(np.array(coordinates), np.array(corners, dtype=np.int64))
