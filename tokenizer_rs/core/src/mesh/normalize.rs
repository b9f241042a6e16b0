//! Moves a mesh into the cube that tokenizers take.

use super::TriangleMesh;
use crate::measure::bvh::Aabb;
use crate::{MeshError, Result};

/// Half the side of the cube that a mesh is made to fill (Mesh Silksong, arXiv 2507.02477).
pub const BOUND: f64 = 0.95;

/// Centres the bounding box on the origin and makes its longest side `2 * bound`.
///
/// All vertices count for the box, whether a face uses them or not. Refuses a box that is a point, or so
/// small that its inverse is not finite.
pub fn normalize(mesh: &mut TriangleMesh, bound: f64) -> Result<()> {
    let bounds = Aabb::around(&mesh.vertices);
    let longest = bounds.longest();
    if !(longest > f64::MIN_POSITIVE && longest.is_finite()) {
        return Err(MeshError::ZeroExtent {
            n_vertices: mesh.vertices.len(),
        });
    }
    let scale = 2.0 * bound / longest;
    let centre = bounds.centre();
    for vertex in &mut mesh.vertices {
        for axis in 0..3 {
            vertex[axis] = (vertex[axis] - centre[axis]) * scale;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(vertices: Vec<[f64; 3]>) -> Result<Vec<[f64; 3]>> {
        let mut mesh = TriangleMesh {
            vertices,
            faces: Vec::new(),
        };
        normalize(&mut mesh, BOUND).map(|()| mesh.vertices)
    }

    #[test]
    fn the_longest_side_fills_the_cube() {
        let vertices = normalized(vec![[10.0, 0.0, 0.0], [14.0, 2.0, 1.0]]).unwrap();
        assert_eq!(vertices, [[-0.95, -0.475, -0.2375], [0.95, 0.475, 0.2375]]);
    }

    #[test]
    fn a_point_has_no_extent() {
        for vertices in [vec![], vec![[1.0; 3]; 4], vec![[0.0; 3], [1e-310; 3]]] {
            assert_eq!(normalized(vertices).unwrap_err().code(), "ZERO_EXTENT");
        }
    }
}
