//! The one error type of the crate: what was found, where, and what to do about it.
//!
//! [`MeshError::code`] gives the stable name used in tables and reports.

use crate::repair::Violation;
use thiserror::Error;

/// Why a mesh, or a token sequence, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MeshError {
    /// The arrays do not describe a triangle mesh in `[-1, 1]`, or an option has a value it cannot have.
    #[error("{0}")]
    InvalidInput(String),
    /// The token sequence cannot belong to any mesh.
    #[error("token {position}: {reason}; give tokens as a tokenizer of the same family and options writes them")]
    InvalidTokens {
        /// Position in the sequence.
        position: usize,
        /// What was found there.
        reason: &'static str,
    },
    /// A set of merged tokens cannot be what it says, or a file of merges cannot be read or written.
    #[error("merges: {0}; give merges as this library learns and saves them")]
    InvalidMerges(String),
    /// The file cannot be opened or is not a regular file.
    #[error("{0}")]
    UnreadableFile(String),
    /// The file has no bytes.
    #[error("zero bytes; download it again")]
    EmptyFile,
    /// No reader knows the format.
    #[error("no reader for {0}; convert it to one of glb, gltf, obj, off, ply, stl")]
    UnsupportedFormat(String),
    /// The file, with its side files, has more bytes than are accepted.
    #[error("{found} bytes, more than max_bytes = {limit}; simplify the mesh or raise the limit")]
    TooLarge {
        /// Bytes found so far.
        found: u64,
        /// Largest accepted number.
        limit: u64,
    },
    /// The bytes are something else: a page, an image, an archive, a mesh of another format.
    #[error("{0}")]
    NotAMesh(String),
    /// The triangles are stored in a form that cannot be decoded.
    #[error("{0}; export it without, or decode it first")]
    NeedsDecoder(String),
    /// A file that the mesh is spread over is absent, remote or outside its folder.
    #[error("{0}; put it beside the file")]
    MissingSideFile(String),
    /// A malformed file: counts, indices or syntax do not fit.
    #[error("{0}")]
    Load(String),
    /// Coordinates that no viewer can show.
    #[error("{found} of {total} vertices are NaN, infinite or beyond single precision, the first is vertex {first}; export it again")]
    NonFinite {
        /// Vertices with such a coordinate.
        found: usize,
        /// Vertices in use.
        total: usize,
        /// The first of them, among those in use.
        first: usize,
    },
    /// Readable, but nothing to show.
    #[error("{n_vertices} vertices, no triangle; give a surface mesh")]
    NoTriangles {
        /// Vertices in the file.
        n_vertices: usize,
    },
    /// A file that unfolds to more triangles than are accepted.
    #[error("unfolds to more than max_triangles = {limit}; decimate the mesh or raise the limit")]
    TooManyTriangles {
        /// Largest accepted number.
        limit: usize,
    },
    /// All vertices lie in one point.
    #[error("the bounding box of {n_vertices} vertices is a point; give a mesh with an extent")]
    ZeroExtent {
        /// Vertices of the mesh.
        n_vertices: usize,
    },
    /// The work on one item took too long and was given up.
    #[error("not finished after {seconds} s; simplify the mesh or raise seconds_per_item")]
    TimeLimit {
        /// The limit, as text since it need not be whole.
        seconds: String,
    },
    /// The library itself failed.
    #[error("the tokenizer met a defect of its own; please report this mesh")]
    Defect,
    /// The mesh has more faces than are accepted before any cleaning.
    #[error("{found} input faces, more than max_face_num_raw = {limit}; decimate the mesh or raise the limit")]
    TooManyFacesRaw {
        /// Number of input faces.
        found: usize,
        /// Largest accepted number.
        limit: usize,
    },
    /// A vertex has more incident faces than the repair may look at.
    #[error("vertex {vertex} has {found} link edges, more than NM_max_edge_graph = {limit}; remesh around it or raise the limit")]
    ValenceLimit {
        /// The vertex.
        vertex: u32,
        /// Its link edges, counted twice where the vertex was split before.
        found: usize,
        /// Largest accepted number.
        limit: usize,
    },
    /// Too many vertices are non-manifold.
    #[error("{found} non-manifold vertices, more than NM_max_nonmani_verts = {limit}; repair the mesh or raise the limit")]
    NonManifoldVertexLimit {
        /// Number of non-manifold vertices.
        found: usize,
        /// Largest accepted number.
        limit: usize,
    },
    /// The faces around a non-manifold vertex cannot be divided into fans.
    #[error("the faces around vertex {vertex} cannot be divided into fans: {reason}; repair the mesh there")]
    NonManifoldPartition {
        /// The vertex.
        vertex: u32,
        /// What stood in the way.
        reason: &'static str,
    },
    /// A face got no surface label, or its corners disagree about it.
    #[error("face {face} has no single surface label after the repair; repair the mesh there")]
    NonManifoldLabel {
        /// The face, as an index into the cleaned faces.
        face: u32,
    },
    /// An edge still has more than two faces after the repair.
    #[error("edge {start}-{end} still has more than two faces after the repair (face {face}); repair the mesh there")]
    EdgeStillNonManifold {
        /// Lower vertex of the edge.
        start: u32,
        /// Higher vertex of the edge.
        end: u32,
        /// The third face on it.
        face: u32,
    },
    /// Going round some loop of faces turns the surface over.
    #[error("{count} faces cannot be oriented like their neighbours, first face {face}; cut the one-sided loop open")]
    NonOrientable {
        /// How many faces contradict their neighbours.
        count: usize,
        /// The first of them.
        face: u32,
    },
    /// A vertex belongs to two connected components.
    #[error("vertex {vertex} belongs to components {first} and {second}; duplicate the vertex")]
    VertexInTwoComponents {
        /// The vertex.
        vertex: u32,
        /// The component seen first.
        first: u32,
        /// The component seen second.
        second: u32,
    },
    /// More faces are left to be tokenised than accepted.
    #[error("{found} faces to tokenise, more than max_face_num_p = {limit}; decimate the mesh or raise the limit")]
    TooManyFaces {
        /// Number of faces.
        found: usize,
        /// Largest accepted number.
        limit: usize,
    },
    /// The neighbours of a vertex do not form one ring.
    #[error(
        "the neighbours of vertex {vertex} do not form one ring: {reason}; repair the mesh there"
    )]
    Ring {
        /// The vertex.
        vertex: u32,
        /// What stood in the way.
        reason: &'static str,
    },
    /// A component has more layers than accepted.
    #[error("component {component} has more layers than layer_number_limit = {limit} allows; split the mesh or raise the limit")]
    LayerNumberLimit {
        /// The component.
        component: u32,
        /// The limit.
        limit: usize,
    },
    /// A layer has more vertices than the vocabulary can name.
    #[error("a layer of {found} vertices, more than layer_vertex_limit = {limit}; decimate the mesh or use a larger vocabulary")]
    LayerVertexLimit {
        /// Longest layer.
        found: usize,
        /// Largest accepted length.
        limit: usize,
    },
    /// The result of a repair is not what it must be.
    #[error("the repaired mesh is not manifold: {0}; this is a defect, report it with the mesh")]
    RepairDefect(Violation),
    /// Nothing is left to tokenise.
    #[error("no component with at least min_CC_face = {min_faces} faces is left after cleaning; give a larger or less degenerate mesh")]
    NoValidComponent {
        /// Faces a component needs.
        min_faces: usize,
    },
    /// The sequence is longer than accepted.
    #[error(
        "{found} tokens, more than token_limit = {limit}; decimate the mesh or raise the limit"
    )]
    TokenLimit {
        /// Number of tokens.
        found: usize,
        /// Largest accepted number.
        limit: usize,
    },
}

