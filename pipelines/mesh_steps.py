"""What a worker does with one mesh: read and measure it, clean and tokenise it.

Tasks and results are plain arrays and numbers, since they travel between processes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.decimating import DecimationError, decimate
from pipelines.measuring import bounding_box_diagonal, edge_components, measure
from pipelines.normalizing import ZeroExtentError, normalize, pre_clean
from pipelines.reading import MeshReadError, read_content
from pipelines.reasons import Reason
from pipelines.settings import DecimationSettings
from pipelines.sources.files import UnreadableFileError, read_regular
from pipelines.tokenizers import TOKEN_DTYPE, TokenizerSettings, build_tokenizer
from pipelines.worker_process import ItemError

if TYPE_CHECKING:
    import tokenizer_rs

    from pipelines.duplicates import Description


@dataclass(frozen=True)
class ReadTask:
    """One file to read: by its path, or its bytes where it has none."""

    format: str
    sha256: str
    path: Path | None
    content: bytes | None = None


@dataclass(frozen=True)
class MeasuredMesh:
    """Triangles of a file and what was counted on them."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3)"""
    measures: dict[str, int | bool]
    bounding_box_diagonal: float
    n_geometries: int
    n_unreferenced: int
    """Vertices that no face uses, left out of `vertices`."""


@dataclass(frozen=True)
class TokenizeTask:
    """One mesh as loaded."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3)"""
    tokenizer: TokenizerSettings
    decimate: DecimationSettings | None = None


@dataclass(frozen=True)
class DescribeTask:
    """One mesh as loaded."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3)"""


@dataclass(frozen=True)
class TokenizedMesh:
    """Tokens of a mesh, the cleaned mesh they were made from, and what was counted."""

    tokens: NDArray[np.uint16]
    """(n_tokens,)"""
    vertices: NDArray[np.float32]
    """(V, 3), normalised"""
    faces: NDArray[np.int32]
    """(F, 3)"""
    exact: bool
    """Whether the tokens decode to the quantised, repaired mesh."""
    n_vertices: int
    """Vertices that the faces of the tokenised mesh use."""
    n_faces: int
    n_components: int
    """Of the tokenised mesh, connected through edges."""
    statistics: dict[str, Any]
    """The family's own, under its own names."""


def read_and_measure(task: ReadTask) -> MeasuredMesh:
    """Read one file; raises ItemError with the reason where it gives no mesh."""
    try:
        content = task.content if task.path is None else read_regular(task.path)
        if content is None or hashlib.sha256(content).hexdigest() != task.sha256:
            raise ItemError(Reason.UNREADABLE_FILE, "changed while reading; run again")
        mesh = read_content(content, task.format, task.path and task.path.parent)
    except UnreadableFileError as error:
        raise ItemError(Reason.UNREADABLE_FILE, f"{error}; run again") from None
    except MeshReadError as error:
        raise ItemError(error.reason, error.detail) from None
    return MeasuredMesh(
        mesh.vertices,
        mesh.faces,
        measure(mesh.vertices, mesh.faces),
        bounding_box_diagonal(mesh.vertices),
        mesh.n_geometries,
        mesh.n_unreferenced,
    )


def clean_and_tokenize(task: TokenizeTask) -> TokenizedMesh:
    """Normalise, pre-clean and tokenise one mesh; raises ItemError with the tokenizer's code."""
    import tokenizer_rs

    try:
        vertices, faces = pre_clean(normalize(task.vertices), task.faces)
        if not len(faces):
            raise ItemError(Reason.NO_VALID_COMPONENT, "no face is left after the pre-clean")
        if task.decimate is not None:
            vertices, faces = decimate(vertices, faces, task.decimate)
        encoding = build_tokenizer(task.tokenizer).encode(vertices, faces)
    except ZeroExtentError as error:
        raise ItemError(Reason.ZERO_EXTENT, str(error)) from None
    except DecimationError as error:
        raise ItemError(Reason.DECIMATION, str(error)) from None
    except tokenizer_rs.MeshError as error:
        raise refusal(error) from None
    written = np.asarray(encoding.faces)
    if not len(encoding.tokens):
        raise ItemError(Reason.NO_VALID_COMPONENT, "no face is left after the repair")
    return TokenizedMesh(
        np.asarray(encoding.tokens).astype(TOKEN_DTYPE),
        vertices.astype(np.float32),
        faces,
        bool(encoding.exact),
        len(np.unique(written)),
        len(written),
        int(edge_components(written).max(initial=-1)) + 1,
        dict(encoding.statistics),
    )


def describe_mesh(task: DescribeTask) -> "Description":
    """Describe one mesh, to find its copies; raises ItemError where it has no surface."""
    from pipelines.duplicates import NoSurfaceError, describe

    try:
        return describe(task.vertices, task.faces)
    except NoSurfaceError as error:
        raise ItemError(Reason.ZERO_EXTENT, str(error)) from None


def refusal(error: "tokenizer_rs.MeshError") -> ItemError:
    """The reason of the closed list for which a tokenizer refused a mesh.

    No mesh that loads and has an extent should meet any other of its codes: then it is a defect of ours.
    """
    if error.code in set(Reason):
        return ItemError(Reason(error.code), str(error))
    return ItemError(Reason.INTERNAL, f"{error.code}: {error}")
