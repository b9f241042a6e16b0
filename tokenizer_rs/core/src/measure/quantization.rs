//! What rounding to a grid does to a mesh.

use crate::measure::bvh::Aabb;
use crate::measure::distance::{dot, minus, Surface};
use crate::measure::topology::weld;
use crate::mesh::clean::{first_of_equal, has_repeated_corner, sorted};
use crate::mesh::normalize::{normalize, BOUND};
use crate::mesh::quantize::{dequantize, quantize};
use crate::mesh::Face;
use crate::{MeshError, Result, TriangleMesh};

/// Most bits of a grid: more than single precision holds would measure the rounding of the file.
pub const MAX_BITS: u32 = 20;

/// Damage of one resolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Damage {
    /// Distinct positions fewer than before.
    pub merged_vertices: usize,
    /// Distinct faces of three distinct corners fewer than before; the order of corners does not count.
    pub dropped_faces: usize,
    /// Greatest distance of a vertex of either surface to the other, as a share of the diagonal of the bounding
    /// box; none where no face is left.
    pub distance: Option<f64>,
}

/// Damage of `2^bits` bins per axis for each of `bits`.
///
/// The mesh is welded in single precision, moved into the cube of half side 0.95 within `[-1, 1]`, and each
/// vertex moved to the centre of its bin.
///
/// # Errors
/// `INVALID_INPUT` for more than `MAX_BITS` or for no bits, `ZERO_EXTENT` where all vertices are one point.
pub fn quantization_damage(mesh: &TriangleMesh, bits: &[u32]) -> Result<Vec<Damage>> {
    if let Some(bits) = bits.iter().find(|bits| !(1..=MAX_BITS).contains(bits)) {
        return Err(MeshError::InvalidInput(format!(
            "{bits} bits; give 1 to {MAX_BITS}"
        )));
    }
    let (positions, faces) = weld(mesh)?;
    let (vertices, faces) = compacted(&positions, &faces);
    let mut welded = TriangleMesh { vertices, faces };
    normalize(&mut welded, BOUND)?;
    let original = Surface::new(&welded.vertices, &welded.faces);
    let faces: Vec<Face> = welded.faces.iter().map(sorted).collect();
    let n_faces = n_distinct(&faces);
    let diagonal = Aabb::around(&welded.vertices).squared_diagonal();
    Ok(bits
        .iter()
        .map(|&bits| damage(&welded, &original, n_faces, diagonal, 1 << bits))
        .collect())
}

fn damage(
    mesh: &TriangleMesh,
    original: &Surface<'_>,
    n_faces: usize,
    squared_diagonal: f64,
    resolution: u32,
) -> Damage {
    let bins: Vec<[i32; 3]> = mesh
        .vertices
        .iter()
        .map(|p| quantize(p, resolution))
        .collect();
    let keys: Vec<[u32; 3]> = bins.iter().map(|p| p.map(|bin| bin as u32)).collect();
    let first = first_of_equal(&keys);
    let merged: Vec<Face> = mesh
        .faces
        .iter()
        .map(|face| sorted(&face.map(|v| first[v as usize])))
        .collect();
    let n_left = n_distinct(&merged);
    let merged_vertices = (0..)
        .zip(&first)
        .filter(|&(v, &f): &(u32, _)| v != f)
        .count();
    let dropped_faces = n_faces - n_left;
    if n_left == 0 {
        return Damage {
            merged_vertices,
            dropped_faces,
            distance: None,
        };
    }
    let moved: Vec<[f64; 3]> = bins.iter().map(|p| dequantize(p, resolution)).collect();
    let mut is_used = vec![false; moved.len()];
    for face in merged.iter().filter(|face| !has_repeated_corner(face)) {
        face.iter().for_each(|&v| is_used[v as usize] = true);
    }
    // A vertex is no farther from the other surface than from where it went, or came from.
    let shift = |v: usize| {
        let by = minus(&mesh.vertices[v], &moved[v]);
        dot(&by, &by)
    };
    let there = (0..mesh.vertices.len()).map(|v| {
        let bound = if is_used[first[v] as usize] {
            shift(v)
        } else {
            f64::INFINITY
        };
        (mesh.vertices[v], bound)
    });
    let back = (0..moved.len())
        .filter(|&v| is_used[v])
        .map(|v| (moved[v], shift(v)));
    let farthest = original.changed(&moved, &merged).farthest(there, 0.0);
    let farthest = original.farthest(back, farthest);
    Damage {
        merged_vertices,
        dropped_faces,
        distance: Some((farthest / squared_diagonal).sqrt()),
    }
}

