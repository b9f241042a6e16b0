"""Read triangle meshes, turn them into token sequences and back."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypedDict, final, overload, type_check_only

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EdgeRunner",
    "EdgeRunnerEncoding",
    "Encoding",
    "FaceSequence",
    "Grammar",
    "GrammarBatch",
    "LoadedMesh",
    "Loom",
    "Merged",
    "Merges",
    "MeshError",
    "Repaired",
    "Silksong",
    "SilksongEncoding",
    "SlotTable",
    "Tokenizer",
    "__version__",
    "adaptive_bits",
    "best_alignment",
    "canonical_triangles",
    "crossing_faces",
    "describe_shape",
    "edge_components",
    "encode_all",
    "face_edges",
    "gltf_side_files",
    "learn_slots",
    "measure",
    "measure_shape",
    "nearest_points",
    "point_spacing",
    "pre_clean",
    "quantization_damage",
    "read_mesh",
    "repair",
    "silksong_decode_between_layers",
    "silksong_decode_in_layer",
    "silksong_encode_between_layers",
    "silksong_encode_in_layer",
    "silksong_window_table",
    "tokenize_files",
    "vertex_distance",
]

__version__: str

@type_check_only
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

@final
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

@final
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

@final
class GrammarBatch:
    """Which tokens may follow in each of several sequences that are written side by side."""

    def allowed(self, remaining: int | None = None) -> NDArray[np.bool_]:
        """Which ids may follow in each row (size, vocab_size + 1); the last column is the end.

        `remaining` is how many tokens, the end among them, may still be written to a row: a row that could
        miss its end with one more token of its choice is held to a short way there, so that a row that
        begins with enough of them always ends.
        """
    def advance(self, tokens: ArrayLike) -> None:
        """Take the next token of each row (size,); the end id ends a row, after which anything is taken.

        Raises MeshError for the first row whose token may not follow; the rows before it have advanced.
        """
    def can_end(self) -> NDArray[np.bool_]:
        """Which rows may end here or have ended (size,)."""
    def tokens_to_end(self) -> NDArray[np.int64]:
        """Tokens on a short way to an end in each row (size,)."""
    def copy(self) -> GrammarBatch:
        """An independent copy of the states."""
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
    def nominal_bits(self, tokens: ArrayLike) -> float:
        """Bits of the sequence and its end where every legal token is equally likely.

        The sum of log2 of how many tokens may come at each place, the end counted as one where it may;
        raises MeshError where the grammar does not allow a token or the end after the last one.
        """
    def describe(self, token: int) -> str:
        """What a token stands for, in a few words."""

# --- families ---

@final
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

@final
class EdgeRunnerEncoding(Encoding):
    """Tokens of a mesh with the operation after each face."""

    @property
    def face_type(self) -> NDArray[np.int8]:
        """Operation (F,) after each face in token order; 2 where none follows."""

@final
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

@final
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
        mesh; without, bins are rounded half to even. `drop_duplicates` keeps the first of several faces with
        the same vertices, whatever their directions.
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

@final
class SlotTable:
    """Common places of a vertex relative to a predictor, each one token of Loom."""

    @staticmethod
    def structured(
        scheme: Literal["valence", "deferred"] = "valence", resolution: Literal[128, 256, 512, 1024] = 128
    ) -> SlotTable:
        """Make the built-in table, which is made by rule and not learned."""
    @staticmethod
    def load(path: str | PathLike[str]) -> SlotTable:
        """Read a file that `save` wrote; raises MeshError."""
    def save(self, path: str | PathLike[str]) -> None:
        """Write a JSON file."""
    @staticmethod
    def from_json(text: str) -> SlotTable:
        """Read the text of such a file; raises MeshError."""
    def to_json(self) -> str:
        """Give the text of such a file."""
    @property
    def scheme(self) -> str:
        """The scheme the table is made for."""
    @property
    def resolution(self) -> int:
        """Bins per axis the table is made for."""
    @property
    def slots(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Predictor and residual of each slot, in order."""
    def __len__(self) -> int: ...

def learn_slots(
    meshes: Sequence[tuple[ArrayLike, ArrayLike]],
    resolution: Literal[128, 256, 512, 1024],
    scheme: Literal["valence", "deferred"],
    size: int,
) -> SlotTable:
    """Learn the slots that save most tokens on meshes, pairs of (V, 3) and (F, 3) in [-1, 1].

    The meshes are repaired first. The table is shorter than `size` where fewer slots save any token.
    Raises MeshError for the first mesh that cannot be repaired.
    """

