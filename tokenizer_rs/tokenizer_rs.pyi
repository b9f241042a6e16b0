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
        conformance: Literal["reference"] = "reference",
        limits: dict[str, int] | None = None,
    ) -> Silksong:
        """Make a tokenizer; `block_offset` needs 128 bins per axis, `xyz` takes any number."""
    @property
    def vertex_mode(self) -> str:
        """How positions are written."""
    def encode(self, vertices: ArrayLike, faces: ArrayLike) -> SilksongEncoding:
        """Encode a mesh whose coordinates lie in [-1, 1]; raises MeshError."""

# --- edgerunner ---

class EdgeRunnerEncoding(Encoding):
    """Tokens of a mesh with the operation after each face."""

    @property
    def face_type(self) -> NDArray[np.int8]:
        """Operation (F,) after each face in token order; 2 where none follows."""

class EdgeRunner(Tokenizer):
    """EdgeRunner tokenizer (arXiv 2409.18114).

    Vertices are joined by index: weld the mesh first, or let the repair do it. `decode` gives every face
    vertices of its own, at the single-precision centres of their bins. With `repair` the tokens depend on
    neither the order nor the numbering of the input; without it they can.
    """

    def __new__(
        cls,
        resolution: int = 512,
        engine: Literal["lr_absco", "lr", "clers"] = "lr_absco",
        sort: Literal["stable", "reference"] = "stable",
        repair: bool = False,
    ) -> EdgeRunner:
        """Make a tokenizer for 2 to 65536 bins per axis.

        `lr_absco`, the published engine, returns every consistently oriented mesh exactly; `lr` and `clers`
        write residuals, visit some faces twice, and `lr` writes -1 for a residual it has no id for. `sort`
        says how faces with equal centres are ordered: as in the input, or as the published tokenizer's C++
        library leaves them.
        """
    @property
    def engine(self) -> str:
        """Operations and coding."""
    @property
    def sort(self) -> str:
        """In which order faces with equal centres come."""
    @property
    def repair(self) -> bool:
        """Whether meshes are repaired before they are encoded."""
    def encode(self, vertices: ArrayLike, faces: ArrayLike) -> EdgeRunnerEncoding:
        """Encode a mesh, (V, 3) and (F, 3), in [-1, 1]; raises MeshError.

        Without repair, coordinates above 1 fall into the last bin, and coordinates so far below -1 that
        their bin would be negative are refused.
        """
    def decode_with_face_types(
        self, tokens: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        """Vertices (V, 3), faces (F, 3) and the operation after each face; raises MeshError."""

# --- face sequence ---

class FaceSequence(Tokenizer):
    """Sorted faces, nine coordinates each (MeshGPT, arXiv 2311.15475; MeshXL, arXiv 2405.20853).

    Ids are bins. Vertices of equal position become one, faces with a repeated vertex are dropped, vertices
    are sorted by z, y, x of the sequence's axes, faces are rotated so that their lowest vertex comes first,
    and sorted: `meshgpt` by their sorted corners, on axes (z, x, y) of an input whose y is up; `meshxl` by
    their corners as rotated, on the axes of the input, whose z is up. `decode` gives the axes of the input,
    vertices in sorted order. With `repair` the tokens depend on neither the order nor the numbering of
    the input; without it only the order of faces with equal vertices may show.
    """

    def __new__(
        cls,
        resolution: int = 128,
        order: Literal["meshgpt", "meshxl"] = "meshgpt",
        repair: bool = True,
        drop_duplicates: bool = False,
    ) -> FaceSequence:
        """Make a tokenizer for 2 to 65536 bins per axis.

        With `repair` the mesh is quantised and repaired first, and what is decoded is exactly the repaired
        mesh; without, bins are rounded half to even. `drop_duplicates` keeps the first of several faces with the
        same vertices, whatever their directions.
        """
    @property
    def order(self) -> str:
        """In which order vertices and faces are written."""
    @property
    def repair(self) -> bool:
        """Whether meshes are repaired before they are encoded."""
    @property
    def drop_duplicates(self) -> bool:
        """Whether only one of several faces with the same positions is written."""

def face_edges(faces: ArrayLike, include_self: bool = True) -> NDArray[np.int64]:
    """Ordered pairs (E, 2) of faces, (F, 3), that share at least two vertices, in ascending order.

    Every face is its own neighbour; without `include_self`, pairs that share all three vertices are left out.
    Raises MeshError where there are more than 2^27 pairs.
    """

# --- loom ---

# --- repair ---

# --- reading files ---

# --- measuring ---

def measure(vertices: ArrayLike, faces: ArrayLike) -> Topology:
    """Count edges, fans, pieces and defects of a mesh."""

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
