//! The Silksong family (Mesh Silksong, arXiv 2507.02477).
//!
//! A component is walked in layers of vertices around a start vertex. Every vertex is written once: its
//! position, its edges inside its layer, and its edges to the layer before.

pub mod between_layer;
pub mod cycle_basis;
pub mod decode;
pub mod encode;
pub mod extended;
pub mod first_face;
pub mod grammar;
pub mod in_layer;
pub mod layers;
pub mod rings;
pub mod sequence;
pub mod statistics;
pub mod vocabulary;
pub mod window;

pub use encode::Encoding;
pub use statistics::Statistics;
pub use vocabulary::{VertexMode, Vocabulary};

use crate::mesh::GridMesh;
use crate::repair::Repairs;
use crate::tokenizer::{self, decodes_to, Grammar};
use crate::{Limits, MeshError, Result, Tokenizer, TriangleMesh};
use grammar::SilksongGrammar;

/// How closely the tokenizer follows the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conformance {
    /// Same tokens and same decoded faces as the published tokenizer, its losses included.
    Reference,
    /// Same vocabulary and grammar, every mesh taken, and decoded to its own faces; see [`extended`].
    #[default]
    Extended,
}

impl Conformance {
    /// The level with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "reference" => Ok(Self::Reference),
            "extended" => Ok(Self::Extended),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown conformance level {name:?}; the levels are: reference, extended"
            ))),
        }
    }

    /// The name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Extended => "extended",
        }
    }

    /// The limits of the level: the published ones, and at the extended level no least size of a component.
    pub fn limits(self) -> Limits {
        let published = Limits::default();
        match self {
            Self::Reference => published,
            Self::Extended => Limits {
                min_component_faces: 1,
                ..published
            },
        }
    }
}

/// The Silksong tokenizer.
#[derive(Debug, Clone)]
pub struct Silksong {
    vocabulary: Vocabulary,
    conformance: Conformance,
    limits: Limits,
    drops_collinear: bool,
}

impl Default for Silksong {
    fn default() -> Self {
        Self::standard(Conformance::default())
    }
}

impl Silksong {
    /// The published tokenizer: 128 bins, blocks and offsets.
    pub fn reference() -> Self {
        Self::standard(Conformance::Reference)
    }

    fn standard(conformance: Conformance) -> Self {
        let limits = conformance.limits();
        Self {
            vocabulary: Vocabulary::standard(&limits),
            conformance,
            limits,
            drops_collinear: false,
        }
    }

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
            drops_collinear: false,
        })
    }

    /// Whether faces whose corners lie on a line are dropped at the extended level; by default they are kept.
    /// The reference level always drops them.
    #[must_use]
    pub fn with_drop_collinear(mut self, drops_collinear: bool) -> Self {
        self.drops_collinear = drops_collinear;
        self
    }

    /// See [`Silksong::with_drop_collinear`].
    pub fn drops_collinear(&self) -> bool {
        self.drops_collinear
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
    pub fn encode_in_detail(&self, repairs: &Repairs) -> Result<Encoding> {
        match self.conformance {
            Conformance::Reference => encode::encode(self, repairs.mesh()),
            Conformance::Extended => extended::encode::encode(self, repairs),
        }
    }

    /// The part of an encoding that all families share.
    pub fn to_common(&self, encoding: &Encoding) -> tokenizer::Encoding {
        let mesh = GridMesh {
            vertices: encoding.vertices.clone(),
            faces: encoding.faces.clone(),
        };
        tokenizer::Encoding {
            exact: encoding.is_exact() || decodes_to(self, &encoding.tokens, &mesh),
            tokens: encoding.tokens.clone(),
            mesh,
            face_order: encoding.face_order.clone(),
            statistics: encoding.statistics.counts(),
        }
    }
}

impl Tokenizer for Silksong {
    fn encode_sharing(&self, repairs: &Repairs) -> Result<tokenizer::Encoding> {
        Ok(self.to_common(&self.encode_in_detail(repairs)?))
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        match self.conformance {
            Conformance::Reference => decode::decode(self, tokens),
            Conformance::Extended => extended::decode::decode(self, tokens),
        }
    }

    fn resolution(&self) -> u32 {
        self.vocabulary.resolution()
    }

    fn vocab_size(&self) -> u32 {
        self.vocabulary.size()
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        let state = SilksongGrammar::new(
            self.vocabulary.clone(),
            self.conformance,
            self.limits.layer_number,
        );
        Box::new(state)
    }

    fn describe(&self, token: i32) -> String {
        self.vocabulary.describe(token)
    }
}
