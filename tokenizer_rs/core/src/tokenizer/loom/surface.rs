//! The surface built so far: vertices, edges, faces, and the rings that are still open.

use crate::mesh::GridPoint;

use super::operation::{Offset, Operation};
use super::prediction::Predictions;
use super::ring::{self, Node, Obstacle, Ring, Sheet, NONE};

/// The neighbours of each vertex as linked lists in one flat array.
#[derive(Debug, Clone, Default)]
struct Neighbours {
    first: Vec<u32>,
    entries: Vec<(u32, u32)>,
}

impl Neighbours {
    fn add(&mut self, a: u32, b: u32) {
        for (from, to) in [(a, b), (b, a)] {
            let entry = self.entries.len() as u32;
            self.entries.push((to, self.first[from as usize]));
            self.first[from as usize] = entry;
        }
    }

    /// Both lists are read side by side, so the shorter one bounds the cost.
    fn contains(&self, a: u32, b: u32) -> bool {
        let (mut at_a, mut at_b) = (self.first[a as usize], self.first[b as usize]);
        while at_a != NONE && at_b != NONE {
            let (to_a, next_a) = self.entries[at_a as usize];
            let (to_b, next_b) = self.entries[at_b as usize];
            if to_a == b || to_b == a {
                return true;
            }
            (at_a, at_b) = (next_a, next_b);
        }
        false
    }
}

/// The node whose vertex is the third corner of a split or merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Index of its ring.
    pub ring: usize,
    /// The node.
    pub node: u32,
    /// Steps to it after the end `f` of the ring's gate.
    pub ahead: u32,
}

/// The surface built so far.
#[derive(Debug, Clone, Default)]
pub struct Surface {
    positions: Vec<Option<GridPoint>>,
    /// Whether the vertex lies on a boundary loop, as far as is known.
    is_on_boundary: Vec<bool>,
    neighbours: Neighbours,
    nodes: Vec<Node>,
    /// All faces in the order in which they were added, those with a dummy corner among them.
    pub faces: Vec<[u32; 3]>,
    /// The open rings; the last one is active.
    pub rings: Vec<Ring>,
    /// The first vertices of a component whose first face is not complete.
    pub opening: Vec<(u32, u32)>,
    /// Whether a ring was left open, so that a vertex may have got several fans.
    pub was_left_open: bool,
}

impl Surface {
    /// Nothing yet, with room for so many vertices and faces, dummies among them.
    pub fn with_room(n_vertices: usize, n_faces: usize) -> Self {
        Self {
            positions: Vec::with_capacity(n_vertices),
            is_on_boundary: Vec::with_capacity(n_vertices),
            neighbours: Neighbours {
                first: Vec::with_capacity(n_vertices),
                // Each of one and a half edges a face stands at both of its ends.
                entries: Vec::with_capacity(3 * n_faces),
            },
            nodes: Vec::with_capacity(n_vertices),
            faces: Vec::with_capacity(n_faces),
            ..Self::default()
        }
    }

    /// Position of a vertex; none for a dummy and for a missing one.
    pub fn position(&self, vertex: u32) -> Option<GridPoint> {
        self.positions.get(vertex as usize).copied().flatten()
    }

    /// Whether a vertex is the dummy of a boundary loop.
    pub fn is_dummy(&self, vertex: u32) -> bool {
        self.position(vertex).is_none()
    }

    /// Number of vertices, dummies among them.
    pub fn n_vertices(&self) -> usize {
        self.positions.len()
    }

    /// Number of nodes ever made.
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the next operation starts a component or goes on starting one.
    pub fn is_opening(&self) -> bool {
        self.rings.is_empty()
    }

    /// Whether all components are complete.
    pub fn is_complete(&self) -> bool {
        self.rings.is_empty() && self.opening.is_empty()
    }

    /// The active ring.
    pub fn active(&self) -> Option<Ring> {
        self.rings.last().copied()
    }

    /// The nodes `p` and `f` of the active gate.
    pub fn gate(&self) -> Option<(Node, Node)> {
        let p = self.node(self.active()?.gate);
        Some((p, self.node(p.next)))
    }

