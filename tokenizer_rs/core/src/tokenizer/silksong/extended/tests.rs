//! Hand-made shapes through the extended level, and random sequences.

use crate::mesh::quantize::quantize;
use crate::mesh::{Face, GridMesh};
use crate::repair::{check_guarantees, Repairs};
use crate::testing::{cube, end_sequence, random_below};
use crate::tokenizer::silksong::{Conformance, Encoding, Silksong, VertexMode};
use crate::tokenizer::{decodes_to, TokenMask};
use crate::{Limits, Tokenizer, TriangleMesh};

fn encoded(tokenizer: &Silksong, vertices: Vec<[f64; 3]>, faces: Vec<Face>) -> Encoding {
    let mesh = TriangleMesh { vertices, faces };
    let encoding = tokenizer.encode_in_detail(&Repairs::new(&mesh)).unwrap();
    let on_grid = GridMesh {
        vertices: encoding.vertices.clone(),
        faces: encoding.faces.clone(),
    };
    assert_eq!(
        encoding.is_exact(),
        decodes_to(tokenizer, &encoding.tokens, &on_grid)
    );
    encoding
}

fn exact(vertices: Vec<[f64; 3]>, faces: Vec<Face>) -> Encoding {
    let n_faces = faces.len();
    let encoding = encoded(&Silksong::default(), vertices, faces);
    assert!(encoding.is_exact());
    assert_eq!(encoding.faces.len(), n_faces);
    encoding
}

/// Number of tokens that name bits of options.
fn n_option_tokens(encoding: &Encoding) -> usize {
    encoding
        .tokens
        .iter()
        .filter(|t| (3..11).contains(*t))
        .count()
}

fn on_circle(i: usize, n: usize, radius: f64) -> [f64; 2] {
    let angle = i as f64 / n as f64 * std::f64::consts::TAU;
    [radius * angle.cos(), radius * angle.sin()]
}

/// Rings of `n` vertices above each other, joined by bands of triangles.
fn tube(n: usize, n_rings: usize) -> (Vec<[f64; 3]>, Vec<Face>) {
    let mut vertices = Vec::new();
    let mut faces = Vec::new();
    for ring in 0..n_rings {
        for i in 0..n {
            let [x, z] = on_circle(i, n, 0.9);
            vertices.push([x, 1.6 * ring as f64 / n_rings as f64 - 0.8, z]);
            if ring > 0 {
                let j = (i + 1) % n;
                let [a, b] = [(ring - 1) * n + i, (ring - 1) * n + j].map(|v| v as u32);
                let [c, d] = [ring * n + i, ring * n + j].map(|v| v as u32);
                faces.extend([[a, c, b], [b, c, d]]);
            }
        }
    }
    (vertices, faces)
}

/// A fan of `n` triangles around vertex 0.
fn fan(n: usize) -> (Vec<[f64; 3]>, Vec<Face>) {
    let mut vertices = vec![[0.0; 3]];
    vertices.extend((0..n).map(|i| {
        // A zigzag, so that no two vertices fall into one bin.
        let [x, z] = on_circle(i, n, if i % 2 == 0 { 0.9 } else { 0.7 });
        [x, if i % 4 < 2 { 0.3 } else { -0.3 }, z]
    }));
    let face = |i: usize| [0, (i + 1) as u32, ((i + 1) % n + 1) as u32];
    (vertices, (0..n).map(face).collect())
}

#[test]
fn a_tube_of_three_gets_no_caps() {
    for n_rings in 2..6 {
        let (vertices, faces) = tube(3, n_rings);
        let encoding = exact(vertices, faces);
        assert_eq!(encoding.sequence_vertices.len(), 3 * n_rings);
        // The two ends are holes that look like faces.
        assert!(n_option_tokens(&encoding) <= 2);
    }
}

#[test]
fn an_open_cube_stays_open_wherever_it_is_open() {
    let (vertices, faces) = cube();
    exact(vertices.clone(), faces.clone());
    for missing in 0..12 {
        let mut open = faces.clone();
        open.remove(missing);
        exact(vertices.clone(), open.clone());
        for second in 0..11 {
            let mut more = open.clone();
            more.remove(second);
            exact(vertices.clone(), more);
        }
    }
}

#[test]
fn a_torus_comes_back() {
    for (n, m) in [(3, 3), (3, 4), (5, 7), (12, 20)] {
        let mut vertices = Vec::new();
        let mut faces = Vec::new();
        for i in 0..n {
            for j in 0..m {
                let [r, y] = on_circle(i, n, 0.3);
                let [x, z] = on_circle(j, m, 0.6 + r);
                vertices.push([x, y, z]);
                let at = |i: usize, j: usize| ((i % n) * m + j % m) as u32;
                let [a, b] = [at(i, j), at(i, j + 1)];
                let [c, d] = [at(i + 1, j), at(i + 1, j + 1)];
                faces.extend([[a, b, c], [b, d, c]]);
            }
        }
        exact(vertices, faces);
    }
}

