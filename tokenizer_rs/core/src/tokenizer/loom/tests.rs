//! Round trips of meshes of many kinds, and sequences drawn under the grammar.

use std::collections::BTreeSet;

use super::*;
use crate::mesh::Face;
use crate::repair::{check_guarantees, repair_grid_mesh};
use crate::testing::{end_sequence, random_below};
use crate::tokenizer::TokenMask;

const SCHEMES: [Scheme; 2] = [Scheme::Valence, Scheme::Deferred];

fn repaired(vertices: Vec<[i32; 3]>, faces: Vec<Face>) -> GridMesh {
    let mesh = GridMesh { vertices, faces };
    repair_grid_mesh(&mesh, &RepairOptions::default())
        .unwrap()
        .mesh
}

/// Encodes, and checks that decoding gives the same triangles and that the grammar allows every token.
fn round_trip(tokenizer: &Loom, mesh: &GridMesh) -> tokenizer::Encoding {
    let encoding = tokenizer.encode_repaired(mesh.clone()).unwrap();
    assert!(encoding.exact);
    let decoded = tokenizer.decode_on_grid(&encoding.tokens).unwrap();
    assert_eq!(decoded.oriented_triangles(), mesh.oriented_triangles());
    assert_eq!(decoded.vertices.len(), mesh.vertices.len());
    let along = encode::write(tokenizer.format(), mesh).unwrap().decoded;
    assert!(along.is_none_or(|along| along == decoded));
    let mut grammar = tokenizer.grammar();
    for &token in &encoding.tokens {
        grammar
            .advance(token)
            .unwrap_or_else(|error| panic!("{error}: {}", tokenizer.describe(token)));
    }
    assert!(grammar.can_end());
    encoding
}

fn statistic(encoding: &tokenizer::Encoding, name: &str) -> i64 {
    let found = encoding.statistics.iter().find(|(known, _)| *known == name);
    found.unwrap().1
}

fn round_trips(mesh: &GridMesh) -> Vec<tokenizer::Encoding> {
    SCHEMES
        .into_iter()
        .flat_map(|scheme| {
            [128, 256, 512, 1024]
                .map(|resolution| round_trip(&Loom::structured(scheme, resolution).unwrap(), mesh))
        })
        .collect()
}

/// A grid of `n` by `m` quads in two triangles each; rows and columns may be glued end to end.
fn sheet(n: i32, m: i32, glued: [bool; 2], point: impl Fn(i32, i32) -> [i32; 3]) -> GridMesh {
    let (rows, columns) = (n + i32::from(!glued[0]), m + i32::from(!glued[1]));
    let at = |i: i32, j: i32| (i % rows * columns + j % columns) as u32;
    let mut vertices = Vec::new();
    for i in 0..rows {
        vertices.extend((0..columns).map(|j| point(i, j)));
    }
    let mut faces = Vec::new();
    for i in 0..n {
        for j in 0..m {
            let [a, b, c, d] = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
            faces.extend([[a, b, c], [a, c, d]]);
        }
    }
    repaired(vertices, faces)
}

fn torus(n: i32, m: i32) -> GridMesh {
    sheet(n, m, [true, true], |i, j| {
        let turn = |k: i32, of: i32| f64::from(k) * std::f64::consts::TAU / f64::from(of);
        let (u, v) = (turn(i, n), turn(j, m));
        let radius = 40.0 + 15.0 * v.cos();
        [radius * u.cos(), radius * u.sin(), 15.0 * v.sin()].map(|x| (x + 64.0) as i32)
    })
}

/// The surface of a block of cells with some left out, as one piece where it is manifold.
fn voxels(size: i32, is_full: impl Fn(i32, i32, i32) -> bool) -> GridMesh {
    let full = |p: [i32; 3]| p.iter().all(|x| (0..size).contains(x)) && is_full(p[0], p[1], p[2]);
    let (mut vertices, mut faces) = (Vec::new(), Vec::new());
    for index in 0..size * size * size {
        let cell = [index / size / size, index / size % size, index % size];
        for axis in 0..3 {
            for side in [0, 1] {
                let mut next = cell;
                next[axis] += 2 * side - 1;
                if !full(cell) || full(next) {
                    continue;
                }
                let first = vertices.len() as u32;
                for [i, j] in [[0, 0], [1, 0], [1, 1], [0, 1]] {
                    let mut corner = cell;
                    corner[axis] += side;
                    corner[(axis + 1) % 3] += i;
                    corner[(axis + 2) % 3] += j;
                    vertices.push(corner.map(|x| 8 * x + 3));
                }
                let quad = [[0, 1, 2], [0, 2, 3]].map(|f| f.map(|v| first + v));
                let turned = |f: Face| if side == 1 { f } else { [f[0], f[2], f[1]] };
                faces.extend(quad.map(turned));
            }
        }
    }
    repaired(vertices, faces)
}

