//! Which tokens may follow: a state machine per family.

use crate::{MeshError, Result};

/// A set of token ids as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u64>,
    size: usize,
}

impl TokenMask {
    /// No token of a vocabulary of `size` ids.
    pub fn new(size: usize) -> Self {
        Self {
            words: vec![0; size.div_ceil(64)],
            size,
        }
    }

    /// Number of ids that the mask speaks of.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes all tokens out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Adds one token; ids outside the vocabulary are left out.
    pub fn insert(&mut self, token: i32) {
        if self.is_inside(token) {
            self.words[token as usize / 64] |= 1 << (token % 64);
        }
    }

    /// Adds the tokens of another set; those outside this vocabulary are left out.
    pub fn insert_all(&mut self, other: &TokenMask) {
        for (word, &bits) in self.words.iter_mut().zip(&other.words) {
            *word |= bits;
        }
        if let Some(last) = self
            .words
            .last_mut()
            .filter(|_| !self.size.is_multiple_of(64))
        {
            *last &= (1 << (self.size % 64)) - 1;
        }
    }

    /// Takes one token out.
    pub fn remove(&mut self, token: i32) {
        if self.is_inside(token) {
            self.words[token as usize / 64] &= !(1 << (token % 64));
        }
    }

    /// Adds the tokens `first..end`.
    pub fn insert_range(&mut self, first: i32, end: i32) {
        let (first, end) = (first.max(0) as usize, (end.max(0) as usize).min(self.size));
        let mut at = first;
        while at < end {
            let word = at / 64;
            let stop = ((word + 1) * 64).min(end);
            let n = stop - at;
            let bits = if n == 64 { u64::MAX } else { (1 << n) - 1 };
            self.words[word] |= bits << (at % 64);
            at = stop;
        }
    }

    /// Whether the token is in the set.
    pub fn contains(&self, token: i32) -> bool {
        self.is_inside(token) && self.words[token as usize / 64] >> (token % 64) & 1 == 1
    }

    /// Number of tokens in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether no token is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&w| w == 0)
    }

    /// The tokens in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.words.iter().enumerate().flat_map(|(w, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some((w * 64) as i32 + bit as i32)
            })
        })
    }

    fn is_inside(&self, token: i32) -> bool {
        (0..self.size as i64).contains(&i64::from(token))
    }
}

/// The state of one sequence that is being written.
///
/// Every sequence whose tokens were all allowed when they came, and which stops where it can end, decodes
/// to at least one face, without error.
pub trait Grammar: Send + Sync {
    /// Adds every token that may come next to an empty mask over the vocabulary.
    fn allowed(&self, mask: &mut TokenMask);

    /// Takes the next token; one that is not allowed is an error and changes nothing.
    fn advance(&mut self, token: i32) -> Result<()>;

    /// Whether the sequence may end here.
    fn can_end(&self) -> bool;

    /// The next token on a short way to a place where the sequence can end; none where it can end here.
    fn closing_token(&self) -> Option<i32>;

    /// A copy of the state.
    fn boxed_clone(&self) -> Box<dyn Grammar>;

    /// The most by which a single token can lengthen that way.
    ///
    /// While more places than this are left beyond the way to an end, any token may come without the sequence
    /// missing its end.
    fn longest_detour(&self) -> usize {
        16
    }

    /// The same, for the next token alone.
    fn detour(&self) -> usize {
        self.longest_detour()
    }

    /// At least as many tokens as that way has, where this is known without walking it.
    fn most_tokens_to_end(&self) -> usize {
        usize::MAX
    }

    /// How many tokens [`Grammar::closing_token`] needs from here to an end.
    fn tokens_to_end(&self) -> usize {
        let mut state = self.boxed_clone();
        let mut n_tokens = 0;
        while let Some(token) = state.closing_token() {
            if state.advance(token).is_err() {
                break;
            }
            n_tokens += 1;
        }
        n_tokens
    }
}

/// The error of a token that the grammar does not allow at `position`.
pub fn not_allowed(position: usize, reason: &'static str) -> MeshError {
    MeshError::InvalidTokens { position, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_set_the_bits_between_their_ends() {
        for (first, end) in [(0, 1), (0, 64), (63, 65), (5, 200), (64, 128), (130, 130)] {
            let mut mask = TokenMask::new(200);
            mask.insert_range(first, end);
            assert_eq!(
                mask.iter().collect::<Vec<_>>(),
                (first..end).collect::<Vec<_>>()
            );
            assert_eq!(mask.len(), (end - first) as usize);
        }
    }

    #[test]
    fn ids_outside_are_never_in_the_set() {
        let mut mask = TokenMask::new(70);
        mask.insert(70);
        mask.insert(-1);
        mask.insert_range(-5, 100);
        assert_eq!(mask.len(), 70);
        assert!(!mask.contains(70) && !mask.contains(-1) && mask.contains(69));
        mask.remove(69);
        assert!(!mask.contains(69));
    }

    #[test]
    fn another_set_is_cut_to_the_vocabulary() {
        let (mut small, mut large) = (TokenMask::new(70), TokenMask::new(200));
        small.insert(3);
        large.insert_range(60, 200);
        small.insert_all(&large);
        assert_eq!(
            small.iter().collect::<Vec<_>>(),
            [3].into_iter().chain(60..70).collect::<Vec<_>>()
        );
        large.insert_all(&small);
        assert_eq!(large.len(), 141);
    }
}