    /// Whether a vertex is known to lie on a boundary.
    pub fn is_on_boundary(&self, vertex: u32) -> bool {
        self.is_on_boundary[vertex as usize]
    }

    /// Notes that a vertex lies on a boundary.
    pub fn set_on_boundary(&mut self, vertex: u32) {
        self.is_on_boundary[vertex as usize] = true;
    }

    /// Where the next vertex is expected.
    pub fn predictions(&self) -> Predictions {
        let first = |i: usize| self.position(self.opening[i].0).unwrap_or_default();
        match (self.active(), self.opening.len()) {
            (Some(ring), _) => {
                Predictions::at_gate(&ring::surroundings(self, ring), |v| self.position(v))
            }
            (None, 0) => Predictions::NOTHING,
            (None, 1) => Predictions::second(first(0)),
            (None, _) => Predictions::third(first(0), first(1)),
        }
    }

    /// Adds a vertex of a component's first face, with its free edges; the third one opens the ring.
    pub fn open(&mut self, position: GridPoint, n_free: u32) {
        let vertex = self.add_vertex(Some(position));
        self.opening.push((vertex, n_free));
        if let [a, b, c] = self.opening[..] {
            self.opening.clear();
            let ring = ring::start(self, [a.0, b.0, c.0], [a.1, b.1, c.1]);
            self.rings.push(ring);
        }
    }

    /// The third corner of a split or merge; none for other operations.
    pub fn target(&self, operation: Operation) -> Result<Option<Target>, Obstacle> {
        let active = self.rings.len().checked_sub(1).ok_or("no ring is open")?;
        let (index, offset) = match operation {
            Operation::Split { offset, .. } => (active, offset),
            Operation::Merge { depth, offset, .. } => {
                let index = active.checked_sub(depth as usize + 1);
                let index = index.ok_or("there is no such open ring")?;
                (index, Offset::Ahead(offset))
            }
            _ => return Ok(None),
        };
        let ring = self.rings[index];
        let (Offset::Ahead(steps) | Offset::Behind(steps)) = offset;
        if steps >= ring.len {
            return Err("the ring has no such node");
        }
        let mut node = ring.gate;
        let ahead = match offset {
            Offset::Ahead(_) => {
                for _ in 0..=steps {
                    node = self.node(node).next;
                }
                steps
            }
            Offset::Behind(_) => {
                for _ in 0..steps {
                    node = self.node(node).previous;
                }
                ring.len - 1 - steps
            }
        };
        Ok(Some(Target {
            ring: index,
            node,
            ahead,
        }))
    }

    /// The nodes of a ring as targets, from the end `f` of its gate on.
    pub fn targets(&self, ring: usize) -> impl Iterator<Item = Target> + '_ {
        let Ring { gate, len } = self.rings[ring];
        let mut node = gate;
        (0..len).map(move |ahead| {
            node = self.node(node).next;
            Target { ring, node, ahead }
        })
    }
}

impl Sheet for Surface {
    fn node(&self, at: u32) -> Node {
        self.nodes[at as usize]
    }

    fn set_node(&mut self, at: u32, node: Node) {
        self.nodes[at as usize] = node;
    }

    fn add_node(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn add_vertex(&mut self, position: Option<GridPoint>) -> u32 {
        self.positions.push(position);
        self.is_on_boundary.push(false);
        self.neighbours.first.push(NONE);
        self.positions.len() as u32 - 1
    }

    fn may_link(&self, a: u32, b: u32) -> bool {
        // A vertex on two boundary loops would have two fans.
        let lies_free = |dummy, other| !self.is_dummy(dummy) || !self.is_on_boundary(other);
        a != b
            && !(self.is_dummy(a) && self.is_dummy(b))
            && lies_free(a, b)
            && lies_free(b, a)
            && !self.neighbours.contains(a, b)
    }

    fn link(&mut self, a: u32, b: u32) {
        self.neighbours.add(a, b);
        if self.is_dummy(a) {
            self.set_on_boundary(b);
        }
        if self.is_dummy(b) {
            self.set_on_boundary(a);
        }
    }

    fn add_face(&mut self, face: [u32; 3]) {
        self.faces.push(face);
    }
}