#[test]
fn small_meshes_return() {
    let tetrahedron = || vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];
    let corners = vec![[3, 3, 3], [100, 3, 3], [50, 90, 3], [50, 40, 100]];
    round_trips(&repaired(corners.clone(), tetrahedron()));
    round_trips(&repaired(corners.clone(), vec![[0, 1, 2]]));
    round_trips(&repaired(corners.clone(), vec![[2, 1, 0], [0, 1, 3]]));
    // Corners on a line, and a component of one such face.
    let line = vec![[0, 0, 0], [5, 5, 5], [10, 10, 10], [127, 0, 127]];
    round_trips(&repaired(line.clone(), vec![[0, 1, 2]]));
    round_trips(&repaired(line, vec![[0, 1, 2], [1, 0, 3]]));
}

#[test]
fn fans_of_every_valence_return() {
    for n in [3_u32, 4, 9, 64, 65, 66, 67, 68, 330] {
        let ring = |i: u32| [(i % 128) as i32, (i / 128) as i32, 0];
        let mut vertices: Vec<_> = (0..n).map(ring).collect();
        vertices.extend([[64, 64, 64], [64, 64, 100]]);
        let upper = (0..n).map(|i| [n, i, (i + 1) % n]);
        let lower = (0..n).map(|i| [n + 1, (i + 1) % n, i]);
        round_trips(&repaired(vertices.clone(), upper.clone().collect()));
        round_trips(&repaired(vertices, upper.chain(lower).collect()));
    }
}

#[test]
fn surfaces_of_every_kind_return() {
    let flat = |i, j| [4 * i, 4 * j, (i * j) % 5];
    round_trips(&sheet(1, 20, [false; 2], flat));
    round_trips(&sheet(9, 9, [false; 2], flat));
    for annulus in round_trips(&sheet(3, 12, [false, true], |i, j| {
        [4 * i, 9 * (j % 4), 9 * (j / 4) + (j % 4) * (2 - j / 4)]
    })) {
        assert!(statistic(&annulus, "n_loops") == 2 || statistic(&annulus, "n_loops") == 0);
    }
    for torus in round_trips(&torus(12, 8)) {
        assert_eq!(statistic(&torus, "n_merges"), 1);
        assert_eq!(statistic(&torus, "n_components"), 1);
    }
    // Genus 2, and a block full of tunnels that meet.
    for block in round_trips(&voxels(5, |x, y, _| !matches!((x, y), (1, 2) | (3, 2)))) {
        assert_eq!(statistic(&block, "n_merges"), 2);
    }
    round_trips(&voxels(7, |x, y, z| {
        [x, y, z].iter().filter(|&&c| c % 2 == 1).count() < 2
    }));
    // Cells that touch in edges and corners: coincident vertices and many components.
    round_trips(&voxels(6, |x, y, z| (x * 7 + y * 5 + z * 3) % 4 == 0));
}

#[test]
fn a_sphere_with_holes_returns() {
    let mut mesh = voxels(6, |_, _, _| true);
    let mut seed = 5;
    mesh.faces.retain(|_| random_below(&mut seed, 10) > 0);
    round_trips(&repaired(mesh.vertices, mesh.faces));
}

#[test]
fn stacks_at_one_position_return() {
    let mut vertices = Vec::new();
    let mut faces = Vec::new();
    for i in 0..40 {
        let first = vertices.len() as u32;
        vertices.extend([[50, 50, 50], [60, i, 3], [60, 3, i + 20], [7, i, 90]]);
        faces.extend([[first, first + 1, first + 2], [first, first + 2, first + 3]]);
    }
    let mesh = repaired(vertices, faces);
    let positions: BTreeSet<_> = mesh.vertices.iter().collect();
    assert!(positions.len() < mesh.vertices.len());
    round_trips(&mesh);
}

fn soup(seed: &mut u64) -> GridMesh {
    let n_vertices = 3 + random_below(seed, 12);
    let n_faces = 1 + random_below(seed, 40);
    let side = 2 + random_below(seed, 5);
    let spread = 1 + random_below(seed, 20) as i32;
    let mut number = |n| random_below(seed, n);
    let vertices = (0..n_vertices)
        .map(|_| [0; 3].map(|_| number(side) as i32 * spread))
        .collect();
    let faces = (0..n_faces)
        .map(|_| [0; 3].map(|_| number(n_vertices) as u32))
        .collect();
    repaired(vertices, faces)
}

