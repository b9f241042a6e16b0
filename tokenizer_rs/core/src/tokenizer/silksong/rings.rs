//! The neighbours of each vertex, counter-clockwise.

use crate::mesh::incidence::Incidence;
use crate::mesh::Face;
use crate::{MeshError, Result};

/// Neighbour lists of all vertices.
#[derive(Debug)]
pub struct Rings<'a> {
    faces: &'a [Face],
    incidence: Incidence,
    max_length: usize,
}

impl<'a> Rings<'a> {
    /// `face_order` decides where the ring of an inner vertex begins.
    pub fn new(
        n_vertices: usize,
        faces: &'a [Face],
        face_order: &[u32],
        max_length: usize,
    ) -> Self {
        let incidence = Incidence::new(n_vertices, faces, face_order.iter().copied());
        Self {
            faces,
            incidence,
            max_length,
        }
    }

    /// The ring of `vertex`. On the boundary it runs from the edge without a face on its right to the edge
    /// without one on its left; inside it begins at the first face.
    pub fn ring(&self, vertex: u32) -> Result<Vec<u32>> {
        let fail = |reason| MeshError::Ring { vertex, reason };
        let incident = self.incidence.of(vertex);
        if incident.len() > self.max_length {
            return Err(fail("more faces than ring_length_limit"));
        }
        // Each face (vertex, a, b) leads from neighbour a to neighbour b.
        let steps: Vec<(u32, u32)> = incident.iter().map(|&f| self.step(vertex, f)).collect();
        let is_entered = |a: u32| steps.iter().any(|&(_, b)| b == a);
        let mut starts = steps.iter().map(|&(a, _)| a).filter(|&a| !is_entered(a));
        let first = match (starts.next(), starts.next(), steps.first()) {
            (Some(start), None, _) => start,
            (None, _, Some(&(a, _))) => a,
            (Some(_), Some(_), _) => return Err(fail("more than one boundary passes through")),
            (None, _, None) => return Err(fail("it has no face")),
        };
        let mut ring = vec![first];
        let mut at = first;
        for _ in 0..steps.len() {
            match steps.iter().find(|&&(a, _)| a == at) {
                None => break,
                Some(&(_, b)) if b == first => break,
                Some(&(_, b)) => {
                    ring.push(b);
                    at = b;
                }
            }
        }
        Ok(ring)
    }

    fn step(&self, vertex: u32, face: u32) -> (u32, u32) {
        let [a, b, c] = self.faces[face as usize];
        if a == vertex {
            (b, c)
        } else if b == vertex {
            (c, a)
        } else {
            (a, b)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundary_and_inner_rings() {
        let faces = [[0, 3, 4], [0, 2, 3], [0, 1, 2]];
        let rings = Rings::new(5, &faces, &[0, 1, 2], 100);
        assert_eq!(rings.ring(0).unwrap(), [1, 2, 3, 4]);
        let faces = [[0, 3, 4], [0, 2, 3], [0, 1, 2], [0, 4, 1]];
        let rings = Rings::new(5, &faces, &[2, 1, 0, 3], 100);
        assert_eq!(rings.ring(0).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn two_boundaries_are_refused() {
        let faces = [[0, 1, 2], [0, 3, 4]];
        let error = Rings::new(5, &faces, &[0, 1], 100).ring(0).unwrap_err();
        assert_eq!(error.code(), "RING");
    }
}
