//! The guarantees of the repair over triangle soups and small complexes, by a slow oracle of its own.

use std::collections::{BTreeMap, BTreeSet};

use meshloom_tokenizer_core::mesh::{Face, GridMesh, GridPoint};
use meshloom_tokenizer_core::repair::{
    check_guarantees, repair, repair_grid_mesh, RepairOptions, RepairedGrid,
};
use meshloom_tokenizer_core::TriangleMesh;

const WELD: RepairOptions = RepairOptions {
    resolution: None,
    weld: true,
    drop_collinear: false,
    outward: false,
};
const KEEP: RepairOptions = RepairOptions {
    weld: false,
    ..WELD
};
const OUTWARD: RepairOptions = RepairOptions {
    outward: true,
    ..WELD
};

/// Pseudo-random numbers (Marsaglia, Xorshift RNGs, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Asserts what a result must be by itself, pair by pair.
fn assert_manifold(n_vertices: usize, faces: &[Face]) {
    let mut directions: BTreeMap<BTreeSet<u32>, Vec<(u32, u32)>> = BTreeMap::new();
    let mut corner_sets = BTreeSet::new();
    for &[a, b, c] in faces {
        let corners = BTreeSet::from([a, b, c]);
        assert_eq!(corners.len(), 3, "a corner twice");
        assert!(
            corner_sets.insert(corners),
            "two faces with the same corners"
        );
        for (start, end) in [(a, b), (b, c), (c, a)] {
            let edge = BTreeSet::from([start, end]);
            directions.entry(edge).or_default().push((start, end));
        }
    }
    for uses in directions.values() {
        match uses[..] {
            [_] => {}
            [(start, end), other] => assert_eq!(other, (end, start), "two faces run alike"),
            _ => panic!("{} faces at an edge", uses.len()),
        }
    }
    for v in 0..n_vertices as u32 {
        let mut rest: Vec<&Face> = faces.iter().filter(|face| face.contains(&v)).collect();
        let mut fan = vec![rest.pop().expect("a vertex without a face")];
        while let Some(face) = fan.pop() {
            let is_neighbour =
                |other: &&Face| other.iter().filter(|&w| face.contains(w)).count() == 2;
            fan.extend(rest.iter().copied().filter(is_neighbour));
            rest.retain(|other| !is_neighbour(other));
        }
        assert!(rest.is_empty(), "several fans at vertex {v}");
    }
}

type Triple = [GridPoint; 3];

/// The same triangle, the least corner first.
fn rotated(mut triple: Triple) -> Triple {
    let least = (0..3).min_by_key(|&i| triple[i]).unwrap();
    triple.rotate_left(least);
    triple
}

fn triple(mesh: &GridMesh, face: Face) -> Triple {
    rotated(face.map(|v| mesh.vertices[v as usize]))
}

/// Asserts that the result holds each triangle of the input once and that the log accounts for the rest.
fn assert_faithful(mesh: &GridMesh, repaired: &RepairedGrid) {
    let as_set = |triple: Triple| BTreeSet::from(triple);
    let wanted: BTreeSet<BTreeSet<GridPoint>> = mesh
        .faces
        .iter()
        .map(|&face| as_set(triple(mesh, face)))
        .filter(|set| set.len() == 3)
        .collect();
    let found: Vec<BTreeSet<GridPoint>> = repaired
        .mesh
        .faces
        .iter()
        .map(|&face| as_set(triple(&repaired.mesh, face)))
        .collect();
    assert_eq!(found.len(), wanted.len());
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), wanted);

    let log = &repaired.log;
    let mut accounted: Vec<u32> = repaired.source_face.clone();
    accounted.extend(&log.degenerate_faces);
    accounted.extend(log.duplicate_faces.iter().map(|pair| pair[0]));
    accounted.sort_unstable();
    assert_eq!(accounted, (0..mesh.faces.len() as u32).collect::<Vec<_>>());
    for (&face, &source) in repaired.mesh.faces.iter().zip(&repaired.source_face) {
        let mut given = mesh.faces[source as usize];
        if log.flipped_faces.contains(&source) {
            given.swap(1, 2);
        }
        assert_eq!(triple(&repaired.mesh, face), triple(mesh, given));
    }
    for (position, &source) in repaired.mesh.vertices.iter().zip(&repaired.source_vertex) {
        let first = mesh.vertices.iter().position(|p| p == position).unwrap();
        assert_eq!(first, source as usize);
    }
    let positions: BTreeSet<GridPoint> = repaired.mesh.vertices.iter().copied().collect();
    assert_eq!(
        repaired.mesh.vertices.len(),
        positions.len() + log.n_copies()
    );
}