#[test]
fn any_soup_returns_once_it_is_repaired() {
    let tokenizers = [
        Loom::structured(Scheme::Valence, 128).unwrap(),
        Loom::structured(Scheme::Deferred, 128).unwrap(),
        Loom::structured(Scheme::Valence, 1024).unwrap(),
    ];
    let mut seed = 11;
    for _ in 0..400 {
        let mesh = soup(&mut seed);
        if !mesh.faces.is_empty() {
            for tokenizer in &tokenizers {
                round_trip(tokenizer, &mesh);
            }
        }
    }
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let mut seed = 3;
    for _ in 0..60 {
        let mesh = soup(&mut seed);
        if mesh.faces.is_empty() {
            continue;
        }
        let n = mesh.vertices.len();
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in 1..n {
            order.swap(i, random_below(&mut seed, i + 1));
        }
        let mut shuffled = mesh.clone();
        for (v, &to) in order.iter().enumerate() {
            shuffled.vertices[to as usize] = mesh.vertices[v];
        }
        for face in &mut shuffled.faces {
            *face = face.map(|v| order[v as usize]);
            face.rotate_left(random_below(&mut seed, 3));
        }
        shuffled.faces.reverse();
        for scheme in SCHEMES {
            let tokenizer = Loom::structured(scheme, 128).unwrap();
            assert_eq!(
                tokenizer.encode_repaired(mesh.clone()).unwrap().tokens,
                tokenizer.encode_repaired(shuffled.clone()).unwrap().tokens
            );
        }
    }
}

/// Draws a sequence of `length` tokens under the grammar and closes it. `share` of the tokens, by the hundred,
/// are drawn from the commands and numbers, if one is allowed, and from slots else.
fn drawn(tokenizer: &Loom, length: usize, share: usize, seed: &mut u64) -> Vec<i32> {
    let vocabulary = &tokenizer.format().vocabulary;
    let is_slot =
        |token: &i32| matches!(vocabulary.token(*token), Some(vocabulary::Token::Slot(..)));
    let leave = vocabulary.command(vocabulary::Command::Leave).unwrap();
    let first_command = vocabulary.commands().next().unwrap().0;
    let mut state = tokenizer.grammar();
    let mut tokens = Vec::new();
    while tokens.len() < length {
        let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
        state.allowed(&mut mask);
        let all: Vec<i32> = mask.iter().collect();
        assert!(!all.is_empty());
        let is_wanted = |token: &i32| *token >= first_command && *token != leave;
        let commands: Vec<i32> = all.iter().copied().filter(is_wanted).collect();
        let slots: Vec<i32> = all.iter().copied().filter(is_slot).collect();
        let choices = if random_below(seed, 100) < share && !commands.is_empty() {
            &commands
        } else if random_below(seed, 10) > 0 && !slots.is_empty() {
            &slots
        } else {
            &all
        };
        let token = choices[random_below(seed, choices.len())];
        state.advance(token).unwrap();
        tokens.push(token);
    }
    end_sequence(state.as_mut(), &mut tokens);
    tokens
}

#[test]
fn what_the_grammar_allows_decodes_to_a_manifold() {
    let mut seed = 7;
    for scheme in SCHEMES {
        for resolution in [128, 256, 1024] {
            let tokenizer = Loom::structured(scheme, resolution).unwrap();
            for round in 0..40 {
                let share = [2, 10, 40, 80][round % 4];
                let tokens = drawn(&tokenizer, 40 + 3 * round, share, &mut seed);
                let mesh = tokenizer.decode_on_grid(&tokens).unwrap();
                assert!(!mesh.faces.is_empty());
                assert_eq!(
                    check_guarantees(mesh.vertices.len(), &mesh.faces),
                    Ok(()),
                    "{tokens:?}"
                );
                let digits = &tokenizer.format().digits;
                assert!(mesh.vertices.iter().all(|p| digits.is_inside(p)));
            }
        }
    }
}

#[test]
fn a_sequence_cut_anywhere_decodes_to_a_manifold() {
    for scheme in SCHEMES {
        let tokenizer = Loom::structured(scheme, 128).unwrap();
        for mesh in [torus(9, 6), voxels(4, |x, y, z| (x + 2 * y + z) % 3 > 0)] {
            let tokens = tokenizer.encode_repaired(mesh).unwrap().tokens;
            let mut n_faces = 0;
            for end in 0..=tokens.len() {
                let mut part = tokens[..end].to_vec();
                part.push(tokenizer.eos_id() as i32);
                let cut = tokenizer.decode_on_grid(&part).unwrap();
                assert!(cut.faces.len() >= n_faces);
                n_faces = cut.faces.len();
                assert_eq!(check_guarantees(cut.vertices.len(), &cut.faces), Ok(()));
            }
        }
    }
}

