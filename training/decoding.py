"""What generated tokens stand for: a mesh, written as GLB, or why there is none."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from model.systems import Generator
from pipelines.storage import write_bytes
from training.surface import Mesh, face_cross_products

DEGENERATE_AREA = 1e-12  # of the squared bounding diagonal


class Status(StrEnum):
    """What came of one condition: the closed list."""

    VALID = "valid"  # ended by the end token, decoded, at least one face with an area
    NOT_ENDED = "not_ended"  # cut at the limit of tokens or time; what decodes is written all the same
    SYNTAX = "syntax"  # the tokens do not decode; `code` is the tokenizer's
    EMPTY = "empty"  # decoded, without a face that has an area
    OUT_OF_RANGE = "out_of_range"  # coordinates not finite, or outside of [-1, 1]
    NO_CONDITION = "no_condition"  # the input has no surface to sample


@dataclass(frozen=True)
class Decoded:
    """What a token row stands for; without a mesh where it does not decode to any face."""

    status: Status
    mesh: Mesh | None = None
    code: str | None = None


def decode_tokens(
    tokens: NDArray[np.int32], ended: bool, generator: Generator, constrained: bool = True
) -> Decoded:
    """Decode one row of tokens (without its end) and say whether the result is valid."""
    import tokenizer_rs

    try:
        vertices, faces = generator.decode(tokens, constrained)
    except tokenizer_rs.MeshError as error:
        return Decoded(Status.SYNTAX if ended else Status.NOT_ENDED, code=str(error.code))
    mesh = Mesh(np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64))
    if len(mesh.faces) == 0 or not _has_area(mesh):
        return Decoded(Status.EMPTY if ended else Status.NOT_ENDED)
    if not np.isfinite(mesh.vertices).all() or np.abs(mesh.vertices).max() > 1:
        return Decoded(Status.OUT_OF_RANGE if ended else Status.NOT_ENDED)
    return Decoded(Status.VALID if ended else Status.NOT_ENDED, mesh)


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write a mesh as GLB, under another name until it is whole."""
    content = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type="glb")
    assert isinstance(content, bytes)
    write_bytes(path, content)


def read_mesh(path: Path) -> Mesh:
    """A GLB that `write_mesh` wrote."""
    mesh = trimesh.load_mesh(path, process=False)
    return Mesh(np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64))


def _has_area(mesh: Mesh) -> bool:
    if len(mesh.faces) == 0:
        return False
    diagonal = np.linalg.norm(np.ptp(mesh.vertices, axis=0))
    areas = np.linalg.norm(face_cross_products(mesh), axis=1) / 2
    return bool((areas > DEGENERATE_AREA * diagonal**2).any())
