//! Cleaning on the grid: weld equal points, drop degenerate and repeated faces.
//!
//! Nothing is renumbered: welded vertices stay in the list as dead entries and the first index with a
//! position stands for all of them.

use super::half_edge::{HalfEdges, CROWDED, NONE};
use super::quantize::{dequantize, quantize};
use super::radix_sort::{bits_of, sort_by_key};
use super::{Face, GridPoint, TriangleMesh};

/// Faces smaller than this are dropped, in units of the `[-1, 1]` cube.
const MIN_AREA: f64 = 1e-5;

/// A mesh on the grid, with the counts of what cleaning did.
#[derive(Debug, Clone, Default)]
pub struct CleanMesh {
    /// Grid position of every input vertex.
    pub vertices: Vec<GridPoint>,
    /// Remaining faces in input order.
    pub faces: Vec<Face>,
    /// How the remaining faces meet.
    pub half_edges: HalfEdges,
    /// Vertices whose position had been seen before.
    pub n_merged_vertices: usize,
    /// Faces in which a corner was replaced by the first vertex at its position.
    pub n_replaced_faces: usize,
    /// Faces with fewer than three distinct corners, or no area.
    pub n_degenerate_faces: usize,
    /// Faces with the same three corners as an earlier one, in any order.
    pub n_repeated_faces: usize,
}

/// Quantises and cleans a mesh. Cost O(n), with repeated faces O(n log n).
pub fn clean(mesh: &TriangleMesh, resolution: u32) -> CleanMesh {
    let vertices: Vec<GridPoint> = mesh
        .vertices
        .iter()
        .map(|p| quantize(p, resolution))
        .collect();
    let first = first_at_position(&vertices, resolution);
    let n_merged_vertices = first
        .iter()
        .enumerate()
        .filter(|&(v, &f)| v != f as usize)
        .count();

    let mut n_replaced_faces = 0;
    let mut n_degenerate_faces = 0;
    let has_area = AreaTest::new(resolution);
    let mut faces = Vec::with_capacity(mesh.faces.len());
    for face in &mesh.faces {
        let welded = face.map(|v| first[v as usize]);
        n_replaced_faces += usize::from(welded != *face);
        if has_repeated_corner(&welded) || !has_area.passes(welded.map(|v| &vertices[v as usize])) {
            n_degenerate_faces += 1;
        } else {
            faces.push(welded);
        }
    }
    drop(first);
    let mut half_edges = HalfEdges::new(vertices.len(), &faces);
    let repeated = repeated_faces(&faces, &half_edges);
    if !repeated.is_empty() {
        let mut index = 0;
        faces.retain(|_| {
            index += 1;
            repeated.binary_search(&(index - 1)).is_err()
        });
        half_edges = HalfEdges::new(vertices.len(), &faces);
    }
    CleanMesh {
        vertices,
        faces,
        half_edges,
        n_merged_vertices,
        n_replaced_faces,
        n_degenerate_faces,
        n_repeated_faces: repeated.len(),
    }
}

/// For each vertex the lowest index of one at the same position.
fn first_at_position(vertices: &[GridPoint], resolution: u32) -> Vec<u32> {
    let bits = bits_of(resolution.saturating_sub(1));
    let key = |p: &GridPoint| p.iter().fold(0, |key, &x| key << bits | x as u64);
    let items = vertices.iter().map(key).zip(0..).collect();
    let sorted = sort_by_key(items, 3 * bits);
    let mut first = vec![0; vertices.len()];
    let mut current = (u64::MAX, 0);
    for (key, v) in sorted {
        if key != current.0 {
            current = (key, v);
        }
        first[v as usize] = current.1;
    }
    first
}

/// The faces with the same corners as an earlier one, in ascending order.
///
/// A repeated face shares all its edges with the first, so a face with a boundary edge or with two different
/// neighbours has no double and need not be compared.
pub fn repeated_faces(faces: &[Face], half_edges: &HalfEdges) -> Vec<u32> {
    let may_repeat = |opposite: &[u32]| {
        let mut others = opposite.iter().filter(|&&o| o != CROWDED).map(|&o| o / 3);
        let other = others.next();
        !opposite.contains(&NONE) && others.all(|f| Some(f) == other)
    };
    let mut candidates: Vec<(Face, u32)> = (0..)
        .zip(half_edges.opposite.chunks_exact(3))
        .filter(|(_, opposite)| may_repeat(opposite))
        .map(|(f, _)| (sorted(&faces[f as usize]), f))
        .collect();
    candidates.sort_unstable();
    let mut repeated: Vec<u32> = candidates
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| pair[1].1)
        .collect();
    repeated.sort_unstable();
    repeated
}