#[test]
fn any_tokens_decode_or_are_refused() {
    let mut seed = 99;
    for scheme in SCHEMES {
        let tokenizer = Loom::structured(scheme, 128).unwrap();
        let good = tokenizer.encode_repaired(torus(9, 6)).unwrap().tokens;
        let mut n_refused = 0;
        for _ in 0..2000 {
            let mut tokens = good.clone();
            for _ in 0..=random_below(&mut seed, 3) {
                let at = random_below(&mut seed, tokens.len());
                tokens[at] = random_below(&mut seed, tokenizer.vocab_size() as usize) as i32;
            }
            match tokenizer.decode_on_grid(&tokens) {
                Ok(mesh) => {
                    assert_eq!(check_guarantees(mesh.vertices.len(), &mesh.faces), Ok(()));
                }
                Err(error) => {
                    n_refused += 1;
                    assert_eq!(error.code(), "INVALID_TOKENS");
                }
            }
        }
        assert!(n_refused > 0);
    }
}

#[test]
fn a_token_out_of_place_is_refused_and_changes_nothing() {
    for scheme in SCHEMES {
        let tokenizer = Loom::structured(scheme, 128).unwrap();
        let tokens = tokenizer.encode_repaired(torus(9, 6)).unwrap().tokens;
        let mut grammar = tokenizer.grammar();
        for &token in &tokens {
            let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
            grammar.allowed(&mut mask);
            for other in (0..tokenizer.vocab_size() as i32).step_by(997) {
                if !mask.contains(other) {
                    grammar.advance(other).unwrap_err();
                }
            }
            grammar.advance(token).unwrap();
        }
        assert!(grammar.can_end());
        assert_eq!(grammar.closing_token(), None);
    }
}

#[test]
fn meshes_that_are_not_manifold_are_errors() {
    let vertices = vec![[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 9, 9]];
    for faces in [
        vec![[0, 1, 2], [1, 0, 3], [0, 1, 4]],
        vec![[0, 1, 2], [0, 1, 3]],
        vec![[0, 1, 2], [0, 2, 1]],
        vec![[0, 1, 2], [0, 3, 4]],
    ] {
        for scheme in SCHEMES {
            let mesh = GridMesh {
                vertices: vertices.clone(),
                faces: faces.clone(),
            };
            let tokenizer = Loom::structured(scheme, 128).unwrap();
            if let Ok(encoding) = tokenizer.encode_repaired(mesh) {
                // Two fans at one vertex are two components, and so return as two vertices.
                assert_eq!((scheme, encoding.exact), (Scheme::Deferred, true));
                assert_eq!(faces.len(), 2);
            }
        }
    }
    let error = Loom::structured(Scheme::Valence, 128)
        .unwrap()
        .encode_repaired(GridMesh::default());
    assert_eq!(error.unwrap_err().code(), "NO_VALID_COMPONENT");
    assert!(Loom::structured(Scheme::Valence, 64).is_err());
}

#[test]
fn vocabularies_stay_within_ten_thousand_ids() {
    let sizes = SCHEMES.map(|scheme| {
        [128, 256, 512, 1024]
            .map(|resolution| Loom::structured(scheme, resolution).unwrap().vocab_size())
    });
    assert_eq!(sizes, [[9883, 9823, 9821, 9437], [9645, 7661, 8109, 7725]]);
}

#[test]
fn every_token_has_an_id_of_its_own() {
    for scheme in SCHEMES {
        for resolution in [128, 256, 512, 1024] {
            let tokenizer = Loom::structured(scheme, resolution).unwrap();
            let vocabulary = &tokenizer.format().vocabulary;
            for id in 0..tokenizer.vocab_size() as i32 {
                let back = match vocabulary.token(id).unwrap() {
                    vocabulary::Token::Slot(class, slot) => vocabulary.slot(class, slot),
                    vocabulary::Token::First(class, form, digit) => {
                        vocabulary.first(class, form, digit)
                    }
                    vocabulary::Token::Later(level, digit) => vocabulary.later(level, digit),
                    vocabulary::Token::Command(command) => vocabulary.command(command).unwrap(),
                    vocabulary::Token::Number(number) => vocabulary.number(number),
                };
                assert_eq!(back, id);
            }
            let texts: BTreeSet<String> = (0..tokenizer.vocab_size() as i32)
                .map(|id| tokenizer.describe(id))
                .collect();
            assert_eq!(texts.len(), tokenizer.vocab_size() as usize);
        }
    }
}
