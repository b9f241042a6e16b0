//! The neighbours of each vertex, counter-clockwise.

use crate::mesh::half_edge::{next, previous, HalfEdges, CROWDED, NONE};
use crate::mesh::Face;
use crate::{MeshError, Result};

/// Neighbour lists of all vertices, in one flat array.
#[derive(Debug)]
pub struct Rings {
    neighbours: Vec<u32>,
    offsets: Vec<u32>,
    n_faces: Vec<u32>,
    is_whole: Vec<bool>,
    max_length: usize,
}

impl Rings {
    /// `faces` must be oriented. `face_order` decides where the ring of an inner vertex begins.
    pub fn new(
        n_vertices: usize,
        faces: &[Face],
        half_edges: &HalfEdges,
        face_order: &[u32],
        max_length: usize,
    ) -> Self {
        let corners = faces.as_flattened();
        let opposite = &half_edges.opposite;
        // Faces are visited as they lie in memory, so their place in the order has to be looked up.
        let mut place = vec![0_u32; faces.len()];
        for (i, &f) in (0..).zip(face_order) {
            place[f as usize] = i;
        }
        // The corner a ring begins at: the one after a boundary, else that of the first face.
        let mut first = vec![NONE; n_vertices];
        let mut n_faces = vec![0_u32; n_vertices];
        let mut has_boundary = vec![false; n_vertices];
        let is_earlier =
            |f: u32, known: u32| known == NONE || place[f as usize] < place[known as usize / 3];
        for f in 0..faces.len() as u32 {
            for corner in 3 * f..3 * f + 3 {
                let v = corners[corner as usize] as usize;
                n_faces[v] += 1;
                if opposite[previous(corner) as usize] >= CROWDED {
                    has_boundary[v] = true;
                    first[v] = corner;
                } else if !has_boundary[v] && is_earlier(f, first[v]) {
                    first[v] = corner;
                }
            }
        }
        let mut offsets = Vec::with_capacity(n_vertices + 1);
        let mut end = 0;
        offsets.push(end);
        for (&n, &has_boundary) in n_faces.iter().zip(&has_boundary) {
            end += n + u32::from(has_boundary);
            offsets.push(end);
        }
        let mut neighbours = vec![NONE; end as usize];
        let mut is_whole = has_boundary;
        for v in 0..n_vertices {
            let ring = &mut neighbours[offsets[v] as usize..offsets[v + 1] as usize];
            is_whole[v] = walk_round(first[v], corners, opposite, ring) == ring.len();
        }
        Self {
            neighbours,
            offsets,
            n_faces,
            is_whole,
            max_length,
        }
    }

    /// The ring of `vertex`. On the boundary it runs from the edge without a face on its right to the edge
    /// without one on its left; inside it begins at the first face.
    pub fn ring(&self, vertex: u32) -> Result<&[u32]> {
        let v = vertex as usize;
        let reason = if self.n_faces[v] as usize > self.max_length {
            "more faces than ring_length_limit"
        } else if self.n_faces[v] == 0 {
            "it has no face"
        } else if !self.is_whole[v] {
            "its faces form more than one fan"
        } else {
            return Ok(&self.neighbours[self.offsets[v] as usize..self.offsets[v + 1] as usize]);
        };
        Err(MeshError::Ring { vertex, reason })
    }
}

/// Writes the neighbours met from a corner on as far as `ring` has room, and returns their number.
fn walk_round(first: u32, corners: &[u32], opposite: &[u32], ring: &mut [u32]) -> usize {
    let mut corner = first;
    for i in 0..ring.len() {
        // The face (v, a, b) at a corner of v leads from neighbour a over half-edge b -> v to the next face.
        let out = next(corner);
        ring[i] = corners[out as usize];
        let o = opposite[out as usize];
        if o >= CROWDED {
            if let Some(last) = ring.get_mut(i + 1) {
                *last = corners[previous(corner) as usize];
            }
            return i + 2;
        }
        corner = next(o);
        if corner == first {
            return i + 1;
        }
    }
    ring.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(faces: &[Face], face_order: &[u32], max_length: usize) -> Rings {
        Rings::new(6, faces, &HalfEdges::new(6, faces), face_order, max_length)
    }

    #[test]
    fn boundary_and_inner_rings() {
        let faces = [[0, 3, 4], [0, 2, 3], [0, 1, 2]];
        assert_eq!(
            rings(&faces, &[0, 1, 2], 100).ring(0).unwrap(),
            [1, 2, 3, 4]
        );
        let faces = [[0, 3, 4], [0, 2, 3], [0, 1, 2], [0, 4, 1]];
        let rings = rings(&faces, &[2, 1, 0, 3], 100);
        assert_eq!(rings.ring(0).unwrap(), [1, 2, 3, 4]);
        assert_eq!(rings.ring(4).unwrap(), [1, 0, 3]);
        assert_eq!(rings.ring(5).unwrap_err().code(), "RING");
    }

    #[test]
    fn more_faces_than_the_limit_are_refused() {
        let faces = [[0, 3, 4], [0, 2, 3], [0, 1, 2], [0, 4, 1]];
        let rings = rings(&faces, &[0, 1, 2, 3], 3);
        assert_eq!(rings.ring(0).unwrap_err().code(), "RING");
        assert!(rings.ring(1).is_ok());
    }

    #[test]
    fn two_fans_are_refused() {
        let open = [[0, 1, 2], [0, 3, 4]];
        let closed = [[0, 1, 2], [0, 2, 3], [0, 3, 1], [0, 4, 5]];
        for faces in [&open[..], &closed] {
            let order: Vec<u32> = (0..faces.len() as u32).collect();
            assert_eq!(rings(faces, &order, 9).ring(0).unwrap_err().code(), "RING");
        }
    }
}
