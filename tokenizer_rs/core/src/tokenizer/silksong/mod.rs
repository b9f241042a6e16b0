//! The Silksong family (Mesh Silksong, arXiv 2507.02477).
//!
//! A component is walked in layers of vertices around a start vertex. Every vertex is written once: its
//! position, its edges inside its layer, and its edges to the layer before.

pub mod between_layer;
pub mod cycle_basis;
pub mod decode;
pub mod encode;
pub mod grammar;
pub mod in_layer;
pub mod layers;
pub mod rings;
pub mod statistics;
pub mod vocabulary;
pub mod window;

pub use encode::Encoding;
pub use statistics::Statistics;
pub use vocabulary::{VertexMode, Vocabulary};

use crate::mesh::GridMesh;
use crate::tokenizer::{self, decodes_to, Grammar};
use crate::{Limits, MeshError, Result, Tokenizer, TriangleMesh};
use grammar::SilksongGrammar;

/// How closely the tokenizer follows the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conformance {
    /// Same tokens and same decoded faces as the published tokenizer, its losses included.
    #[default]
    Reference,
}

impl Conformance {
    /// The level with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "reference" => Ok(Self::Reference),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown conformance level {name:?}; the levels are: reference"
            ))),
        }
    }

    /// The name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
        }
    }
}

/// The Silksong tokenizer.
#[derive(Debug, Clone)]
pub struct Silksong {
    vocabulary: Vocabulary,
    conformance: Conformance,
    limits: Limits,
}

impl Default for Silksong {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            vocabulary: Vocabulary::standard(&limits),
            conformance: Conformance::default(),
            limits,
        }
    }
}

impl Silksong {
    /// A tokenizer for `resolution` bins per axis.
    pub fn new(
        resolution: u32,
        mode: VertexMode,
        conformance: Conformance,
        limits: Limits,
    ) -> Result<Self> {
        let vocabulary = Vocabulary::new(resolution, mode, limits.layer_vertices)?;
        Ok(Self {
            vocabulary,
            conformance,
            limits,
        })
    }

    /// The id ranges.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The conformance level.
    pub fn conformance(&self) -> Conformance {
        self.conformance
    }
}

impl Silksong {
    /// Tokens of a mesh with everything that was found on the way.
    pub fn encode_in_detail(&self, mesh: &TriangleMesh) -> Result<Encoding> {
        encode::encode(self, mesh)
    }

    /// The part of an encoding that all families share.
    pub fn to_common(&self, encoding: &Encoding) -> tokenizer::Encoding {
        let mesh = GridMesh {
            vertices: encoding.vertices.clone(),
            faces: encoding.faces.clone(),
        };
        tokenizer::Encoding {
            exact: decodes_to(self, &encoding.tokens, &mesh),
            tokens: encoding.tokens.clone(),
            mesh,
            face_order: encoding.face_order.clone(),
            statistics: encoding.statistics.counts().to_vec(),
        }
    }
}

impl Tokenizer for Silksong {
    fn encode(&self, mesh: &TriangleMesh) -> Result<tokenizer::Encoding> {
        Ok(self.to_common(&self.encode_in_detail(mesh)?))
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        decode::decode(self, tokens)
    }

    fn resolution(&self) -> u32 {
        self.vocabulary.resolution()
    }

    fn vocab_size(&self) -> u32 {
        self.vocabulary.size()
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        let state = SilksongGrammar::new(self.vocabulary.clone(), self.limits.layer_number);
        Box::new(state)
    }

    fn describe(&self, token: i32) -> String {
        self.vocabulary.describe(token)
    }
}