/// Asserts everything that must hold for any input. Returns the result.
fn assert_all(mesh: &GridMesh, random: &mut Random) -> RepairedGrid {
    let repaired = repair_grid_mesh(mesh, &WELD).unwrap();
    assert_manifold(repaired.mesh.vertices.len(), &repaired.mesh.faces);
    assert_faithful(mesh, &repaired);
    let n_flipped = repaired.log.flipped_faces.len();
    assert!(
        2 * n_flipped <= repaired.mesh.faces.len(),
        "against the majority"
    );

    let again = repair_grid_mesh(&repaired.mesh, &WELD).unwrap();
    assert_eq!(again.mesh, repaired.mesh, "welded again");
    assert_eq!(
        again.log.n_dropped_faces() + again.log.flipped_faces.len(),
        0
    );
    let unwelded = repair_grid_mesh(&repaired.mesh, &KEEP).unwrap();
    assert_eq!(unwelded.mesh, repaired.mesh, "looked at again");
    assert!(unwelded.log.is_empty(), "{:?}", unwelded.log);

    let shuffled = relabelled(mesh, random);
    assert_eq!(
        repair_grid_mesh(&shuffled, &WELD).unwrap().mesh,
        repaired.mesh,
        "shuffled"
    );

    repaired
}

/// Asserts the same of the other options, and that real numbers make no difference.
fn assert_options(mesh: &GridMesh, random: &mut Random) {
    let shuffled = relabelled(mesh, random);
    let outward = repair_grid_mesh(mesh, &OUTWARD).unwrap();
    assert_manifold(outward.mesh.vertices.len(), &outward.mesh.faces);
    assert_faithful(mesh, &outward);
    let again = repair_grid_mesh(&outward.mesh, &OUTWARD).unwrap();
    assert_eq!(again.mesh, outward.mesh, "outward again");
    let shuffled = repair_grid_mesh(&shuffled, &OUTWARD).unwrap();
    assert_eq!(shuffled.mesh, outward.mesh, "outward, shuffled");

    let kept = repair_grid_mesh(mesh, &KEEP).unwrap();
    assert_manifold(kept.mesh.vertices.len(), &kept.mesh.faces);
    let again = repair_grid_mesh(&kept.mesh, &KEEP).unwrap();
    assert_eq!(again.mesh, kept.mesh, "not welded, again");
    assert!(again.log.is_empty());

    let real = TriangleMesh {
        vertices: mesh.vertices.iter().map(|p| p.map(f64::from)).collect(),
        faces: mesh.faces.clone(),
    };
    let real = repair(&real, &WELD).unwrap();
    let repaired = repair_grid_mesh(mesh, &WELD).unwrap();
    assert_eq!(real.faces, repaired.mesh.faces, "the same in real numbers");
    assert_eq!(real.log, repaired.log);
}

/// The same triangles with vertices and faces in another order and faces starting at another corner.
fn relabelled(mesh: &GridMesh, random: &mut Random) -> GridMesh {
    let mut order: Vec<usize> = (0..mesh.vertices.len()).collect();
    random.shuffle(&mut order);
    let mut number = vec![0; order.len()];
    for (new, &old) in (0..).zip(&order) {
        number[old] = new;
    }
    let mut faces: Vec<Face> = mesh
        .faces
        .iter()
        .map(|face| {
            let mut face = face.map(|v| number[v as usize]);
            face.rotate_left(random.below(3));
            face
        })
        .collect();
    random.shuffle(&mut faces);
    GridMesh {
        vertices: order.iter().map(|&v| mesh.vertices[v]).collect(),
        faces,
    }
}

