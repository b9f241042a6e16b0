//! The Silksong family (Mesh Silksong, arXiv 2507.02477).
//!
//! A component is walked in layers of vertices around a start vertex. Every vertex is written once: its
//! position, its edges inside its layer, and its edges to the layer before.

pub mod between_layer;
pub mod cycle_basis;
pub mod decode;
pub mod encode;
pub mod in_layer;
pub mod layers;
pub mod rings;
pub mod statistics;
pub mod vocabulary;
pub mod window;

pub use encode::Encoding;
pub use statistics::Statistics;
pub use vocabulary::{VertexMode, Vocabulary};

use crate::{Limits, MeshError, Result, Tokenizer, TriangleMesh};

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

impl Tokenizer for Silksong {
    type Encoding = Encoding;

    fn encode(&self, mesh: &TriangleMesh) -> Result<Encoding> {
        encode::encode(self, mesh)
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        decode::decode(self, tokens)
    }

    fn vocab_size(&self) -> u32 {
        self.vocabulary.size()
    }
}
