"""Quality of one mesh: the measures behind the columns of the table `quality`.

columns = measure_quality(mesh.vertices, mesh.faces, QualitySettings(), faces_limit=16_000)

`docs/quality.md` says what each column means.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.file_flags import NO_FLAGS, file_flags
from pipelines.measuring import measure
from pipelines.normalizing import ZeroExtentError, normalize, pre_clean
from pipelines.reasons import Reason
from pipelines.settings import QualitySettings
from pipelines.sources.files import UnreadableFileError, read_regular
from pipelines.tokenizers import FAMILIES, build_tokenizer, tokenizer_named

QUANTIZATION_BITS = (7, 8, 9, 10)
Columns = dict[str, Any]


class Flaws(NamedTuple):
    """Faces of a mesh that are no good, as `measure` counts them."""

    n_degenerate_faces: int
    n_duplicate_faces: int


@dataclass(frozen=True)
class QualityTask:
    """One mesh as loaded, and its file where that may say more."""

    vertices: NDArray[np.float64]
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3)"""
    format: str
    path: Path | None
    content: bytes | None
    settings: QualitySettings
    faces_limit: int
    flaws: Flaws | None = None
    """Of its faces, where the mesh table has counted them."""


def measure_task(task: QualityTask) -> Columns:
    """All columns of one mesh."""
    content = task.content
    if task.path is not None:
        try:
            content = read_regular(task.path)
        except UnreadableFileError:
            content = None  # its triangles are at hand; only the flags are not
    flags = NO_FLAGS if content is None else file_flags(content, task.format)
    columns = measure_quality(task.vertices, task.faces, task.settings, task.faces_limit, task.flaws)
    return {**columns, **flags}


def measure_quality(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    settings: QualitySettings,
    faces_limit: int,
    flaws: Flaws | None = None,
) -> Columns:
    """Columns of a mesh (V, 3), (F, 3) but those of its file; absent ones are null.

    A tokenizer gets no mesh of more than `faces_limit` faces. Without `flaws` they are counted.
    """
    columns = _shape(vertices, faces, flaws or _counted(vertices, faces))
    if settings.quantization:
        columns |= _quantization(vertices, faces)
    if settings.intersections:
        columns |= _intersections(vertices, faces, settings.pairs_limit)
    if settings.tokenizers:
        columns |= _tokenizers(vertices, faces, faces_limit)
    return columns


def _counted(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> Flaws:
    counts = measure(vertices, faces)
    return Flaws(counts["degenerate_faces"], counts["duplicate_faces"])


def _shape(vertices: NDArray[np.float64], faces: NDArray[np.int32], flaws: Flaws) -> Columns:
    import tokenizer_rs

    shape = tokenizer_rs.measure_shape(vertices, faces)
    shortest, middle, longest = shape["extents"]
    return {
        "surface_kind": shape["kind"],
        "genus": shape["genus"],
        "n_boundary_loops": shape["boundary_loops"],
        "n_edge_components": shape["components"],
        "is_orientable": shape["is_orientable"],
        "winding_consistency": shape["consistent_share"],
        "valence_histogram": shape["valences"],
        "regular_share": shape["regular_share"],
        "mean_face_quality": shape["mean_quality"],
        "sliver_share": shape["sliver_share"],
        "degenerate_share": flaws.n_degenerate_faces / len(faces),
        "duplicate_share": flaws.n_duplicate_faces / len(faces),
        "surface_area": shape["area"],
        "volume": shape["volume"],
        "middle_extent_ratio": middle / longest if longest > 0 else None,
        "shortest_extent_ratio": shortest / longest if longest > 0 else None,
    }


def _quantization(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> Columns:
    import tokenizer_rs

    try:
        found = tokenizer_rs.quantization_damage(vertices, faces, QUANTIZATION_BITS)
    except tokenizer_rs.MeshError:  # no extent: there is no grid to put it on
        return {}
    return {
        f"{name}_{bits}bit": value
        for bits, damage in zip(QUANTIZATION_BITS, found, strict=True)
        for name, value in (
            ("merged_vertices", damage["merged_vertices"]),
            ("dropped_faces", damage["dropped_faces"]),
            ("quantization_distance", damage["distance"]),
        )
    }


def _intersections(vertices: NDArray[np.float64], faces: NDArray[np.int32], pairs_limit: int) -> Columns:
    import tokenizer_rs

    crosses = tokenizer_rs.crossing_faces(vertices, faces, pairs_limit)
    if crosses is None:
        return {}
    n_crossing = int(crosses.sum())
    return {"n_intersecting_faces": n_crossing, "intersecting_share": n_crossing / len(faces)}


def _tokenizers(vertices: NDArray[np.float64], faces: NDArray[np.int32], faces_limit: int) -> Columns:
    import tokenizer_rs

    def refused(code: str) -> Columns:
        return {f"{name}_code": code for name in FAMILIES}

    if len(faces) > faces_limit:
        return refused(Reason.TOO_MANY_FACES_RAW.value)
    try:
        cleaned = pre_clean(normalize(vertices), faces)
    except ZeroExtentError:
        return refused(Reason.ZERO_EXTENT.value)
    if not len(cleaned[1]):
        return refused(Reason.NO_VALID_COMPONENT.value)
    tokenizers = {name: build_tokenizer(tokenizer_named(name)) for name in FAMILIES}
    columns: Columns = {}
    for name, encoding in tokenizer_rs.encode_all(*cleaned, tokenizers).items():
        if isinstance(encoding, tokenizer_rs.MeshError):
            columns[f"{name}_code"] = encoding.code
        elif not len(encoding.tokens):
            columns[f"{name}_code"] = Reason.NO_VALID_COMPONENT.value
        else:
            columns[f"{name}_tokens"] = len(encoding.tokens)
            columns[f"{name}_exact"] = bool(encoding.exact)
    return columns