impl MeshError {
    /// The stable name of the error class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "INVALID_INPUT",
            Self::InvalidTokens { .. } => "INVALID_TOKENS",
            Self::InvalidMerges(_) => "INVALID_MERGES",
            Self::UnreadableFile(_) => "UNREADABLE_FILE",
            Self::EmptyFile => "EMPTY_FILE",
            Self::UnsupportedFormat(_) => "UNSUPPORTED_FORMAT",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::NotAMesh(_) => "NOT_A_MESH",
            Self::NeedsDecoder(_) => "NEEDS_DECODER",
            Self::MissingSideFile(_) => "MISSING_SIDE_FILE",
            Self::Load(_) => "LOAD",
            Self::NonFinite { .. } => "NON_FINITE",
            Self::NoTriangles { .. } => "NO_TRIANGLES",
            Self::ZeroExtent { .. } => "ZERO_EXTENT",
            Self::TimeLimit { .. } => "TIME_LIMIT",
            Self::Defect => "INTERNAL",
            Self::TooManyFacesRaw { .. } | Self::TooManyTriangles { .. } => "TOO_MANY_FACES_RAW",
            Self::ValenceLimit { .. } => "VALENCE_LIMIT",
            Self::NonManifoldVertexLimit { .. } => "NM_VERT_LIMIT",
            Self::NonManifoldPartition { .. } => "NM_PARTITION",
            Self::NonManifoldLabel { .. } => "NM_LABEL",
            Self::EdgeStillNonManifold { .. } => "EDGE_STILL_NONMANIFOLD",
            Self::NonOrientable { .. } => "NON_ORIENTABLE",
            Self::VertexInTwoComponents { .. } => "VERTEX_IN_TWO_COMPONENTS",
            Self::TooManyFaces { .. } => "TOO_MANY_FACES",
            Self::Ring { .. } => "RING",
            Self::LayerNumberLimit { .. } => "LAYER_NUMBER_LIMIT",
            Self::LayerVertexLimit { .. } => "LAYER_VERTEX_LIMIT",
            Self::RepairDefect(_) => "REPAIR_DEFECT",
            Self::NoValidComponent { .. } => "NO_VALID_COMPONENT",
            Self::TokenLimit { .. } => "TOKEN_LIMIT",
        }
    }
}