/// For each item the lowest index of an equal one.
///
/// Items fall into buckets by a fixed hash and are sorted there: O(n), and O(n log n) for hostile input that
/// falls into one bucket.
pub fn first_of_equal(items: &[[u32; 3]]) -> Vec<u32> {
    let bits = bits_of(items.len() as u32).max(1);
    let bucket = |item: &[u32; 3]| (hash(item) >> (u64::BITS - bits)) as usize;
    let mut ends = vec![0_u32; (1 << bits) + 1];
    for item in items {
        ends[bucket(item) + 1] += 1;
    }
    for i in 1..ends.len() {
        ends[i] += ends[i - 1];
    }
    let mut members = vec![0_u32; items.len()];
    for (i, item) in (0..).zip(items) {
        let place = &mut ends[bucket(item)];
        members[*place as usize] = i;
        *place += 1;
    }
    // Now every start has moved to the end of its bucket.
    let mut first = vec![0; items.len()];
    let mut start = 0;
    for &end in &ends[..1 << bits] {
        let members = &mut members[start..end as usize];
        start = end as usize;
        if let [alone] = *members {
            first[alone as usize] = alone;
            continue;
        }
        members.sort_unstable_by_key(|&i| (items[i as usize], i));
        for equal in members.chunk_by(|&i, &j| items[i as usize] == items[j as usize]) {
            for &i in equal {
                first[i as usize] = equal[0];
            }
        }
    }
    first
}

/// Spreads over the high bits; multiplying by odd constants as in Knuth's multiplicative hashing (The Art of
/// Computer Programming, volume 3, section 6.4).
fn hash(&[a, b, c]: &[u32; 3]) -> u64 {
    const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];
    let two = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(FACTORS[0]);
    (two ^ two >> 32 ^ u64::from(c)).wrapping_mul(FACTORS[1])
}

/// The corners in ascending order.
pub fn sorted(face: &Face) -> Face {
    let mut key = *face;
    key.sort_unstable();
    key
}

/// Whether fewer than three corners are distinct.
pub fn has_repeated_corner(face: &Face) -> bool {
    face[0] == face[1] || face[1] == face[2] || face[2] == face[0]
}

/// Tells faces with an area from those without.
struct AreaTest {
    resolution: u32,
    /// Squared length of the cross product, in bins, from which the area is beyond doubt.
    enough: f64,
}

impl AreaTest {
    fn new(resolution: u32) -> Self {
        // The margin is far wider than any rounding of the area.
        let length = 1.001 * MIN_AREA * 2.0 * (f64::from(resolution) / 2.0).powi(2);
        Self {
            resolution,
            enough: length * length,
        }
    }

    /// Close to the limit the area at the centres of the bins decides, as it does in the published tokenizer.
    fn passes(&self, points: [&GridPoint; 3]) -> bool {
        let [a, b, c] = points.map(|p| p.map(f64::from));
        if cross_squared(&a, &b, &c) > self.enough {
            return true;
        }
        let [a, b, c] = points.map(|p| dequantize(p, self.resolution));
        triangle_area(&a, &b, &c) >= MIN_AREA
    }
}

/// Area of a triangle.
pub fn triangle_area(a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]) -> f64 {
    cross_squared(a, b, c).sqrt() / 2.0
}

/// Squared length of the cross product of two sides of a triangle.
fn cross_squared(a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]) -> f64 {
    let u = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    let v = [c[0] - a[0], c[1] - a[1], c[2] - a[2]];
    let cross = [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ];
    cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equal_item_stands_for_all() {
        let items = [5, 3, 5, 5, 3, 1].map(|i| [7, i, 0]);
        assert_eq!(first_of_equal(&items), [0, 1, 0, 0, 1, 5]);
        assert!(first_of_equal(&[]).is_empty());
        // So many that buckets hold different items.
        let items: Vec<[u32; 3]> = (0..3_000_u32).map(|i| [i % 7, i % 11, i % 13]).collect();
        let expected: Vec<u32> = (0..3_000).map(|i| i % 1_001).collect();
        assert_eq!(first_of_equal(&items), expected);
    }

    #[test]
    fn repeated_faces_collapse_whatever_their_direction() {
        let mesh = TriangleMesh {
            vertices: vec![
                [0.0, 0.0, 0.0],
                [0.5, 0.0, 0.0],
                [0.0, 0.5, 0.0],
                [0.5, 0.0, 1e-7],
            ],
            faces: vec![[0, 1, 2], [2, 1, 0], [0, 3, 2], [0, 1, 3]],
        };
        let cleaned = clean(&mesh, 128);
        assert_eq!(cleaned.faces, [[0, 1, 2]]);
        assert_eq!(
            (
                cleaned.n_merged_vertices,
                cleaned.n_replaced_faces,
                cleaned.n_degenerate_faces
            ),
            (1, 2, 1)
        );
        assert_eq!(cleaned.n_repeated_faces, 2);
    }

    #[test]
    fn collinear_corners_have_no_area() {
        let mesh = TriangleMesh {
            vertices: vec![[-0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]],
            faces: vec![[0, 1, 2]],
        };
        assert_eq!(clean(&mesh, 128).n_degenerate_faces, 1);
    }
}