@final
class Loom(Tokenizer):
    """Loom, format loom-1: one token carries a new vertex's position and its connectivity together.

    Lossless for the repaired mesh; the tokens do not depend on the order of the input. See docs/loom-1.md.
    """

    def __new__(
        cls,
        resolution: Literal[128, 256, 512, 1024] = 128,
        scheme: Literal["valence", "deferred"] = "valence",
        slots: Literal["structured"] | str | PathLike[str] | SlotTable | None = None,
        merges: str | PathLike[str] | Merges | None = None,
    ) -> Loom:
        """Make a tokenizer; tables and merges are objects or files that this library has saved.

        `slots=None` and "structured" are the built-in table. Raises MeshError for a table or merges made for
        another scheme, resolution or vocabulary.
        """
    @property
    def scheme(self) -> str:
        """How connectivity is written."""
    @property
    def slots(self) -> SlotTable:
        """The slot table."""
    @property
    def merges(self) -> Merges | None:
        """The merged tokens on top."""

# --- merges ---

@final
class Merges:
    """Merged tokens on top of a vocabulary (byte pair encoding, arXiv 1508.07909).

    Merge `i` on `n` ids makes the id `n + i` out of two ids below it.
    """

    @staticmethod
    def learn(sequences: Iterable[ArrayLike], base_vocab_size: int, n_merges: int) -> Merges:
        """Merge the commonest pair of neighbours again and again; no pair spans two sequences.

        Occurrences that overlap count once, of equally common pairs the least comes first. Stops early
        where no pair occurs twice. Raises MeshError for tokens outside the vocabulary.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> Merges:
        """Read a file that `save` wrote; raises MeshError, code INVALID_MERGES."""
    def save(self, path: str | PathLike[str]) -> None:
        """Write a JSON file."""
    def apply(self, tokens: ArrayLike) -> NDArray[np.int32]:
        """Write a sequence with merged tokens; raises MeshError for ids outside the base vocabulary."""
    def expand(self, tokens: ArrayLike) -> NDArray[np.int32]:
        """Write a sequence without merged tokens; ids outside the vocabulary become -1."""
    @property
    def base_vocab_size(self) -> int:
        """Number of ids that are not merged."""
    @property
    def vocab_size(self) -> int:
        """Number of ids, merged ones included."""
    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The two ids that each merged token is made of, in the order of their ids."""
    def __len__(self) -> int: ...

