//! The rings of all vertices of a repaired mesh.

use crate::mesh::half_edge::{link_edge, NONE};
use crate::mesh::incidence::Incidence;
use crate::mesh::Face;

/// The neighbours of every vertex, counter-clockwise.
#[derive(Debug, Clone, Default)]
pub struct RingTable {
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
    is_closed: Vec<bool>,
}

impl RingTable {
    /// `face_order` decides where the ring of an inner vertex begins; that of a boundary vertex begins at the
    /// edge without a face on its right. The faces of every vertex must form one fan. Cost O(V + F).
    pub fn new(n_vertices: usize, faces: &[Face], face_order: &[u32]) -> Self {
        let incidence = Incidence::new(n_vertices, faces, face_order.iter().copied());
        let mut rings = Self {
            offsets: vec![0],
            ..Self::default()
        };
        // For the vertex being looked at: the neighbour after each neighbour, and whether there is one before.
        let mut next = vec![NONE; n_vertices];
        let mut is_entered = vec![false; n_vertices];
        for vertex in 0..n_vertices as u32 {
            let steps = || {
                incidence
                    .of(vertex)
                    .iter()
                    .map(|&f| link_edge(&faces[f as usize], vertex))
            };
            for (a, b) in steps() {
                next[a as usize] = b;
                is_entered[b as usize] = true;
            }
            let begin = steps().map(|(a, _)| a).find(|&a| !is_entered[a as usize]);
            let first = begin.or_else(|| steps().next().map(|(a, _)| a));
            let mut at = first.unwrap_or(NONE);
            while at != NONE {
                rings.neighbours.push(at);
                // Taken out as it is used, so that a walk ends whatever the faces are.
                at = std::mem::replace(&mut next[at as usize], NONE);
                if Some(at) == first {
                    break;
                }
            }
            for (a, b) in steps() {
                next[a as usize] = NONE;
                is_entered[b as usize] = false;
            }
            rings.offsets.push(rings.neighbours.len() as u32);
            rings.is_closed.push(begin.is_none());
        }
        rings
    }

    /// The ring of a vertex.
    pub fn of(&self, vertex: u32) -> &[u32] {
        let v = vertex as usize;
        &self.neighbours[self.offsets[v] as usize..self.offsets[v + 1] as usize]
    }

    /// Whether the vertex lies inside the surface, so that the last of its ring is joined with the first.
    pub fn is_closed(&self, vertex: u32) -> bool {
        self.is_closed[vertex as usize]
    }
}
