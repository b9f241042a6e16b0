//! How many bits a sequence needs where every legal token is equally likely.

use crate::tokenizer::grammar::{not_allowed, TokenMask};
use crate::{Result, Tokenizer};

/// Sum over the tokens, and the end, of the binary logarithm of the number of tokens that may come there; the
/// end counts as one wherever the sequence may end.
///
/// # Errors
/// `INVALID_TOKENS` where the grammar does not allow a token, or the end after the last one.
pub fn nominal_bits(tokenizer: &dyn Tokenizer, tokens: &[i32]) -> Result<f64> {
    let mut grammar = tokenizer.grammar();
    let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
    let mut bits = 0.0;
    for token in tokens.iter().map(Some).chain([None]) {
        mask.clear();
        grammar.allowed(&mut mask);
        let n_legal = mask.len() + usize::from(grammar.can_end());
        bits += (n_legal as f64).log2();
        match token {
            Some(&token) => grammar.advance(token)?,
            None if grammar.can_end() => {}
            None => {
                let reason = "the sequence may not end before it";
                return Err(not_allowed(tokens.len(), reason));
            }
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::silksong::Silksong;

    #[test]
    fn every_step_counts_its_legal_tokens() {
        // A triangle: component, block, offset, layer end, twice block, offset, row head, row, component end.
        let tokens = [
            0, 5951, 6171, 1, 6079, 6171, 204, 460, 5967, 6171, 204, 460, 2,
        ];
        let tokenizer = Silksong::default();
        let mut grammar = tokenizer.grammar();
        let mut expected = 0.0;
        for token in tokens {
            let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
            grammar.allowed(&mut mask);
            expected += f64::log2(mask.iter().count() as f64);
            grammar.advance(token).unwrap();
        }
        // Another component, or the end.
        expected += 1.0;
        assert_eq!(nominal_bits(&tokenizer, &tokens), Ok(expected));
    }

    #[test]
    fn illegal_sequences_have_no_bits() {
        let tokenizer = Silksong::default();
        for tokens in [&[][..], &[1], &[0, 5659], &[0, -1], &[0, i32::MAX]] {
            let error = nominal_bits(&tokenizer, tokens).unwrap_err();
            assert_eq!(error.code(), "INVALID_TOKENS");
        }
    }
}
