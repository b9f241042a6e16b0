//! What the grammar promises, on sequences that no encoder writes.

use super::*;
use crate::testing::{end_sequence, random_below, random_sequence};
use crate::tokenizer::silksong::Silksong;
use crate::{Limits, Tokenizer, TriangleMesh};

const LEVELS: [Conformance; 2] = [Conformance::Reference, Conformance::Extended];

fn tokenizers() -> Vec<Silksong> {
    let short_layers = Limits {
        layer_vertices: 12,
        ..Limits::default()
    };
    let of_level = |level| {
        [
            (128, VertexMode::BlockOffset, Limits::default()),
            (128, VertexMode::Xyz, Limits::default()),
            // Few positions, so that vertices coincide; short layers, so that they are full.
            (2, VertexMode::Xyz, Limits::default()),
            (3, VertexMode::Xyz, short_layers.clone()),
        ]
        .map(|(bins, mode, limits)| Silksong::new(bins, mode, level, limits).unwrap())
    };
    LEVELS.into_iter().flat_map(of_level).collect()
}

/// One of the tokens that may follow, its class drawn first: layers and components stay short.
fn draw(state: &dyn Grammar, tokenizer: &Silksong, seed: &mut u64) -> i32 {
    let vocabulary = tokenizer.vocabulary();
    let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
    state.allowed(&mut mask);
    let bounds = [
        0,
        vocabulary.offset(0),
        vocabulary.head(0),
        vocabulary.between(0, 0),
        vocabulary.position_ids(0).0,
        i32::MAX,
    ];
    let mut classes: Vec<Vec<i32>> = bounds
        .windows(2)
        .map(|ends| mask.iter().filter(|id| (ends[0]..ends[1]).contains(id)))
        .map(Iterator::collect)
        .collect();
    if random_below(seed, 12) > 0 && !classes[3].is_empty() {
        // Offsets are rare, or most layers would need more vertices than a test has.
        classes[1].clear();
    }
    classes.retain(|class| !class.is_empty());
    let class = &classes[random_below(seed, classes.len())];
    class[random_below(seed, class.len())]
}

fn has_apart_corners(mesh: &TriangleMesh) -> bool {
    mesh.faces.iter().any(|face| {
        let [a, b, c] = face.map(|v| mesh.vertices[v as usize]);
        a != b && b != c && c != a
    })
}

#[test]
fn what_the_grammar_allows_decodes() {
    for mode in [VertexMode::BlockOffset, VertexMode::Xyz] {
        let tokenizer = Silksong::new(128, mode, Default::default(), Default::default()).unwrap();
        let mut seed = 7;
        for _ in 0..200 {
            let tokens = random_sequence(&tokenizer, 300, &mut seed);
            assert!(!tokenizer.decode(&tokens).unwrap().faces.is_empty());
        }
    }
}

#[test]
fn what_may_end_has_a_face_and_the_way_there_is_as_long_as_promised() {
    let mut seed = 3;
    for tokenizer in tokenizers() {
        let mut n_free_ends = 0;
        for i in 0..90 {
            let mut state = tokenizer.grammar();
            let mut tokens = Vec::new();
            let mut way = state.tokens_to_end();
            while tokens.len() < i {
                let most = way + state.detour();
                let token = draw(state.as_ref(), &tokenizer, &mut seed);
                state.advance(token).unwrap();
                tokens.push(token);
                way = state.tokens_to_end();
                assert!(way <= most, "{way} tokens to the end, not {most}");
                assert!(way <= state.most_tokens_to_end());
                if state.can_end() {
                    n_free_ends += 1;
                    assert!(has_apart_corners(&tokenizer.decode(&tokens).unwrap()));
                }
            }
            end_sequence(state.as_mut(), &mut tokens);
            let mesh = tokenizer.decode(&tokens).unwrap();
            assert!(has_apart_corners(&mesh), "{tokens:?}");
        }
        assert!(n_free_ends > 20, "{n_free_ends}");
    }
}

#[test]
fn a_component_without_a_face_does_not_let_the_sequence_end() {
    for tokenizer in
        LEVELS.map(|level| Silksong::new(128, VertexMode::Xyz, level, Limits::default()).unwrap())
    {
        let [x, head, column] = [5659, 203, 459];
        let vertex = |at: i32, bits: i32| [x + at, x, x, head + bits, column];
        let start = [COMPONENT, x, x, x, LAYER_END];
        let ends = |layer: &[[i32; 5]]| {
            let mut state = tokenizer.grammar();
            let tokens = [&start[..], layer.as_flattened(), &[COMPONENT_END]].concat();
            tokens.iter().for_each(|&id| state.advance(id).unwrap());
            assert_eq!(state.closing_token().is_none(), state.can_end());
            state.can_end()
        };
        assert!(!ends(&[vertex(1, 1)]));
        assert!(!ends(&[vertex(1, 0), vertex(2, 0)]));
        assert!(!ends(&[vertex(1, 1), vertex(1, 0)]));
        assert!(!ends(&[vertex(1, 1), vertex(0, 0)]));
        assert!(ends(&[vertex(1, 1), vertex(2, 0)]));
    }
}