/// Vertices that a face uses, each position once, and faces that name them.
fn compacted(positions: &[[f32; 3]], faces: &[Face]) -> (Vec<[f64; 3]>, Vec<Face>) {
    let mut number = vec![u32::MAX; positions.len()];
    let mut vertices = Vec::new();
    let faces = faces.iter().map(|face| {
        face.map(|v| {
            let number = &mut number[v as usize];
            if *number == u32::MAX {
                *number = vertices.len() as u32;
                vertices.push(positions[v as usize].map(f64::from));
            }
            *number
        })
    });
    let faces = faces.collect();
    (vertices, faces)
}

/// Sets of three distinct corners among faces whose corners ascend.
fn n_distinct(faces: &[Face]) -> usize {
    let first = first_of_equal(faces);
    (0..)
        .zip(&first)
        .filter(|&(f, &of_equal): &(u32, _)| {
            f == of_equal && !has_repeated_corner(&faces[f as usize])
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit square with a small triangle high above it.
    fn square_and_speck(size: f64) -> TriangleMesh {
        TriangleMesh {
            vertices: vec![
                [0.0, 0.0, 0.0],
                [1.0, 0.0, 0.0],
                [1.0, 1.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.5, 0.5, 1.0],
                [0.5 + size, 0.5, 1.0],
                [0.5, 0.5 + size, 1.0],
            ],
            faces: vec![[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 4, 6], [6, 5, 4]],
        }
    }

    #[test]
    fn a_lost_piece_is_far_from_what_is_left() {
        let found = quantization_damage(&square_and_speck(0.005), &[5, 10]).unwrap();
        assert_eq!((found[0].merged_vertices, found[0].dropped_faces), (2, 1));
        // From the top of the cube to its floor; the diagonal is the square root of three sides.
        let distance = found[0].distance.unwrap();
        assert!((distance - 1.0 / 3_f64.sqrt()).abs() < 0.02, "{distance}");
        assert_eq!((found[1].merged_vertices, found[1].dropped_faces), (0, 0));
        let bin = 2.0 / 1024.0 / (1.9 * 3_f64.sqrt());
        assert!(found[1].distance.unwrap() <= bin * 3_f64.sqrt() / 2.0);
    }

    #[test]
    fn nothing_is_left_of_a_small_mesh_on_a_coarse_grid() {
        let mut mesh = square_and_speck(0.5);
        mesh.faces = vec![[0, 1, 2]];
        mesh.vertices[1] = [0.9, 0.0, 0.0];
        mesh.vertices[2] = [1.0, 0.0, 0.0];
        let found = quantization_damage(&mesh, &[1]).unwrap();
        assert_eq!((found[0].dropped_faces, found[0].distance), (1, None));
    }

    #[test]
    fn faults_of_the_input() {
        let mesh = square_and_speck(0.1);
        for bits in [0, 21] {
            let error = quantization_damage(&mesh, &[7, bits]).unwrap_err();
            assert_eq!(error.code(), "INVALID_INPUT");
        }
        let point = TriangleMesh {
            vertices: vec![[1.0; 3]; 3],
            faces: vec![[0, 1, 2]],
        };
        let error = quantization_damage(&point, &[7]).unwrap_err();
        assert_eq!(error.code(), "ZERO_EXTENT");
    }
}
