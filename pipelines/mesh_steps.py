"""What a worker does with one mesh: read and measure it, clean and tokenise it.

Tasks and results are plain arrays and numbers, since they travel between processes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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


STATISTICS = {
    "n_input_vertices": "vert_num",
    "n_input_faces": "face_num",
    "n_vertices": "vert_num_process",
    "n_faces": "face_num_process",
    "n_components": "CC_num",
    "n_valid_components": "CC_num_valid",
    "n_labels": "CC_num_pre",
    "n_labels_created": "CC_num_pre_all",
    "max_layer_vertices": "max_lv",
    "max_layers": "max_l",
    "max_vertex_faces": "max_edge_num",
    "n_flipped_faces": "flipped_face",
    "n_split_component_vertices": "1v2cc_gen",
    "n_vertex_copies": "nonmani_gen",
    "n_nonmanifold_vertices": "nonmani_face",
    "n_unoriented_faces": "not_success_flip_face",
    "n_merged_vertices": "merge_repeat_verts",
    "n_reindexed_faces": "replace_facevert_num",
    "n_degenerate_faces": "degraded_face_num",
    "n_duplicate_faces": "move_repeat_face_num",
    "n_invalid_component_vertices": "CC_invalid_vert_num",
    "n_invalid_component_faces": "CC_invalid_face_num",
}
"""Column -> name in Silksong's statistics, which are those of the reference."""


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
    counts: dict[str, int]
    """Columns of the tokens table: those of Silksong for its tokens, else those that every family has."""


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
    if not len(encoding.tokens):
        raise ItemError(Reason.NO_VALID_COMPONENT, "no face is left after the repair")
    return TokenizedMesh(
        np.asarray(encoding.tokens).astype(TOKEN_DTYPE),
        vertices.astype(np.float32),
        faces,
        bool(encoding.exact),
        _counts_of_silksong(encoding)
        if task.tokenizer.name == "silksong"
        else _counts(encoding, len(vertices), len(faces)),
    )


def _counts_of_silksong(encoding: "tokenizer_rs.Encoding") -> dict[str, int]:
    statistics = encoding.statistics
    return {column: int(statistics[name]) for column, name in STATISTICS.items()}


def _counts(encoding: "tokenizer_rs.Encoding", n_vertices: int, n_faces: int) -> dict[str, int]:
    written = np.asarray(encoding.faces)
    return {
        "n_input_vertices": n_vertices,
        "n_input_faces": n_faces,
        "n_vertices": len(np.unique(written)),
        "n_faces": len(written),
        "n_components": int(edge_components(written).max(initial=-1)) + 1,
    }


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
