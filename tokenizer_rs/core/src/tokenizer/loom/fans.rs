//! A vertex of its own for every fan of faces, for surfaces whose rings were left open.

use crate::mesh::GridMesh;
use crate::repair::union_find::UnionFind;

/// Gives each fan of faces around a vertex a copy of it, and leaves out vertices without faces. Every edge has
/// two faces at most. Cost O(F log F).
pub fn split_fans(mesh: &GridMesh) -> GridMesh {
    let corner = |f: usize, j: usize| 3 * f + j % 3;
    let mut edges = Vec::with_capacity(3 * mesh.faces.len());
    for (f, face) in mesh.faces.iter().enumerate() {
        for j in 0..3 {
            let (a, b) = (face[j], face[(j + 1) % 3]);
            let (low, high) = if a < b {
                (corner(f, j), corner(f, j + 1))
            } else {
                (corner(f, j + 1), corner(f, j))
            };
            edges.push((a.min(b), a.max(b), low, high));
        }
    }
    edges.sort_unstable();
    let mut fans = UnionFind::new(3 * mesh.faces.len());
    for pair in edges.windows(2) {
        if (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1) {
            fans.union(pair[0].2 as u32, pair[1].2 as u32);
            fans.union(pair[0].3 as u32, pair[1].3 as u32);
        }
    }
    let mut copies = vec![u32::MAX; 3 * mesh.faces.len()];
    let mut split = GridMesh::default();
    for (f, face) in mesh.faces.iter().enumerate() {
        let copied = [0, 1, 2].map(|j| {
            let fan = fans.find(corner(f, j) as u32) as usize;
            if copies[fan] == u32::MAX {
                copies[fan] = split.vertices.len() as u32;
                split.vertices.push(mesh.vertices[face[j] as usize]);
            }
            copies[fan]
        });
        split.faces.push(copied);
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fans_become_two_vertices_and_one_stays_one() {
        let mesh = GridMesh {
            vertices: (0..6).map(|i| [i, 0, 0]).collect(),
            faces: vec![[0, 1, 2], [0, 3, 4], [0, 2, 5]],
        };
        let split = split_fans(&mesh);
        assert_eq!(split.oriented_triangles(), mesh.oriented_triangles());
        assert_eq!(split.vertices.len(), 7);
        assert_eq!(split.faces[0][0], split.faces[2][0]);
        assert_ne!(split.faces[0][0], split.faces[1][0]);
    }
}
