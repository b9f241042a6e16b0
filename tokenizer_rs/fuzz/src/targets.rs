//! The targets and what each of them claims.

use meshloom_tokenizer_core::tokenizer::silksong::Silksong;
use meshloom_tokenizer_core::Tokenizer;

use crate::{bytes, Target};

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("encode_silksong", |data| encode(&Silksong::default(), data)),
    ("decode_silksong", |data| decode(&Silksong::default(), data)),
    ("grammar_silksong", |data| {
        grammar(&Silksong::default(), data)
    }),
    ("measure", measure),
];

/// A mesh is encoded to ids of the vocabulary, or refused.
fn encode(tokenizer: &dyn Tokenizer, data: &[u8]) {
    if let Ok(encoding) = tokenizer.encode(&bytes::triangle_mesh(data)) {
        let vocabulary = 0..tokenizer.vocab_size() as i32;
        assert!(encoding
            .tokens
            .iter()
            .all(|token| vocabulary.contains(token)));
        tokenizer
            .decode(&encoding.tokens)
            .expect("own tokens decode");
    }
}

/// A sequence is decoded to a mesh whose faces name its vertices, or refused.
fn decode(tokenizer: &dyn Tokenizer, data: &[u8]) {
    let tokens = bytes::tokens(data, tokenizer.vocab_size());
    if let Ok(mesh) = tokenizer.decode(&tokens) {
        mesh.check().expect("decoded faces name decoded vertices");
    }
}

/// A walk along allowed tokens can always be ended, and what it wrote decodes.
fn grammar(tokenizer: &dyn Tokenizer, data: &[u8]) {
    use meshloom_tokenizer_core::tokenizer::TokenMask;

    let mut state = tokenizer.grammar();
    let mut tokens = Vec::new();
    for pair in data.chunks_exact(2) {
        let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
        state.allowed(&mut mask);
        let n_choices = mask.len();
        if n_choices == 0 {
            assert!(
                state.can_end(),
                "nothing is allowed and the sequence cannot end"
            );
            break;
        }
        let choice = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % n_choices;
        let token = mask.iter().nth(choice).expect("counted");
        state.advance(token).expect("allowed");
        tokens.push(token);
    }
    let promised = tokens.len() + state.tokens_to_end();
    while let Some(token) = state.closing_token() {
        assert!(
            tokens.len() < promised,
            "the way to the end is longer than promised"
        );
        state.advance(token).expect("the way to the end is allowed");
        tokens.push(token);
    }
    assert!(state.can_end());
    tokenizer
        .decode(&tokens)
        .expect("an allowed sequence decodes");
}

/// Counting never fails on a mesh whose faces name its vertices.
fn measure(data: &[u8]) {
    let mesh = bytes::triangle_mesh(data);
    if let Ok(counts) = meshloom_tokenizer_core::measure::measure(&mesh) {
        assert!(counts.boundary_edges <= counts.edges);
    }
}
