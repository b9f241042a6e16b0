"""One file to triangles, or a reason.

    mesh = read_mesh(Path("chair.glb"), "glb")
    mesh.vertices, mesh.faces

What counts is what a viewer would show: every triangle of the default scene, instances expanded, world
transforms applied, polygons cut into fans, stray vertices left out. A file is either read whole or not at
all. The readers are those of `tokenizer_rs`, strict and safe on hostile files; the tests hold them against
trimesh.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizer_rs
from numpy.typing import NDArray

from pipelines.reasons import Reason


class MeshReadError(Exception):
    """A file that gives no mesh: the reason, and in one line what was found and what to do."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


@dataclass(frozen=True)
class LoadedMesh:
    """Triangles as loaded, world transforms applied, nothing welded."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3), indices into `vertices`."""
    n_geometries: int
    """Parts that the file keeps apart: primitives, materials, solids."""
    n_unreferenced: int = 0
    """Vertices that no face uses: they are not among `vertices`, since nobody sees them."""


def read_mesh(source: Path | bytes, format: str) -> LoadedMesh:
    """Read a file, or its bytes (then without side files).

    Raises MeshReadError with the reason; any malformed input ends there.
    """
    return _read(source, format, None)


def read_content(content: bytes, format: str, folder: Path | None) -> LoadedMesh:
    """Read the bytes of a file that lies in `folder`; raises MeshReadError as `read_mesh` does."""
    return _read(content, format, folder)


def _read(source: Path | bytes, format: str, folder: Path | None) -> LoadedMesh:
    try:
        mesh = tokenizer_rs.read_mesh(source, format=format, folder=folder)
    except tokenizer_rs.MeshError as error:
        # a defect of the reader itself has a code of its own and costs this one file
        reason = Reason(error.code) if error.code in set(Reason) else Reason.LOAD
        raise MeshReadError(reason, str(error)) from None
    return LoadedMesh(mesh.vertices, mesh.faces, mesh.n_geometries, mesh.n_unreferenced)
