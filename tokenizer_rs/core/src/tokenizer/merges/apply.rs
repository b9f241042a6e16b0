//! Writing a sequence with merged tokens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{check_base_tokens, Merges};
use crate::{MeshError, Result};

/// Marks a missing neighbour, and a symbol that was merged into the one before it.
pub(super) const NONE: u32 = u32::MAX;
pub(super) const GONE: i32 = -1;

/// Tokens whose neighbours can be merged in place.
pub(super) struct Chain {
    pub symbols: Vec<i32>,
    pub previous: Vec<u32>,
    pub next: Vec<u32>,
}

impl Chain {
    /// All sequences one after the other, not linked with each other.
    pub fn new<S: AsRef<[i32]>>(sequences: &[S]) -> Result<Self> {
        let n: usize = sequences.iter().map(|s| s.as_ref().len()).sum();
        if n >= i32::MAX as usize {
            return Err(MeshError::InvalidInput(format!(
                "{n} tokens; give fewer than 2^31"
            )));
        }
        let mut chain = Self {
            symbols: Vec::with_capacity(n),
            previous: Vec::with_capacity(n),
            next: Vec::with_capacity(n),
        };
        for tokens in sequences.iter().map(AsRef::as_ref) {
            let first = chain.symbols.len() as u32;
            let end = first + tokens.len() as u32;
            chain.symbols.extend(tokens);
            chain
                .previous
                .extend((first..end).map(|i| if i == first { NONE } else { i - 1 }));
            chain
                .next
                .extend((first..end).map(|i| if i + 1 == end { NONE } else { i + 1 }));
        }
        Ok(chain)
    }

    /// The pair of the symbol at `at` and its right neighbour.
    pub fn pair(&self, at: u32) -> Option<[i32; 2]> {
        let right = *self.next.get(at as usize)?;
        let second = *self.symbols.get(right as usize)?;
        Some([self.symbols[at as usize], second])
    }

    /// Writes `token` at `at` in the place of two symbols.
    pub fn merge(&mut self, at: u32, token: i32) {
        let gone = self.next[at as usize] as usize;
        let after = self.next[gone];
        self.symbols[at as usize] = token;
        self.symbols[gone] = GONE;
        self.next[at as usize] = after;
        if let Some(previous) = self.previous.get_mut(after as usize) {
            *previous = at;
        }
    }
}

impl Merges {
    /// The sequence with every merge applied, in the order in which they were learned and from left to right.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a token outside the base vocabulary.
    pub fn apply(&self, tokens: &[i32]) -> Result<Vec<i32>> {
        check_base_tokens(tokens, self.base_vocab_size())?;
        let mut chain = Chain::new(&[tokens])?;
        let mut waiting = BinaryHeap::new();
        let candidate = |chain: &Chain, at: u32| {
            let id = self.id_of(chain.pair(at)?)?;
            Some(Reverse((id, at)))
        };
        waiting.extend((0..tokens.len() as u32).filter_map(|at| candidate(&chain, at)));
        while let Some(Reverse((id, at))) = waiting.pop() {
            // A merge nearby may have taken one of the two.
            if chain.pair(at) != Some(self.pairs[(id as u32 - self.base_vocab_size) as usize]) {
                continue;
            }
            chain.merge(at, id);
            waiting.extend(candidate(&chain, chain.previous[at as usize]));
            waiting.extend(candidate(&chain, at));
        }
        chain.symbols.retain(|&symbol| symbol != GONE);
        Ok(chain.symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_merges_come_first_and_runs_are_taken_from_the_left() {
        let merges = Merges::new(3, vec![[1, 2], [0, 1], [0, 0], [5, 5]]).unwrap();
        assert_eq!(merges.apply(&[0, 1, 2]).unwrap(), [0, 3]);
        assert_eq!(merges.apply(&[0, 1, 1]).unwrap(), [4, 1]);
        assert_eq!(merges.apply(&[0, 0, 0]).unwrap(), [5, 0]);
        assert_eq!(merges.apply(&[0; 7]).unwrap(), [6, 5, 0]);
        assert_eq!(merges.apply(&[]).unwrap(), [0; 0]);
    }

    #[test]
    fn tokens_outside_the_base_vocabulary_are_refused() {
        let merges = Merges::new(3, vec![[1, 2]]).unwrap();
        for tokens in [[0, 3], [0, -1]] {
            assert_eq!(merges.apply(&tokens).unwrap_err().code(), "INVALID_INPUT");
        }
    }
}