/// Points in general enough a position: no two equal.
fn points(n: usize) -> Vec<GridPoint> {
    let n = n as i32;
    (0..n).map(|i| [i * i % 17, (7 * i) % 13, i]).collect()
}

fn complex(n_vertices: usize, faces: impl IntoIterator<Item = Face>) -> GridMesh {
    GridMesh {
        vertices: points(n_vertices),
        faces: faces.into_iter().collect(),
    }
}

fn repaired(mesh: &GridMesh) -> RepairedGrid {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    assert_options(mesh, &mut random);
    assert_all(mesh, &mut random)
}

/// A rectangle of squares, two triangles each, whose vertices are named by `vertex`.
fn squares(width: u32, height: u32, vertex: impl Fn(u32, u32) -> u32) -> Vec<Face> {
    let mut faces = Vec::new();
    for x in 0..width {
        for y in 0..height {
            let [a, b, c, d] =
                [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| vertex(x, y));
            faces.extend([[a, b, c], [a, c, d]]);
        }
    }
    faces
}

const TETRAHEDRON: [Face; 4] = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];

fn moved(faces: &[Face], by: [u32; 4]) -> Vec<Face> {
    faces
        .iter()
        .map(|face| face.map(|v| by[v as usize]))
        .collect()
}

#[test]
fn ten_thousand_soups() {
    let mut random = Random(88_172_645_463_325_252);
    for i in 0..10_000 {
        let n_vertices = 3 + random.below(9);
        let size = 2 + random.below(5);
        let vertices = (0..n_vertices)
            .map(|_| [0; 3].map(|_: i32| random.below(size) as i32))
            .collect();
        let n_faces = random.below(40);
        let faces = (0..n_faces)
            .map(|_| [0; 3].map(|_: u32| random.below(n_vertices) as u32))
            .collect();
        let mesh = GridMesh { vertices, faces };
        assert_all(&mesh, &mut random);
        if i % 4 == 0 {
            assert_options(&mesh, &mut random);
        }
    }
}

/// Soups in which no edge has more than two faces: mostly one-sided, with pinched vertices.
#[test]
fn soups_of_two_faces_an_edge() {
    let mut random = Random(2_463_534_242_463_534_242);
    let mut n_cut = 0;
    for _ in 0..2_000 {
        let n_vertices = 5 + random.below(8);
        let mut n_uses = BTreeMap::new();
        let mut faces: Vec<Face> = Vec::new();
        for _ in 0..100 {
            let face = [0; 3].map(|_: u32| random.below(n_vertices) as u32);
            let [a, b, c] = face;
            let edges = [[a, b], [b, c], [c, a]].map(BTreeSet::from);
            let is_free =
                |edge: &BTreeSet<u32>| edge.len() == 2 && n_uses.get(edge).is_none_or(|&n| n < 2);
            if edges.iter().all(is_free) {
                edges
                    .into_iter()
                    .for_each(|edge| *n_uses.entry(edge).or_insert(0) += 1);
                faces.push(face);
            }
        }
        let mesh = complex(n_vertices, faces);
        let result = assert_all(&mesh, &mut random);
        assert_options(&mesh, &mut random);
        n_cut += usize::from(!result.log.cut_loops.is_empty());
    }
    assert!(n_cut > 500, "{n_cut} one-sided soups");
}

