//! The edges of one component, its vertices numbered in the order in which the sequence writes them.

use crate::mesh::half_edge::NONE;

/// A component as tokens say it: vertices in layers, and edges.
///
/// Vertices are numbered in sequence order, so a vertex of a lower number was written before. A directed edge
/// is named by its slot, its place in the list of all neighbours of all vertices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayeredGraph {
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
    /// Layer of each vertex; never less than that of the vertex before.
    layer: Vec<u32>,
}

impl LayeredGraph {
    /// Takes edges from either side, any number of times; they must join vertices of the same or of
    /// consecutive layers. Cost O(V + E log E).
    pub fn new(layer: Vec<u32>, edges: &[(u32, u32)]) -> Self {
        let mut directed: Vec<(u32, u32)> = edges
            .iter()
            .flat_map(|&(a, b)| [(a, b), (b, a)])
            .filter(|&(a, b)| a != b)
            .collect();
        directed.sort_unstable();
        directed.dedup();
        let mut offsets = vec![0; layer.len() + 1];
        for &(a, _) in &directed {
            offsets[a as usize + 1] += 1;
        }
        for v in 0..layer.len() {
            offsets[v + 1] += offsets[v];
        }
        Self {
            offsets,
            neighbours: directed.into_iter().map(|(_, b)| b).collect(),
            layer,
        }
    }

    /// No vertex yet, with room for so many vertices and directed edges.
    pub fn with_room(n_vertices: usize, n_slots: usize) -> Self {
        Self {
            offsets: Vec::with_capacity(n_vertices + 1),
            neighbours: Vec::with_capacity(n_slots),
            layer: Vec::with_capacity(n_vertices),
        }
    }

    /// Appends a vertex; its neighbours must be ascending and each of them must name it in turn.
    pub fn push_vertex(&mut self, layer: u32, neighbours: impl Iterator<Item = u32>) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.neighbours.extend(neighbours);
        self.offsets.push(self.neighbours.len() as u32);
        self.layer.push(layer);
    }

    /// Number of vertices.
    pub fn n_vertices(&self) -> usize {
        self.layer.len()
    }

    /// Number of directed edges.
    pub fn n_slots(&self) -> usize {
        self.neighbours.len()
    }

    /// Layer of a vertex.
    pub fn layer(&self, vertex: u32) -> u32 {
        self.layer[vertex as usize]
    }

    /// Neighbours in ascending order.
    pub fn neighbours(&self, vertex: u32) -> &[u32] {
        let v = vertex as usize;
        &self.neighbours[self.offsets[v] as usize..self.offsets[v + 1] as usize]
    }

    /// Slot of the first neighbour of a vertex.
    pub fn first_slot(&self, vertex: u32) -> usize {
        self.offsets[vertex as usize] as usize
    }

    /// Slot of a directed edge; nothing if the two are not joined.
    pub fn slot(&self, start: u32, end: u32) -> Option<usize> {
        let at = self.neighbours(start).binary_search(&end).ok()?;
        Some(self.first_slot(start) + at)
    }

    /// For the slot of every directed edge that of the same edge in the other direction. Cost O(E).
    pub fn opposite_slots(&self) -> Vec<u32> {
        // Vertices name their neighbours in ascending order, so each is named by its own in that order.
        let mut next = self.offsets[..self.n_vertices()].to_vec();
        let take = |&v: &u32| {
            let slot = &mut next[v as usize];
            *slot += 1;
            *slot - 1
        };
        self.neighbours.iter().map(take).collect()
    }

    /// The earliest neighbour: the vertex of the layer before whose ring named this one first.
    pub fn parent(&self, vertex: u32) -> u32 {
        let first = self.neighbours(vertex).first();
        first.copied().filter(|&v| v < vertex).unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_known_from_both_ends_once() {
        let graph = LayeredGraph::new(vec![0, 1, 1], &[(1, 0), (0, 2), (2, 1), (1, 2)]);
        assert_eq!(graph.n_slots(), 6);
        assert_eq!(graph.neighbours(1), [0, 2]);
        assert_eq!(graph.slot(2, 1), Some(5));
        assert_eq!(graph.slot(2, 2), None);
        assert_eq!(graph.opposite_slots(), [2, 4, 0, 5, 1, 3]);
        assert_eq!((graph.parent(0), graph.parent(2)), (NONE, 0));
    }
}
