"""Turn triangle meshes into token sequences and back."""

from collections.abc import Sequence
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
    """A mesh or token sequence was refused; `code` is the stable name of the reason."""

    code: str

class Encoding:
    """Tokens of a mesh and the mesh they describe; the same for every family."""

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Token ids (T,), without begin, end or padding."""
    @property
    def vertices(self) -> NDArray[np.int32]:
        """Grid positions (V, 3) of the quantised, repaired mesh that the tokens were made from."""
    @property
    def faces(self) -> NDArray[np.int32]:
        """Faces (F, 3) of that mesh, oriented."""
    @property
    def face_order(self) -> NDArray[np.int32]:
        """Faces in the order in which the tokens name them."""
    @property
    def exact(self) -> bool:
        """Whether decoding the tokens gives the oriented triangles of that mesh, checked by decoding."""
    @property
    def statistics(self) -> dict[str, Any]:
        """What was counted on the way, under names of the family's own."""

class SilksongEncoding(Encoding):
    """Tokens of a mesh with everything the Silksong tokenizer found on the way."""

    @property
    def statistics(self) -> dict[str, Any]:
        """What was found, under the names of the published table and its in-memory names."""
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
    def sequence_vertices(self) -> NDArray[np.int32]:
        """Vertex (N,) of each position in token order."""
    @property
    def sequence_layers(self) -> NDArray[np.int32]:
        """Layer (N,) of each position in token order."""
    @property
    def sequence_components(self) -> NDArray[np.int32]:
        """Component (N,) of each position in token order."""

class Grammar:
    """Which tokens may follow in one sequence that is being written."""

    def allowed(self) -> NDArray[np.bool_]:
        """Which ids may follow (vocab_size + 1,); the last entry is the end of the sequence."""
    def advance(self, token: int) -> None:
        """Take the next token; raises MeshError, and changes nothing, if it may not follow."""
    def can_end(self) -> bool:
        """Whether the sequence may end here."""
    def closing_token(self) -> int | None:
        """The next token on a short way to an end; None where the sequence may end here."""
    def tokens_to_end(self) -> int:
        """Number of tokens on that way."""
    def copy(self) -> Grammar:
        """An independent copy of the state."""

class GrammarBatch:
    """Which tokens may follow in each of several sequences that are written side by side."""

    def allowed(self, remaining: int | None = None) -> NDArray[np.bool_]:
        """Which ids may follow in each row (size, vocab_size + 1); the last column is the end.

        `remaining` is how many tokens, the end among them, may still be written to a row: a row that needs
        that many to reach an end is held to a short way there.
        """
    def advance(self, tokens: ArrayLike) -> None:
        """Take the next token of each row (size,); the end id ends a row, after which anything is taken.

        Raises MeshError for the first row whose token may not follow; the rows before it have advanced.
        """
    def can_end(self) -> NDArray[np.bool_]:
        """Which rows may end here or have ended (size,)."""
    def tokens_to_end(self) -> NDArray[np.int64]:
        """Tokens on a short way to an end in each row (size,)."""
    def __len__(self) -> int: ...