#[test]
fn a_shortest_sequence_is_a_triangle_with_an_area() {
    for tokenizer in tokenizers() {
        let mut tokens = Vec::new();
        end_sequence(tokenizer.grammar().as_mut(), &mut tokens);
        let mesh = tokenizer.decode(&tokens).unwrap();
        let [a, b, c] = mesh.faces[0].map(|v| mesh.vertices[v as usize]);
        let [u, v] = [b, c].map(|p| [0, 1, 2].map(|axis| p[axis] - a[axis]));
        assert!((0..3).any(|i| u[i] * v[(i + 1) % 3] != u[(i + 1) % 3] * v[i]));
        assert_eq!(mesh.faces.len(), 1);
    }
}

/// Where the search for a ring gives up, its result still is no empty one.
#[test]
fn crowded_layers_have_a_face() {
    let mut seed = 5;
    for n in [2, 3, 4, 20, 60, 190] {
        for tokenizer in LEVELS.map(|level| {
            Silksong::new(128, VertexMode::BlockOffset, level, Limits::default()).unwrap()
        }) {
            let vocabulary = tokenizer.vocabulary();
            let mut tokens = vec![COMPONENT];
            let mut place = 0;
            let mut push_position = |tokens: &mut Vec<i32>| {
                place += 1;
                vocabulary.push_position(&[place % 128, place / 128, 0], tokens);
            };
            push_position(&mut tokens);
            tokens.push(LAYER_END);
            for i in 0..n {
                push_position(&mut tokens);
                // Of the last vertices in the order few are joined to the next.
                let bits = [255, 254, 0, 85][random_below(&mut seed, 4)];
                tokens.push(vocabulary.head(if i == n / 2 { 1 } else { bits }));
                tokens.push(vocabulary.between(0, 0));
            }
            tokens.push(LAYER_END);
            for _ in 0..200 {
                push_position(&mut tokens);
                tokens.push(vocabulary.head(255));
                tokens.extend((0..n).step_by(6).map(|c| vocabulary.between(c, 0)));
            }
            tokens.push(COMPONENT_END);
            let mut state = tokenizer.grammar();
            tokens.iter().for_each(|&id| state.advance(id).unwrap());
            assert!(state.can_end());
            assert!(has_apart_corners(&tokenizer.decode(&tokens).unwrap()));
        }
    }
}

#[test]
fn a_token_out_of_place_is_refused_and_changes_nothing() {
    let mut state = Silksong::default().grammar();
    assert_eq!(state.advance(1).unwrap_err().code(), "INVALID_TOKENS");
    for token in [0, 5659, 6990, 1, 5659, 6991, 204, 459] {
        state.advance(token).unwrap();
    }
    // Layer 0 has one vertex: there is no column 1 to be linked with.
    state.advance(459 + 26).unwrap_err();
    for token in [5659, 7006, 203, 459] {
        state.advance(token).unwrap();
    }
    assert!(!state.can_end());
    state.advance(2).unwrap();
    assert!(state.can_end());
}

/// There the published decoder stops, before any face.
#[test]
fn a_reference_layer_reaches_its_offsets_before_it_ends() {
    for level in LEVELS {
        let tokenizer = Silksong::new(128, VertexMode::Xyz, level, Limits::default()).unwrap();
        let [x, head, column] = [5659, 203, 459];
        let mut state = tokenizer.grammar();
        let mut tokens = vec![COMPONENT, x, x, x, LAYER_END];
        tokens.extend([
            x + 1,
            x,
            x,
            head + 1,
            tokenizer.vocabulary().offset(9),
            column,
        ]);
        tokens.extend([x + 2, x + 1, x, head + 1, column]);
        tokens.iter().for_each(|&id| state.advance(id).unwrap());
        let may_end = level == Conformance::Extended;
        for token in [LAYER_END, COMPONENT_END] {
            assert_eq!(state.boxed_clone().advance(token).is_ok(), may_end);
        }
        end_sequence(state.as_mut(), &mut tokens);
        assert!(has_apart_corners(&tokenizer.decode(&tokens).unwrap()));
    }
}
