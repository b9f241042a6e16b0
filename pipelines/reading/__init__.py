"""One file to triangles, or a reason.

    mesh = read_mesh(Path("chair.glb"), "glb")
    mesh.vertices, mesh.faces

What counts is what a viewer would show: every triangle of the default scene, instances expanded, world
transforms applied, polygons cut into fans, stray vertices left out. Materials, skins and animations are not
read, and nothing is fetched over a network.

A file is either read whole or not at all: where announced counts, indices or references do not fit, it is
rejected, since half a mesh is worse than none. Each format has its own reader here; the tests hold them
against trimesh.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipelines.reading.content import check_content
from pipelines.reading.gltf import read_glb, read_gltf
from pipelines.reading.loaded import LoadedMesh, MeshReadError, checked
from pipelines.reading.obj import read_obj
from pipelines.reading.off import read_off
from pipelines.reading.ply import read_ply
from pipelines.reading.stl import read_stl
from pipelines.reasons import Reason
from pipelines.sources.files import UnreadableFileError, read_regular

__all__ = ["LoadedMesh", "MeshReadError", "read_content", "read_mesh"]

PLAIN_READERS: dict[str, Callable[[bytes], LoadedMesh]] = {
    "obj": read_obj,
    "off": read_off,
    "ply": read_ply,
    "stl": read_stl,
}
SCENE_READERS: dict[str, Callable[[bytes, Path | None], LoadedMesh]] = {"glb": read_glb, "gltf": read_gltf}
"""Readers that may need side files, from the folder given."""


def read_mesh(source: Path | bytes, format: str) -> LoadedMesh:
    """Read a file, or its bytes (then without side files).

    Raises MeshReadError with the reason; any malformed input ends there.
    """
    if isinstance(source, bytes):
        return read_content(source, format, None)
    try:
        content = read_regular(source)
    except UnreadableFileError as error:
        raise MeshReadError(Reason.UNREADABLE_FILE, str(error)) from None
    return read_content(content, format, source.parent)


def read_content(content: bytes, format: str, folder: Path | None) -> LoadedMesh:
    """Read the bytes of a file that lies in `folder`."""
    if format not in PLAIN_READERS and format not in SCENE_READERS:
        raise MeshReadError(
            Reason.UNSUPPORTED_FORMAT, f"no reader for {format or 'a file without extension'}"
        )
    check_content(content, format)
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # `checked` reports what is not finite
            if format in SCENE_READERS:
                return checked(SCENE_READERS[format](content, folder))
            return checked(PLAIN_READERS[format](content))
    except MeshReadError:
        raise
    except RecursionError:
        raise MeshReadError(Reason.LOAD, f"malformed {format}: nested too deeply") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise MeshReadError(Reason.LOAD, f"malformed {format}: {type(error).__name__}: {error}") from error
