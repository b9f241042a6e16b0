"""The steps a mesh walks through and the reasons it may be rejected for: two closed lists.

Apart from the tables, since worker processes need the reasons and not the libraries behind the tables.
"""

from enum import StrEnum


class Stage(StrEnum):
    """Steps a mesh walks through, in order."""

    RAW_MESHES = "raw_meshes"
    MESH_TABLE = "mesh_table"
    TOKENS = "tokens"
    CURATED = "curated"


class Reason(StrEnum):
    """Why a file was rejected: the closed list."""

    # raw_meshes: listing and fetching
    FILTERED_BEFORE_FETCH = "FILTERED_BEFORE_FETCH"  # the source's `where` does not hold for its annotations
    FETCH_MISSING = "FETCH_MISSING"  # the source lists it, and it is not there
    FETCH_MODIFIED = "FETCH_MODIFIED"  # its sha256 is not the one that the source lists
    FETCH_FAILED = "FETCH_FAILED"  # it may be there, but could not be had in this run
    FETCH_UNLISTED = "FETCH_UNLISTED"  # beside the files that the source lists, but not among them
    ARCHIVE_UNSAFE = (
        "ARCHIVE_UNSAFE"  # a member that leads out of its archive, is a link, or unpacks too large
    )
    # raw_meshes: the file itself
    UNREADABLE_FILE = "UNREADABLE_FILE"  # cannot be opened (permission, vanished, not a regular file)
    EMPTY_FILE = "EMPTY_FILE"  # zero bytes
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"  # not one of glb, gltf, obj, ply, stl, off
    TOO_LARGE = "TOO_LARGE"  # above size_bytes_limit
    # mesh_table: reading
    NOT_A_MESH = "NOT_A_MESH"  # content is something else: HTML page, JSON error, LFS pointer, image, ...
    NEEDS_DECODER = (
        "NEEDS_DECODER"  # a required extension that cannot be decoded (meshopt, instancing, unknown)
    )
    MISSING_SIDE_FILE = "MISSING_SIDE_FILE"  # a buffer it names is absent, remote, or outside its folder
    LOAD = "LOAD"  # malformed: the reader raised, counts or indices do not fit
    NON_FINITE = "NON_FINITE"  # NaN or infinite coordinates
    NO_TRIANGLES = "NO_TRIANGLES"  # readable, but without a triangle
    TIME_LIMIT = "TIME_LIMIT"  # above seconds_per_item
    MEMORY_LIMIT = "MEMORY_LIMIT"  # above bytes_per_item
    WORKER_DIED = "WORKER_DIED"  # the worker process crashed on this mesh
    TOO_MANY_FACES_RAW = "TOO_MANY_FACES_RAW"  # more than the reader or the tokenizer accepts
    # tokens: the decimation that the settings ask for
    DECIMATION = "DECIMATION"  # cannot be simplified to the faces asked for without leaving its own surface
    # tokens: the tokenizer's own codes
    ZERO_EXTENT = "ZERO_EXTENT"  # all vertices in one point: cannot be normalised
    VALENCE_LIMIT = "VALENCE_LIMIT"
    NM_VERT_LIMIT = "NM_VERT_LIMIT"
    NON_ORIENTABLE = "NON_ORIENTABLE"
    TOO_MANY_FACES = "TOO_MANY_FACES"
    LAYER_NUMBER_LIMIT = "LAYER_NUMBER_LIMIT"
    LAYER_VERTEX_LIMIT = "LAYER_VERTEX_LIMIT"
    NO_VALID_COMPONENT = "NO_VALID_COMPONENT"
    INTERNAL = "INTERNAL"  # a check of our own failed: a defect of ours, report it; the detail says which
    # curated: the licence policy, then the rules of the preset
    LICENCE = "LICENCE"  # not one that `licences` of the settings asks for, or not stated
    RULE_FACES = "RULE_FACES"
    RULE_COMPONENTS = "RULE_COMPONENTS"
    RULE_TOKENS = "RULE_TOKENS"
    RULE_LAYER_VERTICES = "RULE_LAYER_VERTICES"
    RULE_COMPRESSION = "RULE_COMPRESSION"
    RULE_EXACT = "RULE_EXACT"
    RULE_LICENCE = "RULE_LICENCE"  # a licence that the preset does not take, or none stated
    RULE_SURFACE = (
        "RULE_SURFACE"  # too many defects of the surface: double faces, folds, inconsistent winding
    )
    RULE_SLIVERS = "RULE_SLIVERS"  # too many needle-like faces
    RULE_INTERSECTIONS = "RULE_INTERSECTIONS"  # too many faces that cross each other
    RULE_QUANTIZATION = "RULE_QUANTIZATION"  # the grid loses too much of it
    RULE_EXTENT = "RULE_EXTENT"  # the bounding box is too flat or too long
    RULE_NEVER = "RULE_NEVER"  # a preset whose rule no mesh can meet
    # curated: copies
    DUPLICATE = "DUPLICATE"  # a copy, or nearly, of the mesh that stands for its cluster
