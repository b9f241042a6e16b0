"""Read triangle meshes, turn them into token sequences and back."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

__version__: str

class Topology(TypedDict):
    """Counts over a mesh whose positions that are equal in single precision count as one vertex."""

    vertices: int
    faces: int
    edges: int
    boundary_edges: int
    nonmanifold_edges: int
    inconsistent_edges: int
    nonmanifold_vertices: int
    components: int
    degenerate_faces: int
    duplicate_faces: int
    watertight: bool

class MeshError(ValueError):
    """A file, mesh or token sequence was refused; `code` is the stable name of the reason."""

    code: str

class LoadedMesh:
    """Triangles of one file, world transforms applied, nothing welded."""

    @property
    def vertices(self) -> NDArray[np.float64]:
        """Positions (V, 3), finite and each used by a face."""
    @property
    def faces(self) -> NDArray[np.int32]:
        """Corners (F, 3), indices into `vertices`."""
    @property
    def n_geometries(self) -> int:
        """Parts that the file keeps apart: primitives, materials, solids."""
    @property
    def n_unreferenced(self) -> int:
        """Vertices that no face uses, left out of `vertices`."""

class SilksongEncoding:
    """Tokens of a mesh and the repaired mesh they describe."""

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Token ids (T,), without begin, end or padding."""
    @property
    def statistics(self) -> dict[str, Any]:
        """What was found on the way, under the names of the published table and its in-memory names."""
    @property
    def vertices(self) -> NDArray[np.int32]:
        """Grid positions (V', 3): one per input vertex, then the copies made by the repair."""
    @property
    def faces(self) -> NDArray[np.int32]:
        """Faces (F1, 3) after cleaning, repairing and orienting."""
    @property
    def clean_faces(self) -> NDArray[np.int32]:
        """Faces (F1, 3) after cleaning only."""
    @property
    def repaired_faces(self) -> NDArray[np.int32]:
        """Faces (F1, 3) after repairing, before any was turned."""
    @property
    def component_ids(self) -> NDArray[np.int32]:
        """Component (F1,) of each face."""
    @property
    def component_valid(self) -> NDArray[np.bool_]:
        """Which components have enough faces to be tokenised."""
    @property
    def face_order(self) -> NDArray[np.int32]:
        """Face indices (F1,) sorted by component, then by centre."""
    @property
    def sequence_vertices(self) -> NDArray[np.int32]:
        """Vertex (N,) of each position in token order."""
    @property
    def sequence_layers(self) -> NDArray[np.int32]:
        """Layer (N,) of each position in token order."""
    @property
    def sequence_components(self) -> NDArray[np.int32]:
        """Component (N,) of each position in token order."""

class Silksong:
    """Mesh Silksong tokenizer (arXiv 2507.02477)."""

    def __new__(
        cls,
        resolution: int = 128,
        vertex_mode: Literal["block_offset", "xyz"] = "block_offset",
        conformance: Literal["reference"] = "reference",
        limits: dict[str, int] | None = None,
    ) -> Silksong:
        """Make a tokenizer; `block_offset` needs 128 bins per axis, `xyz` takes any number."""
    @property
    def vocab_size(self) -> int:
        """Number of ids the tokenizer writes."""
    @property
    def eos_id(self) -> int:
        """Id that ends a sequence; the model adds it."""
    @property
    def pad_id(self) -> int:
        """Id that fills a row after the end."""
    @property
    def resolution(self) -> int:
        """Bins per axis."""
    @property
    def vertex_mode(self) -> str:
        """How positions are written."""
    def encode(self, vertices: ArrayLike, faces: ArrayLike) -> SilksongEncoding:
        """Encode a mesh whose coordinates lie in [-1, 1]."""
    def decode(self, tokens: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Vertices (V, 3) and faces (F, 3) of the mesh written as `tokens`."""
    def encode_batch(
        self, meshes: Sequence[tuple[ArrayLike, ArrayLike]], threads: int | None = None
    ) -> pa.RecordBatch:
        """One row per mesh, on all cores or on `threads` threads; a bad mesh is a row with a code."""
    def decode_batch(
        self, sequences: Sequence[ArrayLike], threads: int | None = None
    ) -> list[tuple[NDArray[np.float64], NDArray[np.int32]] | MeshError]:
        """Vertices and faces of every sequence, or the error that it met."""

def measure(vertices: ArrayLike, faces: ArrayLike) -> Topology:
    """Count edges, fans, pieces and defects of a mesh."""

def read_mesh(
    path_or_bytes: str | PathLike[str] | bytes,
    format: str | None = None,
    folder: str | PathLike[str] | None = None,
    max_triangles: int = 10_000_000,
    max_bytes: int = 1 << 30,
) -> LoadedMesh:
    """Read a mesh file, or its bytes: all triangles of the default scene, or none.

    `format` is one of glb, gltf, obj, off, ply, stl; by default the path's extension. Side files are looked
    for in `folder` alone, by default that of the path. Both limits are on what the file unfolds to: triangles
    with instances expanded, bytes with side files.

    Raises MeshError with the code UNREADABLE_FILE, UNSUPPORTED_FORMAT, EMPTY_FILE, TOO_LARGE, NOT_A_MESH,
    NEEDS_DECODER, MISSING_SIDE_FILE, LOAD, NON_FINITE, NO_TRIANGLES or TOO_MANY_FACES_RAW.
    """

def gltf_side_files(content: bytes) -> list[str]:
    """Paths of the side files that a .gltf text names, relative to its folder and within it.

    Empty where the text cannot be read.
    """

def silksong_window_table() -> NDArray[np.int16]:
    """One row per window: bits, shape, borders, cut, code, bits left, bits decoded; -1 = none."""

def silksong_encode_in_layer(matrix: NDArray[np.uint8]) -> list[list[int]]:
    """Token values of each row of a symmetric 0/1 matrix."""

def silksong_decode_in_layer(rows: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """The matrix written by `silksong_encode_in_layer`."""

def silksong_encode_between_layers(matrix: NDArray[np.uint8]) -> list[list[int]]:
    """Token values of each row of a 0/1 matrix."""

def silksong_decode_between_layers(rows: Sequence[Sequence[int]], n_columns: int) -> NDArray[np.uint8]:
    """The matrix written by `silksong_encode_between_layers`."""