#[test]
fn small_and_several_components_are_kept() {
    let (mut vertices, mut faces) = cube();
    for p in &mut vertices {
        p[0] = p[0] / 4.0 - 0.6;
    }
    vertices.extend([
        [0.5, 0.0, 0.0],
        [0.9, 0.0, 0.0],
        [0.5, 0.5, 0.0],
        [0.9, 0.5, 0.3],
    ]);
    faces.extend([[8, 9, 10], [9, 11, 10]]);
    vertices.extend([[0.1, 0.0, 0.0], [0.2, 0.0, 0.0], [0.3, 0.0, 0.0]]);
    // Its corners lie on a line, and it is kept all the same.
    faces.push([12, 13, 14]);
    let encoding = exact(vertices.clone(), faces.clone());
    assert_eq!(encoding.component_valid, [true; 3]);
    let dropping = Silksong::default().with_drop_collinear(true);
    assert_eq!(
        encoded(&dropping, vertices.clone(), faces.clone())
            .faces
            .len(),
        14
    );
    let limits = Limits {
        min_component_faces: 2,
        ..Conformance::Extended.limits()
    };
    let demanding = Silksong::new(128, VertexMode::Xyz, Conformance::Extended, limits).unwrap();
    let encoding = encoded(&demanding, vertices, faces);
    assert_eq!(encoding.component_valid.iter().filter(|&&v| v).count(), 2);
    assert!(!encoding.is_exact());
}

#[test]
fn a_moebius_band_is_cut_by_the_repair() {
    let n = 9;
    let mut vertices = Vec::new();
    for i in 0..n {
        let angle = i as f64 / n as f64 * std::f64::consts::PI;
        for side in [-0.25, 0.25] {
            let [x, z] = on_circle(i, n, 0.6 + side * angle.cos());
            vertices.push([x, side * angle.sin(), z]);
        }
    }
    let mut faces = Vec::new();
    for i in 0..n {
        let [a, b] = [2 * i, 2 * i + 1];
        let [c, d] = if i + 1 < n { [a + 2, b + 2] } else { [1, 0] };
        faces.extend([[a, b, c], [b, d, c]].map(|face| face.map(|v| v as u32)));
    }
    let encoding = exact(vertices, faces);
    assert_eq!(encoding.statistics.nonmani_gen, 2);
}

#[test]
fn long_layers_are_cut() {
    let (vertices, faces) = fan(450);
    let limits = Conformance::Extended.limits();
    let tokenizer = Silksong::new(1024, VertexMode::Xyz, Conformance::Extended, limits).unwrap();
    let encoding = encoded(&tokenizer, vertices, faces);
    assert!(encoding.is_exact());
    assert_eq!(encoding.faces.len(), 450);
    assert!(encoding.statistics.max_lv <= 200);
    let round_trip = encoding.statistics.round_trip.unwrap();
    assert!(round_trip.n_cuts > 1);
    assert!(encoding.statistics.cc_num > round_trip.n_cuts);
}

#[test]
fn too_many_layers_are_cut() {
    let (vertices, faces) = tube(4, 12);
    let mut limits = Conformance::Extended.limits();
    limits.set("layer_number_limit", 5).unwrap();
    let tokenizer = Silksong::new(128, VertexMode::Xyz, Conformance::Extended, limits).unwrap();
    let encoding = encoded(&tokenizer, vertices.clone(), faces.clone());
    assert!(encoding.is_exact());
    assert!(encoding.statistics.max_l < 5 && encoding.statistics.cc_num > 1);
    let mut limits = Conformance::Extended.limits();
    limits.set("layer_number_limit", 1).unwrap();
    let tokenizer = Silksong::new(128, VertexMode::Xyz, Conformance::Extended, limits).unwrap();
    let error = tokenizer
        .encode(&TriangleMesh { vertices, faces })
        .unwrap_err();
    assert_eq!(error.code(), "LAYER_NUMBER_LIMIT");
}

/// A disc whose hub, vertex 0, has `n` spokes; one triangle at the hub is left out. Only its number among the
/// rings of the hub tells that hole from a face.
fn wheel_with_hole(n: usize, height: f64) -> (Vec<[f64; 3]>, Vec<Face>) {
    let mut vertices = vec![[0.0, height, 0.0]];
    for radius in [0.7, 0.9] {
        vertices.extend((0..n).map(|i| {
            let [x, z] = on_circle(i, n, radius);
            [x, height, z]
        }));
    }
    let mut faces = Vec::new();
    for i in 0..n {
        let j = (i + 1) % n;
        let [a, b, c, d] = [1 + i, 1 + j, 1 + n + i, 1 + n + j].map(|v| v as u32);
        if i != 5 {
            faces.push([0, a, b]);
        }
        faces.extend([[b, a, c], [b, c, d]]);
    }
    (vertices, faces)
}