#[test]
fn a_manifold_stays_as_it_is() {
    let torus = complex(20, squares(5, 4, |x, y| 4 * (x % 5) + y % 4));
    for mesh in [
        complex(4, TETRAHEDRON),
        torus,
        complex(6, squares(2, 1, |x, y| 2 * x + y)),
    ] {
        let result = repaired(&mesh);
        assert!(result.log.is_empty(), "{:?}", result.log);
    }
    assert_eq!(repaired(&complex(0, [])).mesh, GridMesh::default());
}

#[test]
fn a_turned_face_is_turned_back() {
    for turned in 0..4 {
        let mut faces = TETRAHEDRON;
        faces[turned].swap(0, 1);
        assert_eq!(
            repaired(&complex(4, faces)).log.flipped_faces,
            [turned as u32]
        );
    }
}

#[test]
fn moebius_strips_are_cut_across_once() {
    // With an even number of triangles the strip is a plain band.
    for n in (5..14).step_by(2) {
        let strip = complex(n as usize, (0..n).map(|i| [i, (i + 1) % n, (i + 2) % n]));
        let log = repaired(&strip).log;
        assert_eq!((log.cut_loops.len(), log.n_copies()), (1, 2), "{n}");
    }
}

#[test]
fn one_sided_closed_surfaces_are_cut() {
    // Left and right glued straight, bottom and top glued with a turn.
    let klein_bottle = squares(4, 4, |x, y| {
        let x = if y == 4 { 8 - x } else { x };
        4 * (x % 4) + y % 4
    });
    let log = repaired(&complex(16, klein_bottle)).log;
    assert!(
        (1..=12).contains(&log.cut_loops.len()),
        "{:?}",
        log.cut_loops
    );
    assert!(log.cut_edges.is_empty() && log.detached_faces.is_empty());
    // The projective plane of six vertices.
    let plane = [
        [0, 1, 2],
        [0, 2, 3],
        [0, 3, 4],
        [0, 4, 5],
        [0, 5, 1],
        [1, 2, 4],
        [2, 3, 5],
        [3, 4, 1],
        [4, 5, 2],
        [5, 1, 3],
    ];
    assert!(!repaired(&complex(6, plane)).log.cut_loops.is_empty());
}

#[test]
fn two_tetrahedra_come_apart_where_they_touch() {
    let joined = |other: [u32; 4]| {
        let mut faces = TETRAHEDRON.to_vec();
        faces.extend(moved(&TETRAHEDRON, other));
        repaired(&complex(8, faces))
    };
    let vertex = joined([0, 4, 5, 6]);
    assert_eq!(vertex.log.copied_vertices, [[0, 1]]);
    let edge = joined([0, 4, 1, 5]);
    assert_eq!((edge.log.n_copies(), edge.log.cut_edges.len()), (2, 1));
    assert_eq!(edge.log.detached_faces, Vec::<[u32; 2]>::new());
    // The shared face is there once, in the more frequent or the straight direction.
    let face = joined([0, 1, 2, 4]);
    assert_eq!(
        (face.mesh.faces.len(), face.log.duplicate_faces.len()),
        (7, 1)
    );
}

#[test]
fn books_and_cones() {
    let book = repaired(&complex(9, (2..9).map(|page| [0, 1, page])));
    assert_eq!((book.log.cut_edges.len(), book.log.n_copies()), (1, 12));
    let long_book = repaired(&complex(100, (2..100).map(|page| [0, 1, page])));
    assert_eq!(long_book.log.n_copies(), 2 * 97);
    for n in [5, 6, 7] {
        let pairs = (1..=n).flat_map(|a| (a + 1..=n).map(move |b| [0, a, b]));
        repaired(&complex(n as usize + 1, pairs));
    }
}

#[test]
fn every_triangle_of_a_few_vertices() {
    for n in 4..9_u32 {
        let triangles =
            (0..n).flat_map(|a| (a + 1..n).flat_map(move |b| (b + 1..n).map(move |c| [a, b, c])));
        repaired(&complex(n as usize, triangles));
    }
}

