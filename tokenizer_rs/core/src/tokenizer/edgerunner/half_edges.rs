//! The half-edge structure of the walk.
//!
//! Half-edge `3 f + j` of a face lies opposite to its tip, corner `j`, and runs from corner `j + 1` to corner
//! `j + 2`. The next half-edge joins its end and its tip, the previous one its tip and its start:
//!
//! ```text
//!               tip
//!             /     ^
//!   previous /       \ next
//!           v    c    \
//!       start -------> end
//! ```

use crate::mesh::half_edge::{ends, NONE};
use crate::mesh::Face;

/// Half-edges of a mesh; the walk turns over faces that run against their neighbours.
pub struct HalfEdges<'a> {
    faces: &'a [Face],
    twin: Vec<u32>,
    turned: Vec<bool>,
}

impl<'a> HalfEdges<'a> {
    /// Pairs the half-edges.
    ///
    /// The first two half-edges of an undirected edge are twins, whatever their directions and even in one
    /// face; further ones have none. Cost O(V + F log k) for at most k faces around a vertex.
    pub fn new(faces: &'a [Face], n_vertices: usize) -> Self {
        // Half-edges by the lower vertex of their edge, then by the higher one.
        let mut offsets = vec![0_u32; n_vertices + 1];
        for face in faces {
            for j in 0..3 {
                let (start, end) = ends(face, j);
                offsets[start.min(end) as usize + 1] += 1;
            }
        }
        for v in 0..n_vertices {
            offsets[v + 1] += offsets[v];
        }
        let mut filled = offsets.clone();
        let mut entries = vec![(0_u32, 0_u32); 3 * faces.len()];
        for (f, face) in faces.iter().enumerate() {
            for j in 0..3 {
                let (start, end) = ends(face, j);
                let at = &mut filled[start.min(end) as usize];
                entries[*at as usize] = (start.max(end), (3 * f + j) as u32);
                *at += 1;
            }
        }
        let mut twin = vec![NONE; 3 * faces.len()];
        for range in offsets.windows(2) {
            let bucket = &mut entries[range[0] as usize..range[1] as usize];
            bucket.sort_unstable();
            for run in bucket.chunk_by(|x, y| x.0 == y.0) {
                if let [(_, g), (_, h), ..] = *run {
                    twin[g as usize] = h;
                    twin[h as usize] = g;
                }
            }
        }
        Self {
            faces,
            twin,
            turned: vec![false; faces.len()],
        }
    }

    /// Number of half-edges.
    pub fn len(&self) -> usize {
        self.twin.len()
    }

    /// Whether there is no half-edge.
    pub fn is_empty(&self) -> bool {
        self.twin.is_empty()
    }

    /// The half-edge across the edge, or [`NONE`].
    pub fn twin(&self, h: u32) -> u32 {
        self.twin[h as usize]
    }

    /// The vertex opposite to the edge.
    pub fn tip(&self, h: u32) -> u32 {
        self.faces[h as usize / 3][h as usize % 3]
    }

    /// Start and end of the edge.
    pub fn ends(&self, h: u32) -> (u32, u32) {
        let (start, end) = ends(&self.faces[h as usize / 3], h as usize % 3);
        if self.turned[h as usize / 3] {
            (end, start)
        } else {
            (start, end)
        }
    }

    /// The half-edge from the end to the tip.
    pub fn next(&self, h: u32) -> u32 {
        if self.turned[h as usize / 3] {
            before(h)
        } else {
            after(h)
        }
    }

    /// The half-edge from the tip to the start.
    pub fn previous(&self, h: u32) -> u32 {
        if self.turned[h as usize / 3] {
            after(h)
        } else {
            before(h)
        }
    }

    /// Turns the face of `h` over if it runs in the direction of its twin; whether it did.
    pub fn agree_with_twin(&mut self, h: u32) -> bool {
        let twin = self.twin(h);
        if twin == NONE {
            return false;
        }
        let (start, end) = self.ends(twin);
        let is_turned = self.ends(h) != (end, start);
        self.turned[h as usize / 3] ^= is_turned;
        is_turned
    }

    /// Whether all twins run in opposite directions and no face has a repeated corner.
    pub fn is_uniform(&self) -> bool {
        self.faces.iter().enumerate().all(|(f, face)| {
            (0..3).all(|j| {
                let (start, end) = ends(face, j);
                let twin = self.twin[3 * f + j];
                start != end && (twin == NONE || self.ends(twin) == (end, start))
            })
        })
    }
}

fn after(h: u32) -> u32 {
    if h % 3 == 2 {
        h - 2
    } else {
        h + 1
    }
}

fn before(h: u32) -> u32 {
    if h.is_multiple_of(3) {
        h + 2
    } else {
        h - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_face_on_an_edge_stays_alone() {
        let faces = [[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 0, 5]];
        let mesh = HalfEdges::new(&faces, 6);
        assert_eq!((mesh.twin(2), mesh.twin(5)), (5, 2));
        assert_eq!((mesh.twin(8), mesh.twin(11)), (NONE, NONE));
        assert!(mesh.is_uniform());
    }

    #[test]
    fn a_face_can_be_its_own_neighbour() {
        let mesh_faces = [[0, 1, 0]];
        let mesh = HalfEdges::new(&mesh_faces, 2);
        assert_eq!((mesh.twin(0), mesh.twin(1), mesh.twin(2)), (2, NONE, 0));
        assert!(!mesh.is_uniform());
    }

    #[test]
    fn a_turned_face_runs_the_other_way() {
        let faces = [[0, 1, 2], [0, 1, 3]];
        let mut mesh = HalfEdges::new(&faces, 4);
        assert!(!mesh.is_uniform());
        assert_eq!((mesh.twin(5), mesh.ends(5)), (2, (0, 1)));
        assert!(mesh.agree_with_twin(5));
        assert_eq!(mesh.ends(5), (1, 0));
        assert_eq!((mesh.next(5), mesh.previous(5)), (4, 3));
        assert_eq!(mesh.ends(mesh.next(5)), (0, 3));
        assert!(!mesh.agree_with_twin(5));
    }
}
