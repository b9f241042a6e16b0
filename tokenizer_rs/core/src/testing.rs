//! What the unit tests of several modules need.

use crate::mesh::Face;
use crate::tokenizer::{Grammar, TokenMask};
use crate::Tokenizer;

/// A number below `n`; xorshift, so that a seed other than 0 always gives the same numbers.
pub fn random_below(state: &mut u64, n: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % n as u64) as usize
}

/// `length` tokens, each drawn evenly from those that the grammar allows, and the way to an end.
pub fn random_sequence(tokenizer: &dyn Tokenizer, length: usize, seed: &mut u64) -> Vec<i32> {
    let mut state = tokenizer.grammar();
    let mut tokens = Vec::new();
    while tokens.len() < length {
        let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
        state.allowed(&mut mask);
        let choices: Vec<i32> = mask.iter().collect();
        let token = choices[random_below(seed, choices.len())];
        state.advance(token).unwrap();
        tokens.push(token);
    }
    end_sequence(state.as_mut(), &mut tokens);
    tokens
}

/// Appends the tokens of the way to an end, which must be as long as promised.
pub fn end_sequence(state: &mut dyn Grammar, tokens: &mut Vec<i32>) {
    let promised = tokens.len() + state.tokens_to_end();
    while let Some(token) = state.closing_token() {
        state.advance(token).unwrap();
        tokens.push(token);
    }
    assert_eq!(tokens.len(), promised);
    assert!(state.can_end());
}

/// The cube of the published Silksong example.
pub fn cube() -> (Vec<[f64; 3]>, Vec<Face>) {
    let corner = |i: u32| [4, 2, 1].map(|bit| if i & bit == 0 { -0.95 } else { 0.95 });
    let faces = vec![
        [1, 3, 0],
        [4, 1, 0],
        [0, 3, 2],
        [2, 4, 0],
        [1, 7, 3],
        [5, 1, 4],
        [5, 7, 1],
        [3, 7, 2],
        [6, 4, 2],
        [2, 7, 6],
        [6, 5, 4],
        [7, 5, 6],
    ];
    ((0..8).map(corner).collect(), faces)
}