class Tokenizer:
    """Writes meshes as token ids and reads them back; one subclass per family."""

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
    def encode(self, vertices: ArrayLike, faces: ArrayLike) -> Encoding:
        """Encode a mesh, (V, 3) and (F, 3), whose coordinates lie in [-1, 1]; raises MeshError."""
    def decode(self, tokens: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Vertices (V, 3) and faces (F, 3) of the mesh written as `tokens`; raises MeshError."""
    def encode_batch(
        self, meshes: Sequence[tuple[ArrayLike, ArrayLike]], threads: int | None = None
    ) -> pa.RecordBatch:
        """One row per mesh, on all cores or on `threads` threads; a bad mesh is a row with a code.

        Columns, the same for every family: index, code, message, tokens, n_tokens, n_vertices, n_faces,
        exact, statistics (a map of the family's own counts).
        """
    def decode_batch(
        self, sequences: Sequence[ArrayLike], threads: int | None = None
    ) -> list[tuple[NDArray[np.float64], NDArray[np.int32]] | MeshError]:
        """Vertices and faces of every sequence, or the error that it met."""
    def grammar(self) -> Grammar:
        """The grammar state before the first token."""
    def grammar_batch(self, size: int) -> GrammarBatch:
        """Grammar states of `size` sequences that are written side by side."""
    def describe(self, token: int) -> str:
        """What a token stands for, in a few words."""

# --- families ---

class Silksong(Tokenizer):
    """Mesh Silksong tokenizer (arXiv 2507.02477)."""

    def __new__(
        cls,
        resolution: int = 128,
        vertex_mode: Literal["block_offset", "xyz"] = "block_offset",
        conformance: Literal["reference", "extended"] = "extended",
        limits: dict[str, int] | None = None,
        drop_collinear: bool = False,
    ) -> Silksong:
        """Make a tokenizer; `block_offset` needs 128 bins per axis, `xyz` takes any number.

        `reference` gives the tokens and faces of the published tokenizer, `extended` takes every mesh and
        gives its own faces back; `drop_collinear` is for `extended`, `reference` always drops them.
        """
    @property
    def vertex_mode(self) -> str:
        """How positions are written."""
    def encode(self, vertices: ArrayLike, faces: ArrayLike) -> SilksongEncoding:
        """Encode a mesh whose coordinates lie in [-1, 1]; raises MeshError."""

# --- edgerunner ---

# --- face sequence ---

# --- loom ---

# --- repair ---

class RepairLog(TypedDict):
    """What a repair did, by indices of the input; of equal vertices or faces the lowest index names all."""

    welded_vertices: NDArray[np.int32]
    """(N, 2): vertex, the vertex of the same position that stands for it."""
    unreferenced_vertices: NDArray[np.int32]
    """(N,): vertices no remaining face uses, left out."""
    degenerate_faces: NDArray[np.int32]
    """(N,): faces with a corner twice, left out."""
    collinear_faces: NDArray[np.int32]
    """(N,): faces whose corners lie on a line, left out on request."""
    duplicate_faces: NDArray[np.int32]
    """(N, 2): face left out, the face with the same corners that stays."""
    cut_edges: NDArray[np.int32]
    """(N, 2): ends of the edges of more than two faces."""
    cut_loops: NDArray[np.int32]
    """(N, 2): ends of the edges of two faces that were cut open because a loop across them is one-sided."""
    detached_faces: NDArray[np.int32]
    """(N, 2): face, the vertex at which it was separated from all its neighbours."""
    copied_vertices: NDArray[np.int32]
    """(N, 2): vertex, number of its copies besides itself."""
    flipped_faces: NDArray[np.int32]
    """(N,): faces turned over."""

class Repaired:
    """A repaired mesh and what was done to get there."""

    @property
    def vertices(self) -> NDArray[np.float64]:
        """Positions (V, 3) by y, then z, then x, copies after one another; with a resolution bin centres."""
    @property
    def grid_vertices(self) -> NDArray[np.int32] | None:
        """Bins (V, 3), or None without a resolution."""
    @property
    def faces(self) -> NDArray[np.int32]:
        """Faces (F, 3): an oriented manifold, perhaps with boundary."""
    @property
    def source_vertex(self) -> NDArray[np.int32]:
        """For each vertex (V,) the lowest input vertex of its position."""
    @property
    def source_face(self) -> NDArray[np.int32]:
        """For each face (F,) the lowest input face it stands for, of those with the direction kept."""
    @property
    def log(self) -> RepairLog:
        """What was done."""

# --- reading files ---

# --- measuring ---

def measure(vertices: ArrayLike, faces: ArrayLike) -> Topology:
    """Count edges, fans, pieces and defects of a mesh."""

def repair(
    vertices: ArrayLike,
    faces: ArrayLike,
    resolution: int | None = None,
    weld: bool = True,
    drop_collinear: bool = False,
    outward: bool = False,
) -> Repaired:
    """Make any triangles an oriented manifold, without moving a vertex or losing a face.

    `vertices` (V, 3) are real and finite, `faces` (F, 3) whole numbers. With a `resolution` (2 to 65536 bins per
    axis) the coordinates must lie in [-1, 1] and are quantised first. Equal positions become one vertex
    unless `weld` is off; then vertices and faces keep the order of the input, copies come last.
    `outward` turns every part so that its signed volume is not negative, instead of asking the majority of
    its faces. Raises MeshError.
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
