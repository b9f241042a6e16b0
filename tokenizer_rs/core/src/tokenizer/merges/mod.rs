//! Merged tokens: pairs of neighbours that are common get an id of their own (byte pair encoding;
//! Gage 1994, Sennrich et al., arXiv 1508.07909).
//!
//! Merge `i` of a tokenizer with `n` ids makes the id `n + i` out of two ids below it. Sequences are merged one
//! by one, so that no merged token spans two meshes.
//!
//! ```
//! use meshloom_tokenizer_core::tokenizer::merges::{learn, Merges};
//!
//! let merges = learn(&[[0, 1, 0, 1, 2]], 3, 10)?;
//! assert_eq!(merges.apply(&[0, 1, 2])?, [3, 2]);
//! assert_eq!(merges.expand(3), [0, 1]);
//! assert_eq!(Merges::from_json(&merges.to_json()?)?, merges);
//! # Ok::<(), meshloom_tokenizer_core::MeshError>(())
//! ```

mod apply;
mod file;
mod grammar;
mod learn;
mod merged;

pub use grammar::{MergeTree, MergedGrammar};
pub use learn::learn;
pub use merged::Merged;

use std::collections::HashMap;

use crate::{MeshError, Result};

/// The largest vocabulary that merges can be put on.
pub const MAX_BASE_VOCAB_SIZE: u32 = 1 << 22;
/// The most merges of one set.
pub const MAX_MERGES: usize = 1 << 16;
/// The most base tokens that one merged token stands for.
pub const MAX_EXPANSION: usize = 4096;
/// The most base tokens that all merged tokens together stand for.
pub const MAX_TOTAL_EXPANSION: usize = 1 << 22;

/// Merged tokens on top of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merges {
    base_vocab_size: u32,
    pairs: Vec<[i32; 2]>,
    ids: HashMap<[i32; 2], i32>,
    /// What every id stands for, one after the other.
    expansions: Vec<i32>,
    /// Where each id's expansion starts, and the end of the last.
    starts: Vec<usize>,
}

impl Merges {
    /// The merges `pairs`, in order, on top of the ids `0..base_vocab_size`.
    ///
    /// # Errors
    /// `INVALID_MERGES` where a pair names an id that does not exist yet or comes twice, or where a merged token
    /// would stand for more than [`MAX_EXPANSION`] base tokens, or another limit of this module is passed.
    pub fn new(base_vocab_size: u32, pairs: Vec<[i32; 2]>) -> Result<Self> {
        if base_vocab_size > MAX_BASE_VOCAB_SIZE || pairs.len() > MAX_MERGES {
            return Err(invalid(format!(
                "{} merges on {base_vocab_size} ids; at most {MAX_MERGES} on {MAX_BASE_VOCAB_SIZE} are possible",
                pairs.len()
            )));
        }
        let n_base = base_vocab_size as usize;
        let mut merges = Self {
            base_vocab_size,
            ids: HashMap::with_capacity(pairs.len()),
            expansions: (0..base_vocab_size as i32).collect(),
            starts: (0..=n_base).collect(),
            pairs: Vec::with_capacity(pairs.len()),
        };
        for (i, pair) in pairs.into_iter().enumerate() {
            merges
                .push(pair)
                .map_err(|reason| invalid(format!("merge {i} = {pair:?} {reason}")))?;
        }
        Ok(merges)
    }

