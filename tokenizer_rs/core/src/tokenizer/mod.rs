//! Mesh tokenizers: one trait, one folder per family.

pub mod edgerunner;
pub mod face_sequence;
pub mod grammar;
pub mod loom;
pub mod merges;
pub mod silksong;

pub use grammar::{Grammar, TokenMask};

use crate::mesh::quantize::quantize;
use crate::mesh::GridMesh;
use crate::repair::Repairs;
use crate::{Result, TriangleMesh};

/// Writes a mesh as token ids and reads it back.
pub trait Tokenizer: Send + Sync {
    /// Tokens of a mesh whose coordinates lie in `[-1, 1]`.
    fn encode(&self, mesh: &TriangleMesh) -> Result<Encoding> {
        self.encode_sharing(&Repairs::new(mesh))
    }

    /// [`Tokenizer::encode`], with the repairs that other tokenizers of the same mesh have made; those that
    /// this one needs and that are not there yet are added.
    fn encode_sharing(&self, repairs: &Repairs) -> Result<Encoding>;

    /// The mesh written as `tokens`; never fails on what merely ends early.
    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh>;

    /// Bins per axis.
    fn resolution(&self) -> u32;

    /// Number of ids the tokenizer itself writes.
    fn vocab_size(&self) -> u32;

    /// Id that ends a sequence; added by the model, not by [`Tokenizer::encode`].
    fn eos_id(&self) -> u32 {
        self.vocab_size()
    }

    /// Id that fills a row after the end.
    fn pad_id(&self) -> u32 {
        self.vocab_size() + 1
    }

    /// The state before the first token.
    fn grammar(&self) -> Box<dyn Grammar>;

    /// What a token stands for, in a few words.
    fn describe(&self, token: i32) -> String;
}

/// Tokens of a mesh and the mesh they describe; the same for every family.
#[derive(Debug, Clone, Default)]
pub struct Encoding {
    /// Token ids without end or padding.
    pub tokens: Vec<i32>,
    /// The quantised, cleaned and oriented mesh that the tokens were made from.
    pub mesh: GridMesh,
    /// Faces of `mesh` in the order in which the tokens name them.
    pub face_order: Vec<u32>,
    /// Whether decoding the tokens gives the oriented triangles of `mesh`, checked by decoding them.
    pub exact: bool,
    /// What was counted on the way, under names of the family's own.
    pub statistics: Vec<(&'static str, i64)>,
}

/// Whether `tokens` decode to the oriented triangles of `mesh`.
pub fn decodes_to(tokenizer: &dyn Tokenizer, tokens: &[i32], mesh: &GridMesh) -> bool {
    let Ok(decoded) = tokenizer.decode(tokens) else {
        return false;
    };
    if decoded.faces.len() != mesh.faces.len() {
        return false;
    }
    let resolution = tokenizer.resolution();
    let on_grid = GridMesh {
        vertices: decoded
            .vertices
            .iter()
            .map(|p| quantize(p, resolution))
            .collect(),
        faces: decoded.faces,
    };
    on_grid.oriented_triangles() == mesh.oriented_triangles()
}
