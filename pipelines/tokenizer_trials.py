"""What a worker does to compare tokenizers: one mesh, repaired once, through each of them.

All tokenizers get the same quantised, repaired mesh; what they make of it is held against that mesh.
Triangles are compared by the bins of their corners: coincident copies of a vertex count as one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipelines.mesh_steps import refusal
from pipelines.normalizing import ZeroExtentError, normalize
from pipelines.reading import MeshReadError, read_mesh
from pipelines.reasons import Reason
from pipelines.tokenizers import build_tokenizer, tokenizer_named
from pipelines.worker_process import ItemError

if TYPE_CHECKING:
    import tokenizer_rs

Value = TypeVar("Value")

RUNS, SECONDS_OF_RUNS = 3, 0.1
"""The best of so many runs is the time, as long as all of them together do not take longer than this."""


def _family(name: str, **options: Any) -> Callable[[int], "tokenizer_rs.Tokenizer"]:
    def make(resolution: int) -> "tokenizer_rs.Tokenizer":
        settings = tokenizer_named(name, resolution)
        return build_tokenizer(settings.model_copy(update=options))

    return make


TOKENIZERS: dict[str, Callable[[int], "tokenizer_rs.Tokenizer"]] = {
    "face-sequence": _family("face_sequence"),
    "edgerunner": _family("edgerunner", repair=False),  # the mesh is repaired
    "silksong-reference": _family("silksong", conformance="reference"),
    "silksong": _family("silksong"),
    "loom-valence": _family("loom", scheme="valence"),
    "loom-deferred": _family("loom", scheme="deferred"),
}
"""Every tokenizer there is, made for a number of bins per axis; raise TokenizerError where that cannot be."""


@dataclass(frozen=True)
class TrialTask:
    """One file, and what to try on it."""

    path: Path
    format: str
    resolution: int
    tokenizers: tuple[str, ...]
    with_nominal_bits: bool


@dataclass(frozen=True)
class Trial:
    """What one tokenizer made of one mesh."""

    tokenizer: str
    tokens: NDArray[np.int32]
    """(n_tokens,), empty where the mesh was refused"""
    code: str | None = None
    """Of the error with which the mesh was refused."""
    message: str | None = None
    is_exact: bool | None = None
    """Whether decoding gives all triangles of the mesh, with their orientation, and no others."""
    is_same_triangles: bool | None = None
    """The same without regard to orientation."""
    nominal_bits: float | None = None
    encode_seconds: float | None = None
    """Of processor time; includes the tokenizer's own check by decoding."""
    decode_seconds: float | None = None


@dataclass(frozen=True)
class TriedMesh:
    """One mesh and the trials on it, one for each tokenizer of the task."""

    n_faces_raw: int
    n_vertices: int
    n_faces: int
    trials: tuple[Trial, ...]


def try_tokenizers(task: TrialTask) -> TriedMesh:
    """Read, normalise and repair one file, and give the mesh to each tokenizer.

    Raises ItemError with the reason where the file gives no mesh.
    """
    import tokenizer_rs

    try:
        loaded = read_mesh(task.path, task.format)
        mesh = tokenizer_rs.repair(normalize(loaded.vertices), loaded.faces, resolution=task.resolution)
    except MeshReadError as error:
        raise ItemError(error.reason, error.detail) from None
    except ZeroExtentError as error:
        raise ItemError(Reason.ZERO_EXTENT, str(error)) from None
    except tokenizer_rs.MeshError as error:
        raise refusal(error) from None
    if not len(mesh.faces):
        reason = f"no face is left at {task.resolution} bins per axis; give a larger or less degenerate mesh"
        raise ItemError(Reason.NO_VALID_COMPONENT, reason)
    trials = tuple(
        try_tokenizer(name, mesh.vertices, mesh.faces, task.resolution, task.with_nominal_bits)
        for name in task.tokenizers
    )
    return TriedMesh(len(loaded.faces), len(mesh.vertices), len(mesh.faces), trials)


def try_tokenizer(
    name: str,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    resolution: int,
    with_nominal_bits: bool = True,
) -> Trial:
    """Encode and decode a repaired mesh (V, 3), (F, 3); a refusal is a trial with a code."""
    import tokenizer_rs

    tokenizer = TOKENIZERS[name](resolution)
    try:
        encoding, encode_seconds = _timed(lambda: tokenizer.encode(vertices, faces))
    except tokenizer_rs.MeshError as error:
        return Trial(name, np.zeros(0, np.int32), code=error.code, message=str(error))
    tokens, message = encoding.tokens, None
    try:
        decoded, decode_seconds = _timed(lambda: tokenizer.decode(tokens))
    except tokenizer_rs.MeshError as error:
        message, decoded, decode_seconds = f"its tokens do not decode: {error}", None, None
    nominal_bits = None
    if with_nominal_bits:
        try:
            nominal_bits = tokenizer.nominal_bits(tokens)
        except tokenizer_rs.MeshError as error:
            message = f"its tokens are not allowed by its grammar: {error}"
    given = _corner_bins(vertices, faces, resolution)
    back = given[:0] if decoded is None else _corner_bins(*decoded, resolution)
    return Trial(
        name,
        tokens,
        message=message,
        is_exact=np.array_equal(_oriented(given), _oriented(back)),
        is_same_triangles=np.array_equal(_unoriented(given), _unoriented(back)),
        nominal_bits=nominal_bits,
        encode_seconds=encode_seconds,
        decode_seconds=decode_seconds,
    )


def _timed(call: Callable[[], Value]) -> tuple[Value, float]:
    """What the call gives, and the processor time of its best run."""
    best, total = float("inf"), 0.0
    for _ in range(RUNS):
        started = time.process_time()
        value = call()
        seconds = time.process_time() - started
        best, total = min(best, seconds), total + seconds
        if total > SECONDS_OF_RUNS:
            break
    return value, best


def _corner_bins(vertices: NDArray, faces: NDArray, resolution: int) -> NDArray[np.int64]:
    """One number for the bins of each corner, (F, 3)."""
    bins = np.floor((vertices + 1) * (resolution / 2)).astype(np.int64).clip(0, resolution - 1)
    return (bins @ np.array([resolution * resolution, resolution, 1]))[faces.reshape(-1, 3)]


def _oriented(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles with their least corner first, sorted: equal for equal oriented triangles."""
    first = corners.argmin(axis=1)[:, None]
    return _sorted_rows(np.take_along_axis(corners, (first + np.arange(3)) % 3, axis=1))


def _unoriented(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    return _sorted_rows(np.sort(corners, axis=1))


def _sorted_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.lexsort(rows.T[::-1])]
