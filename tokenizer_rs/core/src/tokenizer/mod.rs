//! Mesh tokenizers: one trait, one folder per family.

pub mod silksong;

use crate::{Result, TriangleMesh};

/// Writes a mesh as token ids and reads it back.
pub trait Tokenizer: Sync {
    /// What encoding returns besides the tokens.
    type Encoding: Send;

    /// Tokens of a mesh whose coordinates lie in `[-1, 1]`.
    fn encode(&self, mesh: &TriangleMesh) -> Result<Self::Encoding>;

    /// The mesh written as `tokens`; never fails on what merely ends early.
    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh>;

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
}