#[test]
fn what_cannot_be_named_is_tried_from_elsewhere() {
    let n = 700;
    let mut limits = Conformance::Extended.limits();
    limits.set("layer_vertex_limit", 3000).unwrap();
    let tokenizer = Silksong::new(1024, VertexMode::Xyz, Conformance::Extended, limits).unwrap();
    let (mut vertices, mut faces) = wheel_with_hole(n, -0.5);
    let encoding = encoded(&tokenizer, vertices.clone(), faces.clone());
    assert!(encoding.is_exact());
    assert_eq!(encoding.statistics.round_trip.unwrap().n_tries, 2);

    // Of two such wheels only one hub can be the start.
    let (other, more) = wheel_with_hole(n, 0.5);
    let first = vertices.len() as u32;
    vertices.extend(other);
    faces.extend(more.iter().map(|face| face.map(|v| v + first)));
    let [a, b] = [1 + n + 355, 1 + n + 356].map(|v| v as u32);
    faces.extend([[b, a, first + b], [b, first + b, first + a]]);
    let encoding = encoded(&tokenizer, vertices, faces);
    assert!(!encoding.is_exact());
    let round_trip = encoding.statistics.round_trip.unwrap();
    assert_eq!(round_trip.n_inexact_components, 1);
    assert_eq!(round_trip.extra_faces, 1);
    assert!(round_trip.n_tries > 2);
}

#[test]
fn a_vertex_of_high_valence_and_an_edge_of_many_faces_are_taken() {
    let (vertices, faces) = fan(150);
    exact(vertices, faces);
    let mut vertices = vec![[0.0, -0.5, 0.0], [0.0, 0.5, 0.0]];
    vertices.extend((0..7).map(|i| {
        let [x, z] = on_circle(i, 7, 0.8);
        [x, 0.0, z]
    }));
    exact(vertices, (2..9).map(|v| [0, 1, v]).collect());
}

/// A sequence the grammar allows. Classes of tokens are drawn first, so that layers grow.
fn random_sequence(tokenizer: &Silksong, budget: usize, seed: &mut u64) -> Vec<i32> {
    let mut state = tokenizer.grammar();
    let mut tokens = Vec::new();
    while tokens.len() + state.tokens_to_end() < budget {
        let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
        state.allowed(&mut mask);
        let choices: Vec<i32> = mask.iter().collect();
        let low = choices
            .iter()
            .position(|&token| token >= 459)
            .unwrap_or(choices.len());
        let (rare, usual) = choices.split_at(low);
        let is_rare = usual.is_empty() || (!rare.is_empty() && random_below(seed, 4) == 0);
        let among = if is_rare { rare } else { usual };
        let token = among[random_below(seed, among.len())];
        state.advance(token).unwrap();
        tokens.push(token);
    }
    end_sequence(state.as_mut(), &mut tokens);
    tokens
}

#[test]
fn what_the_grammar_allows_is_manifold() {
    let mut seed = 11;
    let mut n_faces = 0;
    for mode in [VertexMode::BlockOffset, VertexMode::Xyz] {
        let limits = Conformance::Extended.limits();
        let tokenizer = Silksong::new(128, mode, Conformance::Extended, limits).unwrap();
        for i in 0..300 {
            let tokens = random_sequence(&tokenizer, 40 + 4 * i, &mut seed);
            let mesh = tokenizer.decode(&tokens).unwrap();
            check_guarantees(mesh.vertices.len(), &mesh.faces).unwrap();
            n_faces += mesh.faces.len();
        }
    }
    assert!(n_faces > 1000, "{n_faces}");
}

#[test]
fn a_damaged_sequence_loses_little() {
    let (vertices, faces) = tube(12, 10);
    let encoding = exact(vertices, faces);
    let tokenizer = Silksong::default();
    let mut n_worst = usize::MAX;
    for at in 0..encoding.tokens.len() {
        // Another window code of the same column, or another head.
        let mut tokens = encoding.tokens.clone();
        tokens[at] = match tokens[at] {
            token @ 203..=457 => token + 1,
            token @ 459..=5657 => token + 1,
            token => token,
        };
        let mesh = tokenizer.decode(&tokens).unwrap();
        check_guarantees(mesh.vertices.len(), &mesh.faces).unwrap();
        n_worst = n_worst.min(mesh.faces.len());
    }
    assert!(n_worst > encoding.faces.len() / 2, "{n_worst}");
}

#[test]
fn a_sequence_that_breaks_off_keeps_its_closed_layers() {
    let (vertices, faces) = tube(8, 6);
    let encoding = exact(vertices, faces);
    let tokenizer = Silksong::default();
    for n in 0..encoding.tokens.len() {
        let mesh = tokenizer.decode(&encoding.tokens[..n]).unwrap();
        check_guarantees(mesh.vertices.len(), &mesh.faces).unwrap();
        assert!(mesh.faces.len() < encoding.faces.len());
        assert!(n < 200 || mesh.faces.len() > 20);
    }
    let on_grid: Vec<_> = tokenizer
        .decode(&encoding.tokens)
        .unwrap()
        .vertices
        .iter()
        .map(|p| quantize(p, 128))
        .collect();
    let sequence = encoding.sequence_vertices.iter();
    let written: Vec<_> = sequence.map(|&v| encoding.vertices[v as usize]).collect();
    assert_eq!(on_grid, written);
}
