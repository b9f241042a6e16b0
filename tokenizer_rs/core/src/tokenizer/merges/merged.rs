//! Any tokenizer, with merged tokens on top.

use std::sync::Arc;

use super::grammar::{MergeTree, MergedGrammar};
use super::{invalid, Merges};
use crate::repair::Repairs;
use crate::tokenizer::{Encoding, Grammar};
use crate::{Result, Tokenizer, TriangleMesh};

/// Longer merged tokens are described by their first symbols.
const N_DESCRIBED: usize = 8;

/// A tokenizer whose sequences are written with merged tokens.
pub struct Merged {
    base: Arc<dyn Tokenizer>,
    tree: Arc<MergeTree>,
}

impl Merged {
    /// `base` with `merges` on top of its vocabulary.
    ///
    /// # Errors
    /// `INVALID_MERGES` where the merges are made for another vocabulary size.
    pub fn new(base: Arc<dyn Tokenizer>, merges: Arc<Merges>) -> Result<Self> {
        if merges.base_vocab_size() != base.vocab_size() {
            return Err(invalid(format!(
                "they are made for {} ids and the tokenizer has {}",
                merges.base_vocab_size(),
                base.vocab_size()
            )));
        }
        let tree = Arc::new(MergeTree::new(merges));
        Ok(Self { base, tree })
    }

    /// The merges.
    pub fn merges(&self) -> &Merges {
        self.tree.merges()
    }
}

impl Tokenizer for Merged {
    fn encode_sharing(&self, repairs: &Repairs) -> Result<Encoding> {
        let mut encoding = self.base.encode_sharing(repairs)?;
        let tokens = self.merges().apply(&encoding.tokens)?;
        encoding.exact &= self.merges().expand_all(&tokens) == encoding.tokens;
        encoding.tokens = tokens;
        Ok(encoding)
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        self.base.decode(&self.merges().expand_all(tokens))
    }

    fn resolution(&self) -> u32 {
        self.base.resolution()
    }

    fn vocab_size(&self) -> u32 {
        self.merges().vocab_size()
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(MergedGrammar::new(
            self.base.grammar(),
            Arc::clone(&self.tree),
        ))
    }

    fn describe(&self, token: i32) -> String {
        let symbols = self.merges().expand(token);
        if symbols.is_empty() {
            // The end and the padding lie as far above the vocabulary as those of the base.
            let above = i64::from(token) - i64::from(self.vocab_size());
            let below = i64::from(self.base.vocab_size()) + above;
            let id = if above < 0 {
                -1
            } else {
                i32::try_from(below).unwrap_or(-1)
            };
            return self.base.describe(id);
        }
        let mut words: Vec<String> = symbols
            .iter()
            .take(N_DESCRIBED)
            .map(|&symbol| self.base.describe(symbol))
            .collect();
        if symbols.len() > N_DESCRIBED {
            words.push(format!("{} more", symbols.len() - N_DESCRIBED));
        }
        words.join(" + ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::merges::learn;
    use crate::tokenizer::silksong::Silksong;
    use crate::tokenizer::TokenMask;

    fn octahedron() -> TriangleMesh {
        let axes = [[0, 1], [1, 1], [2, 1], [0, -1], [1, -1], [2, -1]];
        let point = |[axis, side]: [i32; 2]| {
            let mut p = [0.0; 3];
            p[axis as usize] = 0.9 * f64::from(side);
            p
        };
        TriangleMesh {
            vertices: axes.map(point).to_vec(),
            faces: vec![
                [0, 1, 2],
                [1, 3, 2],
                [3, 4, 2],
                [4, 0, 2],
                [1, 0, 5],
                [3, 1, 5],
                [4, 3, 5],
                [0, 4, 5],
            ],
        }
    }

    fn merged() -> (Arc<Silksong>, Merged) {
        let base = Arc::new(Silksong::default());
        let tokens = base.encode(&octahedron()).unwrap().tokens;
        let merges = learn(&[tokens.clone(), tokens], base.vocab_size(), 5).unwrap();
        assert_eq!(merges.len(), 5);
        (base.clone(), Merged::new(base, Arc::new(merges)).unwrap())
    }

    #[test]
    fn a_mesh_returns_from_fewer_tokens() {
        let (base, merged) = merged();
        let (plain, short) = (
            base.encode(&octahedron()).unwrap(),
            merged.encode(&octahedron()).unwrap(),
        );
        assert!(short.exact && short.tokens.len() < plain.tokens.len());
        assert_eq!(
            merged.decode(&short.tokens).unwrap(),
            base.decode(&plain.tokens).unwrap()
        );
        let mut with_end = short.tokens.clone();
        with_end.extend([merged.eos_id() as i32, merged.pad_id() as i32]);
        assert_eq!(
            merged.decode(&with_end).unwrap(),
            merged.decode(&short.tokens).unwrap()
        );
    }

    #[test]
    fn the_grammar_allows_what_the_encoder_writes() {
        let (_, merged) = merged();
        let mut grammar = merged.grammar();
        for token in merged.encode(&octahedron()).unwrap().tokens {
            let mut mask = TokenMask::new(merged.vocab_size() as usize);
            grammar.allowed(&mut mask);
            assert!(mask.contains(token));
            grammar.advance(token).unwrap();
        }
        assert!(grammar.can_end());
    }

    #[test]
    fn tokens_are_described_by_their_parts() {
        let (base, merged) = merged();
        let first = base.vocab_size() as i32;
        let [a, b] = merged.merges().pairs()[0].map(|id| base.describe(id));
        assert_eq!(merged.describe(first), format!("{a} + {b}"));
        assert_eq!(
            merged.describe(merged.eos_id() as i32),
            base.describe(base.eos_id() as i32)
        );
        assert_eq!(merged.describe(-1), base.describe(-1));
    }

    #[test]
    fn merges_of_another_vocabulary_are_refused() {
        let merges = Arc::new(Merges::new(7, vec![]).unwrap());
        let error = Merged::new(Arc::new(Silksong::default()), merges).err();
        assert_eq!(error.map(|e| e.code()), Some("INVALID_MERGES"));
    }
}
