//! Cleaning on the grid: weld equal points, drop degenerate and repeated faces.
//!
//! Nothing is renumbered: welded vertices stay in the list as dead entries and the first index with a
//! position stands for all of them.

use super::quantize::{dequantize, quantize};
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
    /// Vertices whose position had been seen before.
    pub n_merged_vertices: usize,
    /// Faces in which a corner was replaced by the first vertex at its position.
    pub n_replaced_faces: usize,
    /// Faces with fewer than three distinct corners, or no area.
    pub n_degenerate_faces: usize,
    /// Faces with the same three corners as an earlier one, in any order.
    pub n_repeated_faces: usize,
}

/// Quantises and cleans a mesh. Cost O(n log n).
pub fn clean(mesh: &TriangleMesh, resolution: u32) -> CleanMesh {
    let vertices: Vec<GridPoint> = mesh
        .vertices
        .iter()
        .map(|p| quantize(p, resolution))
        .collect();
    let first = first_of_equal(&vertices);
    let n_merged_vertices = first
        .iter()
        .enumerate()
        .filter(|&(v, &f)| v != f as usize)
        .count();

    let mut n_replaced_faces = 0;
    let mut n_degenerate_faces = 0;
    let mut faces = Vec::with_capacity(mesh.faces.len());
    for face in &mesh.faces {
        let welded = face.map(|v| first[v as usize]);
        n_replaced_faces += usize::from(welded != *face);
        if has_repeated_corner(&welded) || area(&welded, &vertices, resolution) < MIN_AREA {
            n_degenerate_faces += 1;
        } else {
            faces.push(welded);
        }
    }
    let n_before = faces.len();
    let keys: Vec<Face> = faces.iter().map(sorted).collect();
    let first_face = first_of_equal(&keys);
    let mut index = 0;
    faces.retain(|_| {
        index += 1;
        first_face[index - 1] as usize == index - 1
    });
    CleanMesh {
        n_repeated_faces: n_before - faces.len(),
        vertices,
        faces,
        n_merged_vertices,
        n_replaced_faces,
        n_degenerate_faces,
    }
}

/// For each item the lowest index of an equal one. Sorting instead of hashing keeps hostile input at
/// O(n log n).
pub fn first_of_equal<T: Ord>(items: &[T]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| items[a as usize].cmp(&items[b as usize]).then(a.cmp(&b)));
    let mut first = vec![0; items.len()];
    let mut current = 0;
    for (i, &item) in order.iter().enumerate() {
        if i == 0 || items[item as usize] != items[order[i - 1] as usize] {
            current = item;
        }
        first[item as usize] = current;
    }
    first
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

fn area(face: &Face, vertices: &[GridPoint], resolution: u32) -> f64 {
    let [a, b, c] = face.map(|v| dequantize(&vertices[v as usize], resolution));
    triangle_area(&a, &b, &c)
}

/// Area of a triangle.
pub fn triangle_area(a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]) -> f64 {
    let u = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    let v = [c[0] - a[0], c[1] - a[1], c[2] - a[2]];
    let cross = [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ];
    (cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]).sqrt() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equal_item_stands_for_all() {
        assert_eq!(first_of_equal(&[5, 3, 5, 5, 3, 1]), [0, 1, 0, 0, 1, 5]);
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
