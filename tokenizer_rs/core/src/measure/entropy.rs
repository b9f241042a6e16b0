//! How many bits an adaptive coder needs for token sequences.

use std::collections::HashMap;

use crate::{MeshError, Result};

/// The longest context.
pub const MAX_ORDER: usize = 8;

/// The string of no symbols.
const EMPTY: u32 = 0;
/// Symbols that no token id can be.
const START: u32 = u32::MAX;
const END: u32 = u32::MAX - 1;

/// An adaptive coder that predicts a symbol from the symbols before it, with contexts of every length up to its
/// order, and learns from each symbol once it is coded.
///
/// With `N` occurrences and `D` different symbols seen in a context of length `j`, and `n` of them equal to `s`,
/// `p_j(s) = (n + D p_{j-1}(s)) / (N + D)`, and `p_j = p_{j-1}` in a new context: the escape estimate of PPM's
/// method C (Moffat 1990), interpolated as by Witten and Bell (1991). `p_{-1}(s)` is one over the vocabulary size
/// plus one, since every sequence ends with an end symbol. A context that reaches beyond the beginning of its
/// sequence is filled with a start mark; counts are kept from sequence to sequence.
#[derive(Debug, Clone)]
pub struct AdaptiveCoder {
    vocab_size: u32,
    /// The strings seen, each named by the string without its last symbol, and that symbol.
    strings: HashMap<(u32, u32), u32>,
    /// How often each string was coded: its last symbol after the others.
    counts: Vec<u32>,
    /// How often, and by how many different symbols, each string was followed.
    followers: Vec<(u32, u32)>,
    /// The strings of start marks of every length up to the order.
    starts: Vec<u32>,
    bits: Vec<f64>,
}

impl AdaptiveCoder {
    /// A coder that has seen nothing, for ids `0..vocab_size`.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an order above [`MAX_ORDER`].
    pub fn new(vocab_size: u32, order: usize) -> Result<Self> {
        if order > MAX_ORDER {
            return Err(MeshError::InvalidInput(format!(
                "order = {order}; give 0 to {MAX_ORDER}"
            )));
        }
        let mut coder = Self {
            vocab_size,
            strings: HashMap::new(),
            counts: vec![0],
            followers: vec![(0, 0)],
            starts: vec![EMPTY],
            bits: vec![0.0; order + 1],
        };
        let mut start = EMPTY;
        for _ in 0..order {
            start = coder.extended(start, START)?;
            coder.starts.push(start);
        }
        Ok(coder)
    }

    /// Codes one sequence and its end.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a token outside the vocabulary; nothing is coded then.
    pub fn code(&mut self, tokens: &[i32]) -> Result<()> {
        let is_inside = |&token: &i32| u32::try_from(token).is_ok_and(|t| t < self.vocab_size);
        if let Some(position) = tokens.iter().position(|token| !is_inside(token)) {
            return Err(MeshError::InvalidInput(format!(
                "token {position} is {}, outside 0..{}; give tokens without end or padding",
                tokens[position], self.vocab_size
            )));
        }
        let mut context = self.starts.clone();
        for &token in tokens {
            self.code_symbol(token as u32, &mut context)?;
        }
        self.code_symbol(END, &mut context)
    }

    /// Bits of everything coded so far, by order: `order + 1` sums.
    pub fn bits(&self) -> &[f64] {
        &self.bits
    }

    /// Codes a symbol after the last `j` symbols `context[j]`, for every `j`, and moves the context on.
    fn code_symbol(&mut self, symbol: u32, context: &mut [u32]) -> Result<()> {
        let mut probability = 1.0 / (f64::from(self.vocab_size) + 1.0);
        let mut shorter = EMPTY;
        for (j, last) in context.iter_mut().enumerate() {
            let before = std::mem::replace(last, shorter);
            let string = self.extended(before, symbol)?;
            let count = &mut self.counts[string as usize];
            let (n_seen, n_different) = &mut self.followers[before as usize];
            if *n_seen > 0 {
                let escape = f64::from(*n_different);
                probability =
                    (f64::from(*count) + escape * probability) / (f64::from(*n_seen) + escape);
            }
            self.bits[j] -= probability.log2();
            *n_different += u32::from(*count == 0);
            *n_seen += 1;
            *count += 1;
            shorter = string;
        }
        Ok(())
    }

    /// The string `before` with one more symbol.
    fn extended(&mut self, before: u32, symbol: u32) -> Result<u32> {
        let next = self.counts.len();
        let string = *self.strings.entry((before, symbol)).or_insert(next as u32);
        if string as usize == next {
            if next >= i32::MAX as usize {
                return Err(MeshError::InvalidInput(
                    "more than 2^31 different contexts; give fewer tokens or a lower order".into(),
                ));
            }
            self.counts.push(0);
            self.followers.push((0, 0));
        }
        Ok(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(sequences: &[&[i32]], vocab_size: u32, order: usize) -> Vec<f64> {
        let mut coder = AdaptiveCoder::new(vocab_size, order).unwrap();
        for tokens in sequences {
            coder.code(tokens).unwrap();
        }
        coder.bits().to_vec()
    }

    #[test]
    fn a_short_sequence_costs_what_the_definition_says() {
        // Four symbols: 0 is new (1/4), then seen once of one: (1 + 1/4)/2, then the end: (0 + 1/4)/3.
        let order_0: f64 = 1.0 / 4.0 * (1.25 / 2.0) * (0.25 / 3.0);
        // After a start mark, and after 0, nothing was seen; after 0 then 0 was: (0 + 1 * 0.25/3)/2.
        let order_1 = 1.0 / 4.0 * (1.25 / 2.0) * (0.25 / 3.0 / 2.0);
        let found = bits(&[&[0, 0]], 3, 1);
        assert!((found[0] + order_0.log2()).abs() < 1e-12, "{found:?}");
        assert!((found[1] + f64::log2(order_1)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn lower_orders_do_not_depend_on_the_highest() {
        let sequences: [&[i32]; 3] = [&[0, 1, 2, 0, 1, 2, 1], &[], &[2, 2, 0, 1, 2]];
        let all = bits(&sequences, 3, 8);
        for order in 0..8 {
            assert_eq!(bits(&sequences, 3, order), all[..=order]);
        }
    }

    #[test]
    fn a_sequence_starts_after_start_marks_and_not_after_the_sequence_before() {
        let first = bits(&[&[0]], 2, 1)[1];
        let both = bits(&[&[0], &[1]], 2, 1)[1];
        // 0 and the end were seen; after a start mark 0 was, after 1 nothing.
        let one: f64 = (2.0 / 3.0 / 4.0) / 2.0;
        let end = (1.0 + 3.0 / 3.0) / 6.0;
        assert!((both - first + (one * end).log2()).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_coded_is_refused_and_leaves_no_trace() {
        assert_eq!(
            AdaptiveCoder::new(2, 9).unwrap_err().code(),
            "INVALID_INPUT"
        );
        let mut coder = AdaptiveCoder::new(2, 2).unwrap();
        for token in [2, -1, i32::MIN] {
            assert_eq!(coder.code(&[0, token]).unwrap_err().code(), "INVALID_INPUT");
        }
        assert_eq!(coder.bits(), [0.0; 3]);
    }
}