@final
class Merged(Tokenizer):
    """Any tokenizer, with merged tokens on top."""

    def __new__(cls, tokenizer: Tokenizer, merges: Merges) -> Merged:
        """Put merges on a tokenizer; they must be made for as many ids as it has."""
    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer below."""
    @property
    def merges(self) -> Merges:
        """The merges."""

# --- repair ---

@type_check_only
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

@final
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

@final
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

def read_mesh(
    path_or_bytes: str | PathLike[str] | bytes,
    format: str | None = None,
    folder: str | PathLike[str] | None = None,
    max_triangles: int = ...,
    max_bytes: int = 1 << 30,
) -> LoadedMesh:
    """Read a mesh file, or its bytes: all triangles of the default scene, or none.

    `format` is one of glb, gltf, obj, off, ply, stl; by default the path's extension. Side files are looked
    for in `folder` alone, by default that of the path. Both limits are on what the file unfolds to: triangles
    with instances expanded (by default ten million), bytes with side files.

    Raises MeshError with the code UNREADABLE_FILE, UNSUPPORTED_FORMAT, EMPTY_FILE, TOO_LARGE, NOT_A_MESH,
    NEEDS_DECODER, MISSING_SIDE_FILE, LOAD, NON_FINITE, NO_TRIANGLES or TOO_MANY_FACES_RAW.
    """

def gltf_side_files(content: bytes) -> list[str]:
    """Paths of the side files that a .gltf text names, relative to its folder and within it.

    Empty where the text cannot be read.
    """

def tokenize_files(
    paths: Sequence[str | PathLike[str]],
    tokenizers: dict[str, Tokenizer],
    threads: int | None = None,
    seconds_per_item: float = 60.0,
    bytes_per_item: int = 4 << 30,
    rows_per_batch: int = 64,
) -> pa.RecordBatchReader:
    """Read, normalise, measure and encode every file; one row per file, in the order of `paths`.

    Columns: path, code, message (null where the file was read), n_geometries, n_unreferenced, topology (a map
    of the counts of `measure`), and for each tokenizer a struct of that name with the columns of
    `Tokenizer.encode_batch`, null where the file was not read. A mesh is centred on the origin and its
    longest side made 1.9 before it is encoded.

    Work runs ahead on `threads` threads, one per core by default; the number changes nothing in the rows. A
    file that is not finished `seconds_per_item` after it was begun is a row with the code TIME_LIMIT; its
    thread ends by itself and another takes its place. Files that would need more than about `bytes_per_item`
    of memory are refused with TOO_LARGE or TOO_MANY_FACES_RAW. Raises MeshError for impossible options alone.
    """

# --- measuring ---

def measure(vertices: ArrayLike, faces: ArrayLike) -> Topology:
    """Count edges, fans, pieces and defects of a mesh."""

@type_check_only
class Shape(TypedDict):
    """What kind of surface a mesh is, how regular it is, and how well shaped its faces are.

    Edges, fans and loops are those of the faces with three distinct corners. A fan is what of a vertex's
    faces hangs together over edges.
    """

    kind: str
    """nonmanifold (an edge of three faces), else open (an edge of one), else twisted (an edge along which
    both faces run the same way), else inverted (no positive volume), else solid; empty without a face."""
    is_orientable: bool
    """Whether faces could be turned so that no edge of two faces is run along twice in the same direction."""
    consistent_share: float
    """Edges along which the two faces run in opposite directions, of all edges of two; 1 without any."""
    genus: int | None
    """Handles of all components together, holes filled: V - E + F = 2 C - 2 genus - loops, with V fans and C
    components connected through edges. None where an edge has three faces or it cannot be oriented."""
    boundary_loops: int
    """Connected sets of edges of one face; two edges meet where they end in the same fan."""
    components: int
    """Connected through edges."""
    valences: list[int]
    """Vertices with 0, 1, ... 14, and with 15 or more edges."""
    regular_share: float | None
    """Vertices with six edges, of those whose edges all have two faces; None without such."""
    area: float
    """Of all faces, in the squared unit of the positions."""
    volume: float | None
    """Enclosed, in the cubed unit; None unless the kind is solid or inverted."""
    extents: list[float]
    """Sides of the bounding box, ascending."""
    mean_quality: float
    """Mean of 4 sqrt(3) area / (sum of squared sides): 1 for equilateral faces, 0 without area."""
    sliver_share: float
    """Faces with a quality below 0.1."""

def measure_shape(vertices: ArrayLike, faces: ArrayLike) -> Shape:
    """Measure a mesh (V, 3), (F, 3) whose equal positions (in single precision) count as one vertex."""

def describe_shape(
    vertices: ArrayLike, faces: ArrayLike
) -> tuple[NDArray[np.uint16], NDArray[np.int16]] | None:
    """What stays of a mesh (V, 3), (F, 3) however it is moved, turned, mirrored, scaled or cut.

    First 85 lengths (85,), each a share of 65535: of the mass in nine shells around the centroid those of
    the degrees 0 to 8 of the spherical harmonics, shell by shell, then of the faces' directions those of
    the degrees 2, 4, 6 and 8 (Kazhdan, Funkhouser, Rusinkiewicz 2003). Then landmarks (L, 3): the distinct
    vertices from the centroid in 1/1024 of the root mean square radius, the farthest first, at most 2048.
    None for a mesh without area.
    """

def best_alignment(points: ArrayLike, others: ArrayLike, tolerance: float) -> NDArray[np.float64] | None:
    """An orthogonal matrix (3, 3) for which most of some of `points @ matrix` lie on one of the others.

    Points (N, 3) and others (M, 3) are in units of their root mean square distance from the origin, the
    farthest first; on a point is what is nearer to it than `tolerance`. Rotations and reflections are tried
    that bring two of the points to two of the others. None where there are no such two. Raises MeshError
    (INVALID_INPUT) for coordinates that are not finite.
    """

def nearest_points(points: ArrayLike, others: ArrayLike, within: float = ...) -> NDArray[np.int64]:
    """For each point (N, 3) the index (N,) of the nearest of the others (M, 3); -1 where none is nearer than
    `within`, a length, infinite by default. Raises MeshError (INVALID_INPUT) for coordinates that are not
    finite, and lengths not above 0.
    """

def point_spacing(points: ArrayLike) -> NDArray[np.float64]:
    """For each point (N, 3) the distance (N,) to the nearest of the others, infinite for a point alone.

    Raises MeshError (INVALID_INPUT) for coordinates that are not finite.
    """

def canonical_triangles(
    vertices: ArrayLike, faces: ArrayLike, mirror_images: bool = True
) -> NDArray[np.uint64]:
    """Triangles (F, 3) that are the same for all copies of a mesh (V, 3), (F, 3).

    Copies may differ in the order of vertices, faces and corners, in doubled or unused vertices, place,
    size, and exchanged or reversed axes. The mesh is put on a grid of 1024 cells along its longest side; a
    hash selects one of the 24 poses that rotations give, of 48 with `mirror_images`. A corner is one
    number, 11 bits an axis; corners and faces ascend.
    """

def crossing_faces(vertices: ArrayLike, faces: ArrayLike, max_pairs: int) -> NDArray[np.bool_] | None:
    """Which faces (F,) cross another: both have corners on both sides of the other's plane and their sections
    along the line of both planes overlap.

    Contacts are no crossings: common corners and edges, faces that touch, faces of one plane that overlap.
    Positions are rounded to 2^19 steps along the longest side of the bounding box; on that grid the answer is
    exact (orientation predicates of Guigue and Devillers, 2003). None where more than `max_pairs` pairs of
    faces have bounding boxes that overlap by more than their borders: only such pairs can cross.
    """

@type_check_only
class QuantizationDamage(TypedDict):
    """What rounding to a grid does to a mesh."""

    merged_vertices: int
    """Distinct positions fewer than before."""
    dropped_faces: int
    """Distinct sets of three distinct corners fewer than before."""
    distance: float | None
    """Greatest distance of a vertex of either surface to the other, as a share of the diagonal of the
    bounding box; None where no face is left."""

def quantization_damage(
    vertices: ArrayLike, faces: ArrayLike, bits: Sequence[int]
) -> list[QuantizationDamage]:
    """Damage of 2^b bins per axis for each b of `bits` (1 to 20).

    The mesh is welded in single precision, moved into the cube of half side 0.95 within [-1, 1], and each
    vertex moved to the centre of its bin. Raises MeshError with ZERO_EXTENT where all vertices are one point.
    """

def vertex_distance(mesh: tuple[ArrayLike, ArrayLike], other: tuple[ArrayLike, ArrayLike]) -> float:
    """Greatest distance of a vertex that a face uses, of either mesh (V, 3), (F, 3), to the other's surface.

    A lower bound of the symmetric Hausdorff distance, with the suprema over vertices alone. Raises MeshError
    where a mesh has no face.
    """

def encode_all(
    vertices: ArrayLike, faces: ArrayLike, tokenizers: Mapping[str, Tokenizer]
) -> dict[str, Encoding | MeshError]:
    """What each tokenizer makes of a mesh, or the error with which it refuses; repairs are shared."""

@overload
def adaptive_bits(sequences: Iterable[ArrayLike], vocab_size: int, order: int) -> float: ...
@overload
def adaptive_bits(sequences: Iterable[ArrayLike], vocab_size: int, order: Sequence[int]) -> list[float]:
    """Bits of all sequences and their ends for an adaptive coder with contexts of up to `order` tokens.

    With N occurrences and D different symbols seen in a context of length j, n of them equal to s:
    p_j(s) = (n + D p_{j-1}(s)) / (N + D), p_j = p_{j-1} in a new context, p_{-1} = 1 / (vocab_size + 1).
    Counts are kept from sequence to sequence; a sequence's beginning is filled with a start mark. Orders
    go from 0 to 8. Raises MeshError for tokens outside the vocabulary.
    """

def edge_components(faces: ArrayLike) -> NDArray[np.int32]:
    """Component (F,) of each face (F, 3) over shared edges, numbered by their lowest faces."""

def pre_clean(vertices: ArrayLike, faces: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """What MeshLab's usual filters leave of a mesh (V, 3), (F, 3): vertices (V', 3), faces (F', 3).

    Unused vertices go; in their order, vertices take in all others closer than 1e-4 of the bounding box's
    diagonal; of faces with the same corners the last stays; faces without area go, their vertices stay. As
    MeshLab does, except that there no rule says which of equal faces stays.
    """

def repair(
    vertices: ArrayLike,
    faces: ArrayLike,
    resolution: int | None = None,
    weld: bool = True,
    drop_collinear: bool = False,
    outward: bool = False,
) -> Repaired:
    """Make any triangles an oriented manifold of the same triangles; only degenerate and repeated ones go.

    `vertices` (V, 3) are real and finite, `faces` (F, 3) whole numbers. With a `resolution` (2 to 65536 bins
    per axis) the coordinates must lie in [-1, 1] and are quantised first. Equal positions become one vertex
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