#[test]
fn of_a_stack_of_duplicates_one_stays() {
    let stack = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2]];
    let result = repaired(&complex(3, stack));
    assert_eq!(
        (result.mesh.faces.len(), result.log.duplicate_faces.len()),
        (1, 4)
    );
    assert_eq!(result.source_face, [0]);
}

#[test]
fn collinear_faces_are_dropped_on_request() {
    let mesh = GridMesh {
        vertices: vec![[0, 0, 0], [1, 1, 1], [3, 3, 3], [0, 1, 0]],
        faces: vec![[0, 1, 2], [0, 1, 3]],
    };
    assert_eq!(repaired(&mesh).mesh.faces.len(), 2);
    let options = RepairOptions {
        drop_collinear: true,
        ..WELD
    };
    let result = repair_grid_mesh(&mesh, &options).unwrap();
    assert_eq!(result.log.collinear_faces, [0]);
    assert_eq!(result.log.unreferenced_vertices, [2]);
    assert_eq!(result.source_face, [1]);
}

#[test]
fn outward_encloses_a_positive_volume() {
    let turned: Vec<Face> = TETRAHEDRON.iter().map(|&[a, b, c]| [a, c, b]).collect();
    let vertices = vec![[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 4]];
    let volumes = [TETRAHEDRON.to_vec(), turned].map(|faces| {
        let vertices = vertices.clone();
        let result = repair_grid_mesh(&GridMesh { vertices, faces }, &OUTWARD).unwrap();
        let corner = |v: u32| result.mesh.vertices[v as usize];
        let volume = |[a, b, c]: [GridPoint; 3]| -> i32 {
            (0..3)
                .map(|i| a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3]))
                .sum()
        };
        result
            .mesh
            .faces
            .iter()
            .map(|face| volume(face.map(corner)))
            .sum::<i32>()
    });
    assert_eq!(volumes, [64, 64]);
}

#[test]
fn bad_input_is_refused() {
    let missing = complex(3, [[0, 1, 3]]);
    assert_eq!(
        repair_grid_mesh(&missing, &WELD).unwrap_err().code(),
        "INVALID_INPUT"
    );
    let mesh = |x: f64| TriangleMesh {
        vertices: vec![[0.0; 3], [x, 0.0, 0.0], [0.0, 1.0, 0.0]],
        faces: vec![[0, 1, 2]],
    };
    assert_eq!(
        repair(&mesh(f64::NAN), &WELD).unwrap_err().code(),
        "INVALID_INPUT"
    );
    assert!(repair(&mesh(1e300), &WELD).is_ok());
    for (x, resolution) in [(2.0, 128), (1.0, 0), (1.0, 1), (1.0, u32::MAX)] {
        let options = RepairOptions {
            resolution: Some(resolution),
            ..WELD
        };
        assert_eq!(
            repair(&mesh(x), &options).unwrap_err().code(),
            "INVALID_INPUT"
        );
    }
}

#[test]
fn quantising_welds_what_falls_together() {
    let mesh = TriangleMesh {
        vertices: vec![
            [-0.5, 0.0, 0.0],
            [0.5, 0.0, 0.0],
            [0.0, 0.5, 0.0],
            [0.5, 1e-4, 0.0],
            [0.0, -0.5, 0.0],
        ],
        faces: vec![[0, 1, 2], [3, 0, 4], [1, 3, 2]],
    };
    let options = RepairOptions {
        resolution: Some(128),
        ..WELD
    };
    let result = repair(&mesh, &options).unwrap();
    assert_eq!((result.vertices.len(), result.faces.len()), (4, 2));
    assert_eq!(result.log.welded_vertices, [[3, 1]]);
    assert_eq!(result.log.degenerate_faces, [2]);
    assert_eq!(check_guarantees(4, &result.faces), Ok(()));
    let again = repair(
        &TriangleMesh {
            vertices: result.vertices.clone(),
            faces: result.faces.clone(),
        },
        &options,
    );
    let again = again.unwrap();
    assert_eq!(
        (again.vertices, again.faces),
        (result.vertices, result.faces)
    );
}
