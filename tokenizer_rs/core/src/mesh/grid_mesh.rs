//! Triangle meshes whose vertices lie on the integer grid.

use super::quantize::dequantize;
use super::{check_faces, Face, GridPoint, TriangleMesh};
use crate::Result;

/// A triangle mesh on the integer grid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GridMesh {
    /// Bins per axis of each vertex.
    pub vertices: Vec<GridPoint>,
    /// Corners of each face, counter-clockwise seen from outside.
    pub faces: Vec<Face>,
}

impl GridMesh {
    /// Refuses corners that do not exist.
    pub fn check(&self) -> Result<()> {
        check_faces(self.vertices.len(), &self.faces)
    }

    /// The mesh with every vertex at the centre of its bin.
    pub fn to_triangle_mesh(&self, resolution: u32) -> TriangleMesh {
        TriangleMesh {
            vertices: self
                .vertices
                .iter()
                .map(|p| dequantize(p, resolution))
                .collect(),
            faces: self.faces.clone(),
        }
    }

    /// The positions of every face, first corner least, in ascending order: what two meshes must have in
    /// common to be the same oriented triangles, however their vertices and faces are numbered.
    pub fn oriented_triangles(&self) -> Vec<[GridPoint; 3]> {
        let mut triangles: Vec<[GridPoint; 3]> = self
            .faces
            .iter()
            .map(|face| rotated_to_least(face.map(|v| self.vertices[v as usize])))
            .collect();
        triangles.sort_unstable();
        triangles
    }
}

/// The same cyclic order, least item first.
pub fn rotated_to_least<T: Copy + Ord>([a, b, c]: [T; 3]) -> [T; 3] {
    [[a, b, c], [b, c, a], [c, a, b]]
        .into_iter()
        .min()
        .unwrap_or([a, b, c])
}

/// Whether two triangles have the same corners in the same cyclic order.
pub fn is_same_triangle<T: Copy + PartialEq>([a, b, c]: [T; 3], other: [T; 3]) -> bool {
    [a, b, c] == other || [b, c, a] == other || [c, a, b] == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_triangle_starts_anywhere_and_is_not_turned() {
        let is_same = |other| is_same_triangle([4, 7, 9], other);
        assert!([[4, 7, 9], [7, 9, 4], [9, 4, 7]].into_iter().all(is_same));
        assert!(![[4, 9, 7], [9, 7, 4], [4, 7, 8]].into_iter().any(is_same));
    }

    #[test]
    fn numbering_does_not_matter_and_orientation_does() {
        let vertices = vec![[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
        let mesh = |faces: Vec<Face>| GridMesh {
            vertices: vertices.clone(),
            faces,
        };
        let triangles = mesh(vec![[0, 1, 2], [0, 3, 1]]).oriented_triangles();
        assert_eq!(
            triangles,
            mesh(vec![[1, 0, 3], [2, 0, 1]]).oriented_triangles()
        );
        assert_ne!(
            triangles,
            mesh(vec![[0, 1, 2], [0, 1, 3]]).oriented_triangles()
        );
    }
}
