//! Finds the faces of a component by closing the ring of one vertex after another, in sequence order.

use super::layered_graph::LayeredGraph;
use super::ring_search::{RingSearch, Verdict};
use crate::mesh::half_edge::NONE;
use crate::mesh::Face;

/// The faces of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Faces in the order in which they were found.
    pub faces: Vec<Face>,
    /// For the slot of every directed edge the third corner of the face on its left, or [`NONE`].
    pub thirds: Vec<u32>,
}

/// Replays the walk of the encoder over a graph.
///
/// Every face is found at its first vertex and uses three directed edges that no face before it uses: the
/// faces are oriented alike, and an edge has two at most. `judge` chooses among the rings that a vertex can have;
/// it is given the vertex, the faces known so far and the pairs of neighbours that new faces would join.
pub fn replay(
    graph: &LayeredGraph,
    mut judge: impl FnMut(u32, &[u32], &[(u32, u32)]) -> Verdict,
) -> Replay {
    let mut thirds = vec![NONE; graph.n_slots()];
    let opposite = graph.opposite_slots();
    let mut faces = Vec::with_capacity(graph.n_slots() / 3);
    let mut search = RingSearch::default();
    for vertex in 0..graph.n_vertices() as u32 {
        let joins = search.find(vertex, graph, &opposite, &thirds, |joins| {
            judge(vertex, &thirds, joins)
        });
        for &(a, b) in joins {
            for (start, end, third) in [(vertex, a, b), (a, b, vertex), (b, vertex, a)] {
                if let Some(slot) = graph.slot(start, end) {
                    thirds[slot] = third;
                }
            }
            faces.push([vertex, a, b]);
        }
    }
    Replay { faces, thirds }
}
