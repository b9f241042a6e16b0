//! Walks a component in layers of equal distance from its start vertex.

use super::layered_graph::LayeredGraph;
use super::ring_table::RingTable;
use crate::mesh::half_edge::NONE;

/// The vertices of a component in sequence order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Vertices of the mesh, layer by layer.
    pub vertices: Vec<u32>,
    /// Where each layer begins; one entry more than there are layers.
    pub layer_starts: Vec<usize>,
}

impl Walk {
    /// Walks from `start`. Layer 1 is the ring of the start vertex; every further vertex follows the first
    /// vertex of the layer before that it is joined to, in the order of that vertex's ring, read from the
    /// vertex that named it in turn.
    ///
    /// `rank` is [`NONE`] for every vertex of the component before, and its number in the sequence
    /// afterwards.
    pub fn new(start: u32, rings: &RingTable, rank: &mut [u32]) -> Self {
        let mut vertices = vec![start];
        let mut layer_starts = vec![0, 1];
        rank[start as usize] = 0;
        let mut at = 0;
        loop {
            let layer_end = vertices.len();
            while at < layer_end {
                let ring = rings.of(vertices[at]);
                let parent = (0..ring.len())
                    .min_by_key(|&i| rank[ring[i] as usize])
                    .unwrap_or(0);
                let (before, after) = ring.split_at(parent);
                for &v in after.iter().chain(before) {
                    if rank[v as usize] == NONE {
                        rank[v as usize] = vertices.len() as u32;
                        vertices.push(v);
                    }
                }
                at += 1;
            }
            if vertices.len() == layer_end {
                return Self {
                    vertices,
                    layer_starts,
                };
            }
            layer_starts.push(vertices.len());
        }
    }

    /// Takes the numbers of its vertices back.
    pub fn forget(&self, rank: &mut [u32]) {
        for &v in &self.vertices {
            rank[v as usize] = NONE;
        }
    }

    /// Number of layers.
    pub fn n_layers(&self) -> usize {
        self.layer_starts.len() - 1
    }

    /// Vertices of the longest layer.
    pub fn longest_layer(&self) -> usize {
        let lengths = self.layer_starts.windows(2).map(|pair| pair[1] - pair[0]);
        lengths.max().unwrap_or(0)
    }

    /// The edges of the component, and for the slot of every directed edge the third corner of the face on its
    /// left, or [`NONE`]; all in sequence numbers.
    pub fn graph(&self, rings: &RingTable, rank: &[u32]) -> (LayeredGraph, Vec<u32>) {
        let n_slots = self.vertices.iter().map(|&v| rings.of(v).len()).sum();
        let mut graph = LayeredGraph::with_room(self.vertices.len(), n_slots);
        let mut thirds = Vec::with_capacity(n_slots);
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (layer, range) in self.layer_starts.windows(2).enumerate() {
            for &v in &self.vertices[range[0]..range[1]] {
                let ring = rings.of(v);
                pairs.clear();
                pairs.extend(ring.iter().enumerate().map(|(i, &a)| {
                    let is_last = i + 1 == ring.len();
                    let third = match ring.get(i + 1) {
                        Some(&b) => rank[b as usize],
                        None if is_last && rings.is_closed(v) => rank[ring[0] as usize],
                        None => NONE,
                    };
                    (rank[a as usize], third)
                }));
                pairs.sort_unstable();
                graph.push_vertex(layer as u32, pairs.iter().map(|&(a, _)| a));
                thirds.extend(pairs.iter().map(|&(_, third)| third));
            }
        }
        (graph, thirds)
    }
}
