//! The link graph of a vertex: one edge per incident face, joining the face's two other corners.
//!
//! ```text
//!      b---a          The link of v is the path a-b-c-d: v is manifold, on the boundary.
//!     / \ /           A simple cycle would make v an inner manifold vertex;
//!    c---v            anything else makes it non-manifold.
//!     \ /
//!      d
//! ```

use crate::mesh::half_edge::link_edge;
use crate::mesh::Face;

const UNSEEN: u32 = u32::MAX;

/// One edge of a link: two node slots and the face that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkEdge {
    /// Slot of the neighbour with the lower vertex index.
    pub a: u32,
    /// Slot of the other neighbour.
    pub b: u32,
    /// The face.
    pub face: u32,
}

/// The link graph of one vertex; nodes are numbered by slots in order of first appearance.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Vertex of each node.
    pub nodes: Vec<u32>,
    /// Edges in the order of the faces.
    pub edges: Vec<LinkEdge>,
}

/// What the shape of a link says about its vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkShape {
    /// One simple cycle or one simple path.
    Manifold,
    /// Connected, with a cycle, but more than that cycle.
    NonManifoldCycle,
    /// A tree that is not a path.
    NonManifoldChain,
    /// More than one piece.
    Disconnected,
}

/// Builds links without searching: remembers for each vertex of the mesh its slot in the link at hand.
#[derive(Debug, Default)]
pub struct LinkBuilder {
    slot: Vec<u32>,
}

impl LinkBuilder {
    /// The link of `vertex` made by the faces `incident`, in their order.
    pub fn build(&mut self, vertex: u32, incident: &[u32], faces: &[Face]) -> Link {
        let mut link = Link::default();
        for &face in incident {
            let (low, high) = other_corners(vertex, &faces[face as usize]);
            let a = self.slot_of(low, &mut link.nodes);
            let b = self.slot_of(high, &mut link.nodes);
            link.edges.push(LinkEdge { a, b, face });
        }
        for &node in &link.nodes {
            self.slot[node as usize] = UNSEEN;
        }
        link
    }

    fn slot_of(&mut self, node: u32, nodes: &mut Vec<u32>) -> u32 {
        if self.slot.len() <= node as usize {
            self.slot.resize(node as usize + 1, UNSEEN);
        }
        let slot = &mut self.slot[node as usize];
        if *slot == UNSEEN {
            *slot = nodes.len() as u32;
            nodes.push(node);
        }
        *slot
    }
}

/// The two corners of a face that are not `vertex`, lower index first.
pub fn other_corners(vertex: u32, face: &Face) -> (u32, u32) {
    let (x, y) = link_edge(face, vertex);
    (x.min(y), x.max(y))
}

impl Link {
    /// Connected piece of each edge, and the number of pieces; pieces are numbered by their first node.
    pub fn pieces(&self) -> (Vec<u32>, usize) {
        let mut parent: Vec<u32> = (0..self.nodes.len() as u32).collect();
        for edge in &self.edges {
            let (a, b) = (root(&mut parent, edge.a), root(&mut parent, edge.b));
            // The lower slot stays the root, so that a piece is named by its first node.
            parent[a.max(b) as usize] = a.min(b);
        }
        let mut number = vec![UNSEEN; self.nodes.len()];
        let mut n_pieces = 0;
        for node in 0..self.nodes.len() as u32 {
            let r = root(&mut parent, node) as usize;
            if number[r] == UNSEEN {
                number[r] = n_pieces;
                n_pieces += 1;
            }
        }
        let of_edge = self
            .edges
            .iter()
            .map(|edge| number[root(&mut parent, edge.a) as usize])
            .collect();
        (of_edge, n_pieces as usize)
    }

    /// Number of edges at each node.
    pub fn degrees(&self) -> Vec<u32> {
        let mut degree = vec![0; self.nodes.len()];
        for edge in &self.edges {
            degree[edge.a as usize] += 1;
            degree[edge.b as usize] += 1;
        }
        degree
    }

    /// What the link says about its vertex. Needs no search: a connected graph is a simple cycle or path
    /// exactly if no node has more than two edges.
    pub fn shape(&self) -> LinkShape {
        let (_, n_pieces) = self.pieces();
        if n_pieces > 1 {
            LinkShape::Disconnected
        } else if self.degrees().iter().all(|&d| d <= 2) {
            LinkShape::Manifold
        } else if self.edges.len() >= self.nodes.len() {
            LinkShape::NonManifoldCycle
        } else {
            LinkShape::NonManifoldChain
        }
    }

    /// For each node its neighbours as (slot, edge), in edge order.
    pub fn adjacency(&self) -> Vec<Vec<(u32, u32)>> {
        let mut adjacency = vec![Vec::new(); self.nodes.len()];
        for (e, edge) in self.edges.iter().enumerate() {
            adjacency[edge.a as usize].push((edge.b, e as u32));
            adjacency[edge.b as usize].push((edge.a, e as u32));
        }
        adjacency
    }
}

fn root(parent: &mut [u32], mut x: u32) -> u32 {
    while parent[x as usize] != x {
        parent[x as usize] = parent[parent[x as usize] as usize];
        x = parent[x as usize];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(faces: &[Face]) -> Link {
        let incident: Vec<u32> = (0..faces.len() as u32).collect();
        LinkBuilder::default().build(0, &incident, faces)
    }

    #[test]
    fn shapes() {
        assert_eq!(link(&[[0, 1, 2], [0, 2, 3]]).shape(), LinkShape::Manifold);
        assert_eq!(
            link(&[[0, 1, 2], [2, 0, 3], [3, 1, 0]]).shape(),
            LinkShape::Manifold
        );
        assert_eq!(
            link(&[[0, 1, 2], [0, 2, 3], [0, 2, 4]]).shape(),
            LinkShape::NonManifoldChain
        );
        assert_eq!(
            link(&[[0, 1, 2], [0, 2, 3], [0, 3, 1], [0, 3, 4]]).shape(),
            LinkShape::NonManifoldCycle
        );
        assert_eq!(
            link(&[[0, 1, 2], [0, 3, 4]]).shape(),
            LinkShape::Disconnected
        );
    }

    #[test]
    fn pieces_are_numbered_by_their_first_node() {
        let (of_edge, n_pieces) = link(&[[0, 5, 6], [0, 1, 2], [0, 6, 7], [0, 2, 7]]).pieces();
        assert_eq!((of_edge, n_pieces), (vec![0, 0, 0, 0], 1));
        let (of_edge, n_pieces) = link(&[[0, 5, 6], [0, 1, 2], [0, 6, 7]]).pieces();
        assert_eq!((of_edge, n_pieces), (vec![0, 1, 0], 2));
    }
}
