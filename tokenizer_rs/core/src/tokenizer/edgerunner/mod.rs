//! The EdgeRunner family (arXiv 2409.18114).
//!
//! A component is walked from face to face like in EdgeBreaker (Rossignac, 1999). A step is one operation, which
//! says across which edge of the last face it goes, and one vertex; where the walk stops, a new sub-mesh begins
//! with the three vertices of a face. A mesh of F faces in K sub-meshes takes `4 F + 6 K` tokens.
//!
//! Vertices are joined by index, never by position: weld a mesh before it is encoded, or let the repair do it.
//! Decoding gives every face vertices of its own.
//!
//! Tokens depend on the order of the input where faces have equal centres or more than two faces share an edge.
//! With repair the input is brought into one order first and the output does not depend on it.

pub mod boundary_loops;
pub mod decode;
pub mod encode;
pub mod grammar;
pub mod grid;
pub mod half_edges;
pub mod introsort;
pub mod order;
pub mod vocabulary;

pub use order::Sort;
pub use vocabulary::{Engine, Vocabulary};

use crate::mesh::grid_mesh::{is_same_triangle, rotated_to_least};
use crate::mesh::GridMesh;
use crate::repair::{RepairOptions, Repairs};
use crate::tokenizer::{self, Grammar};
use crate::{Result, Tokenizer, TriangleMesh};
use decode::Decoded;
use encode::{Counts, Walked};
use grammar::EdgeRunnerGrammar;

/// The EdgeRunner tokenizer.
#[derive(Debug, Clone)]
pub struct EdgeRunner {
    vocabulary: Vocabulary,
    sort: Sort,
    repair: bool,
}

impl Default for EdgeRunner {
    fn default() -> Self {
        Self {
            vocabulary: Vocabulary::standard(),
            sort: Sort::default(),
            repair: false,
        }
    }
}

/// Tokens of a mesh, unchecked, with everything that was found on the way.
#[derive(Debug, Clone, Default)]
pub struct Encoding {
    /// Token ids; the `lr` engine writes -1 for residuals it has no id for.
    pub tokens: Vec<i32>,
    /// The mesh on the grid.
    pub mesh: GridMesh,
    /// Faces in the order of their visits.
    pub face_order: Vec<u32>,
    /// Operation after each visit.
    pub face_types: Vec<i8>,
    /// What was counted.
    pub counts: Counts,
}

impl EdgeRunner {
    /// A tokenizer for `resolution` bins per axis; `repair` makes the mesh manifold before it is encoded.
    pub fn new(resolution: u32, engine: Engine, sort: Sort, repair: bool) -> Result<Self> {
        Ok(Self {
            vocabulary: Vocabulary::new(engine, resolution)?,
            sort,
            repair,
        })
    }

    /// The id ranges.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// In which order faces with equal centres come.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// Whether the mesh is repaired first.
    pub fn does_repair(&self) -> bool {
        self.repair
    }

    /// The mesh on the grid that the tokens will describe.
    fn on_grid(&self, repairs: &Repairs) -> Result<GridMesh> {
        if self.repair {
            let repaired = repairs.on_grid(self.resolution(), &RepairOptions::default())?;
            return Ok(repaired.mesh.clone());
        }
        let mesh = repairs.mesh();
        mesh.check()?;
        Ok(GridMesh {
            vertices: grid::quantize(mesh, self.vocabulary.bins())?,
            faces: mesh.faces.clone(),
        })
    }

    /// Tokens of a mesh with everything that was found on the way, not yet decoded to check them.
    pub fn encode_in_detail(&self, repairs: &Repairs) -> Result<Encoding> {
        let mesh = self.on_grid(repairs)?;
        let Walked {
            tokens,
            face_order,
            face_types,
            counts,
        } = encode::walk(&mesh, &self.vocabulary, self.sort);
        Ok(Encoding {
            tokens,
            mesh,
            face_order,
            face_types,
            counts,
        })
    }

    /// The part of an encoding that all families share, checked.
    pub fn to_common(&self, encoding: Encoding) -> tokenizer::Encoding {
        let counts = &encoding.counts;
        let n = |count: usize| count as i64;
        tokenizer::Encoding {
            exact: self.is_exact(&encoding),
            statistics: vec![
                ("n_components", n(counts.n_components)),
                ("n_submeshes", n(counts.n_submeshes)),
                ("n_visits", n(encoding.face_order.len())),
                ("n_repeated_visits", n(counts.n_repeated_visits)),
                ("n_branches", n(counts.n_branches)),
                ("n_boundary_edges", n(counts.n_boundary_edges)),
                ("n_turned_faces", n(counts.n_turned)),
                ("n_lost_residuals", n(counts.n_lost_residuals)),
            ],
            tokens: encoding.tokens,
            mesh: encoding.mesh,
            face_order: encoding.face_order,
        }
    }

    /// Whether the tokens decode to the oriented triangles of the mesh.
    ///
    /// Faces are decoded in the order of their visits, so that each is compared with the one it was made
    /// from; only where one of these differs can the sorted lists of all triangles tell.
    fn is_exact(&self, encoding: &Encoding) -> bool {
        let mesh = &encoding.mesh;
        let Ok(decoded) = decode::decode(&self.vocabulary, &encoding.tokens) else {
            return false;
        };
        if decoded.faces.len() != mesh.faces.len() || encoding.counts.n_repeated_visits > 0 {
            return false;
        }
        let given =
            |f: u32| mesh.faces[f as usize].map(|v| mesh.vertices[v as usize].map(i64::from));
        let order = &encoding.face_order;
        let read = |i: usize| decoded.faces[i].map(|v| decoded.points[v as usize]);
        let all_same = (0..order.len()).all(|i| is_same_triangle(read(i), given(order[i])));
        all_same || {
            let mut read: Vec<_> = (0..order.len())
                .map(|i| rotated_to_least(read(i)))
                .collect();
            let mut given: Vec<_> = order.iter().map(|&f| rotated_to_least(given(f))).collect();
            read.sort_unstable();
            given.sort_unstable();
            read == given
        }
    }

    /// The mesh written as `tokens`, and the operation after each face.
    pub fn decode_with_face_types(&self, tokens: &[i32]) -> Result<(TriangleMesh, Vec<i32>)> {
        let Decoded {
            points,
            faces,
            face_types,
        } = decode::decode(&self.vocabulary, tokens)?;
        let bins = self.vocabulary.bins();
        let vertices = points
            .iter()
            .map(|p| p.map(|bin| grid::dequantize_coordinate(bin, bins)))
            .collect();
        Ok((TriangleMesh { vertices, faces }, face_types))
    }
}

impl Tokenizer for EdgeRunner {
    fn encode_sharing(&self, repairs: &Repairs) -> Result<tokenizer::Encoding> {
        Ok(self.to_common(self.encode_in_detail(repairs)?))
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        Ok(self.decode_with_face_types(tokens)?.0)
    }

    fn resolution(&self) -> u32 {
        self.vocabulary.bins() as u32
    }

    fn vocab_size(&self) -> u32 {
        self.vocabulary.size() as u32
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(EdgeRunnerGrammar::new(self.vocabulary))
    }

    fn describe(&self, token: i32) -> String {
        self.vocabulary.describe(token)
    }
}