    fn push(&mut self, pair: [i32; 2]) -> std::result::Result<(), &'static str> {
        let id = self.vocab_size() as i32;
        if pair.iter().any(|part| !(0..id).contains(part)) {
            return Err("names an id that is not made before it");
        }
        if self.ids.insert(pair, id).is_some() {
            return Err("comes a second time");
        }
        let length: usize = pair.iter().map(|&part| self.expand(part).len()).sum();
        if length > MAX_EXPANSION {
            return Err("stands for too many tokens");
        }
        if self.expansions.len() - self.base_vocab_size as usize + length > MAX_TOTAL_EXPANSION {
            return Err("makes the merges too long altogether");
        }
        for part in pair {
            let part = part as usize;
            self.expansions
                .extend_from_within(self.starts[part]..self.starts[part + 1]);
        }
        self.starts.push(self.expansions.len());
        self.pairs.push(pair);
        Ok(())
    }

    /// Number of ids that are not merged.
    pub fn base_vocab_size(&self) -> u32 {
        self.base_vocab_size
    }

    /// Number of ids, merged ones included.
    pub fn vocab_size(&self) -> u32 {
        // Both are limited in `new`.
        self.base_vocab_size + self.pairs.len() as u32
    }

    /// Number of merges.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no merge.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The two ids that each merged token is made of, in the order of their ids.
    pub fn pairs(&self) -> &[[i32; 2]] {
        &self.pairs
    }

    /// The base tokens that an id stands for; nothing for an id outside the vocabulary.
    pub fn expand(&self, token: i32) -> &[i32] {
        let Ok(token) = usize::try_from(token) else {
            return &[];
        };
        match (self.starts.get(token), self.starts.get(token + 1)) {
            (Some(&start), Some(&end)) => &self.expansions[start..end],
            _ => &[],
        }
    }

    /// The base tokens of a whole sequence; an id outside the vocabulary becomes -1, which no vocabulary has.
    pub fn expand_all(&self, tokens: &[i32]) -> Vec<i32> {
        let mut expanded = Vec::with_capacity(tokens.len());
        for &token in tokens {
            match self.expand(token) {
                [] => expanded.push(-1),
                symbols => expanded.extend_from_slice(symbols),
            }
        }
        expanded
    }

    /// The merged token made of two neighbours.
    fn id_of(&self, pair: [i32; 2]) -> Option<i32> {
        self.ids.get(&pair).copied()
    }
}

/// Refuses tokens outside the base vocabulary, and more of them than 32 bits can count.
fn check_base_tokens(tokens: &[i32], base_vocab_size: u32) -> Result<()> {
    let is_inside = |&token: &i32| u32::try_from(token).is_ok_and(|t| t < base_vocab_size);
    match tokens.iter().position(|token| !is_inside(token)) {
        Some(position) => Err(MeshError::InvalidInput(format!(
            "token {position} is {}, outside 0..{base_vocab_size}; give the base tokenizer's tokens without end or padding",
            tokens[position]
        ))),
        None => Ok(()),
    }
}

fn invalid(reason: String) -> MeshError {
    MeshError::InvalidMerges(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_token_stands_for_both_its_parts() {
        let merges = Merges::new(3, vec![[0, 1], [3, 2], [4, 4]]).unwrap();
        assert_eq!(merges.vocab_size(), 6);
        assert_eq!(merges.expand(2), [2]);
        assert_eq!(merges.expand(4), [0, 1, 2]);
        assert_eq!(
            merges.expand_all(&[5, 1, 6, -7]),
            [0, 1, 2, 0, 1, 2, 1, -1, -1]
        );
    }

    #[test]
    fn pairs_that_cannot_be_are_refused() {
        let doubling: Vec<[i32; 2]> = (0..40).map(|i| [i, i]).collect();
        for pairs in [
            vec![[0, 3]],
            vec![[0, 1], [4, 0]],
            vec![[-1, 0]],
            vec![[0, 1], [0, 1]],
            doubling
                .iter()
                .map(|p| p.map(|id| (id + 2).max(0)))
                .collect(),
        ] {
            let error = Merges::new(3, pairs).unwrap_err();
            assert_eq!(error.code(), "INVALID_MERGES");
        }
        assert_eq!(
            Merges::new(MAX_BASE_VOCAB_SIZE + 1, vec![])
                .unwrap_err()
                .code(),
            "INVALID_MERGES"
        );
        assert!(Merges::new(1, doubling[..12].to_vec()).is_ok());
        assert!(Merges::new(1, doubling[..13].to_vec()).is_err());
    }

    #[test]
    fn all_merges_together_are_limited() {
        let mut pairs: Vec<[i32; 2]> = (0..12)
            .map(|i| if i == 0 { [0, 0] } else { [9999 + i, 9999 + i] })
            .collect();
        pairs.extend((1..9000).map(|i| [10_010, i]));
        let error = Merges::new(10_000, pairs).unwrap_err();
        assert!(error.to_string().contains("altogether"), "{error}");
    }
}
