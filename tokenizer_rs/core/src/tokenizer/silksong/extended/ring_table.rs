//! The rings of all vertices of a repaired mesh.

use crate::mesh::half_edge::NONE;
use crate::mesh::spokes::Spokes;

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
    pub fn new(spokes: &Spokes, face_order: &[u32]) -> Self {
        let mut place = vec![0_u32; face_order.len()];
        for (i, &f) in (0..).zip(face_order) {
            place[f as usize] = i;
        }
        let n_vertices = spokes.n_vertices();
        let mut rings = Self {
            offsets: Vec::with_capacity(n_vertices + 1),
            // A boundary vertex has one neighbour more than faces.
            neighbours: Vec::with_capacity(3 * face_order.len() + n_vertices),
            is_closed: Vec::with_capacity(n_vertices),
        };
        rings.offsets.push(0);
        // For the vertex being looked at: the neighbour after each neighbour, and whether there is one before.
        let mut next = vec![NONE; n_vertices];
        let mut is_entered = vec![false; n_vertices];
        for vertex in 0..n_vertices as u32 {
            let fan = spokes.of(vertex);
            for spoke in fan {
                next[spoke.to as usize] = spoke.apex;
                is_entered[spoke.apex as usize] = true;
            }
            let begin = fan.iter().find(|spoke| !is_entered[spoke.to as usize]);
            let first = begin.or_else(|| fan.iter().min_by_key(|spoke| place[spoke.face as usize]));
            let first = first.map(|spoke| spoke.to);
            let mut at = first.unwrap_or(NONE);
            while at != NONE {
                rings.neighbours.push(at);
                // Taken out as it is used, so that a walk ends whatever the faces are.
                at = std::mem::replace(&mut next[at as usize], NONE);
                if Some(at) == first {
                    break;
                }
            }
            for spoke in fan {
                next[spoke.to as usize] = NONE;
                is_entered[spoke.apex as usize] = false;
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
