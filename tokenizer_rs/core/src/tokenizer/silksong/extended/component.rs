//! Finds the walk of a component whose tokens decode to its faces.

use super::layered_graph::LayeredGraph;
use super::replay::replay;
use super::ring_search::Verdict;
use super::ring_table::RingTable;
use super::walk::Walk;
use super::START_BIT;
use crate::mesh::half_edge::NONE;
use crate::mesh::Face;
use std::collections::BTreeMap;

/// A walk of a component, and what the decoder makes of it.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Vertices in sequence order.
    pub walk: Walk,
    /// Edges in sequence numbers.
    pub graph: LayeredGraph,
    /// Which of its possible rings each vertex has; mostly the first, 0.
    pub options: Vec<u8>,
    /// How the decoded faces differ from the true ones.
    pub difference: Difference,
}

/// How the faces that were decoded differ from those that were encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// Faces not decoded.
    pub missing: usize,
    /// Faces decoded that were not encoded.
    pub extra: usize,
    /// Faces decoded the wrong way round.
    pub flipped: usize,
}

impl Trial {
    /// Replays a walk as the decoder will, choosing true rings wherever they are among those it would find.
    pub fn new(walk: Walk, rings: &RingTable, rank: &[u32]) -> Self {
        let (graph, truth) = walk.graph(rings, rank);
        let n_vertices = graph.n_vertices();
        let mut options = vec![0_u8; n_vertices];
        let mut index = (NONE, 0);
        let found = replay(&graph, |vertex, thirds, joins| {
            index = match index {
                (last, n) if last == vertex => (vertex, n + 1),
                _ => (vertex, 0_u8),
            };
            let slots =
                graph.first_slot(vertex)..graph.first_slot(vertex) + graph.neighbours(vertex).len();
            let n_faces = |thirds: &[u32]| thirds.iter().filter(|&&third| third != NONE).count();
            let is_true =
                |&(a, b): &(u32, u32)| graph.slot(vertex, a).is_some_and(|slot| truth[slot] == b);
            let is_ring = n_faces(&thirds[slots.clone()]) + joins.len() == n_faces(&truth[slots]);
            if is_ring && joins.iter().all(is_true) {
                options[vertex as usize] = index.1;
                Verdict::Take
            } else if index.1 == last_option(vertex) {
                Verdict::Stop
            } else {
                Verdict::Next
            }
        });
        let difference = if found.thirds == truth {
            Difference::default()
        } else {
            Difference::of(&faces_of(&graph, &truth), &found.faces)
        };
        if let [start, first, ..] = &mut options[..] {
            *first |= *start << START_BIT;
        }
        Self {
            walk,
            graph,
            options,
            difference,
        }
    }

    /// The best of a few walks of a component, and how many there were.
    pub fn best(start: u32, rings: &RingTable, rank: &mut [u32]) -> (Self, usize) {
        let walk = Walk::new(start, rings, rank);
        let trial = Self::new(walk, rings, rank);
        (trial, 1)
    }

    /// Number of tokens spent on options.
    pub fn n_option_tokens(&self) -> usize {
        self.options
            .iter()
            .map(|option| option.count_ones() as usize)
            .sum()
    }

    /// Whether the decoder finds exactly the faces of the component.
    pub fn is_exact(&self) -> bool {
        self.difference == Difference::default()
    }
}

/// The highest option that can be written for a vertex; see [`super`].
fn last_option(vertex: u32) -> u8 {
    match vertex {
        0 => 1,
        1 => (1 << START_BIT) - 1,
        _ => u8::MAX,
    }
}

fn faces_of(graph: &LayeredGraph, thirds: &[u32]) -> Vec<Face> {
    let vertices = 0..graph.n_vertices() as u32;
    vertices
        .flat_map(|a| graph.neighbours(a).iter().map(move |&b| (a, b)))
        .zip(thirds)
        .filter(|&((a, b), &c)| c != NONE && a < b && a < c)
        .map(|((a, b), &c)| [a, b, c])
        .collect()
}

impl Difference {
    /// Both lists have the lowest corner first and no face twice.
    pub fn of(truth: &[Face], found: &[Face]) -> Self {
        let mut directions: BTreeMap<Face, [Option<bool>; 2]> = BTreeMap::new();
        for (list, faces) in [truth, found].into_iter().enumerate() {
            for &[a, b, c] in faces {
                let directions = directions.entry([a, b.min(c), b.max(c)]).or_default();
                directions[list] = Some(b < c);
            }
        }
        let mut difference = Self::default();
        for directions in directions.values() {
            match directions {
                [Some(_), None] => difference.missing += 1,
                [None, Some(_)] => difference.extra += 1,
                [first, second] if first != second => difference.flipped += 1,
                _ => {}
            }
        }
        difference
    }

    /// Adds the numbers of another component.
    pub fn add(&mut self, other: &Self) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.flipped += other.flipped;
    }
}
