//! The faces around each vertex, in one flat array.

use super::Face;

/// For each vertex its incident faces in ascending order.
#[derive(Debug, Clone)]
pub struct Incidence {
    offsets: Vec<u32>,
    faces: Vec<u32>,
}

impl Incidence {
    /// All faces in ascending order.
    pub fn ascending(n_vertices: usize, faces: &[Face]) -> Self {
        let mut offsets = vec![0_u32; n_vertices + 1];
        for v in faces.as_flattened() {
            offsets[*v as usize + 1] += 1;
        }
        for v in 0..n_vertices {
            offsets[v + 1] += offsets[v];
        }
        let mut next = offsets.clone();
        let mut incident = vec![0; offsets[n_vertices] as usize];
        for (f, face) in (0..).zip(faces) {
            for &v in face {
                let slot = &mut next[v as usize];
                incident[*slot as usize] = f;
                *slot += 1;
            }
        }
        Self {
            offsets,
            faces: incident,
        }
    }

    /// The faces around a vertex.
    pub fn of(&self, vertex: u32) -> &[u32] {
        let v = vertex as usize;
        &self.faces[self.offsets[v] as usize..self.offsets[v + 1] as usize]
    }
}
