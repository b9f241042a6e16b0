//! Rings: the borders of the surface built so far, as linked lists in one flat array.
//!
//! ```text
//!            u                     ring        ... q -> p -> f -> s ...
//!          /   \                   gate        p -> f, with the triangle (p, f, x) inside
//!    q -> p --> f -> s             next face   (f, p, u)
//!          \   /
//!            x                     the inside lies below
//! ```

use crate::mesh::GridPoint;
use crate::tokenizer::loom::prediction::GateSurroundings;

/// Stands for "no node" and "no vertex".
pub const NONE: u32 = u32::MAX;

/// What stands in the way of an operation.
pub type Obstacle = &'static str;

/// One place of a vertex in a ring, and the ring edge to the next node. A vertex may stand in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The vertex.
    pub vertex: u32,
    /// The node before.
    pub previous: u32,
    /// The node after.
    pub next: u32,
    /// Third vertex of the face inside the edge to the next node.
    pub inner: u32,
    /// Edges that the vertex still gets in its open wedge at this node; scheme V only.
    pub n_free: u32,
    /// Whether the edge to the next node is part of the boundary; scheme D only.
    pub is_boundary: bool,
}

/// A ring: its gate runs from this node to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// The node `p` of the gate `p -> f`.
    pub gate: u32,
    /// Number of nodes.
    pub len: u32,
}

/// What operations do to a surface, on the surface itself or on a trial copy.
pub trait Sheet {
    /// A node.
    fn node(&self, at: u32) -> Node;
    /// Replaces a node.
    fn set_node(&mut self, at: u32, node: Node);
    /// Adds a node and says where it is.
    fn add_node(&mut self, node: Node) -> u32;
    /// Adds a vertex, or without a position the dummy vertex of a boundary loop.
    fn add_vertex(&mut self, position: Option<GridPoint>) -> u32;
    /// Whether two vertices may be joined by a new edge.
    fn may_link(&self, a: u32, b: u32) -> bool;
    /// Joins two vertices by an edge.
    fn link(&mut self, a: u32, b: u32);
    /// Adds a face.
    fn add_face(&mut self, face: [u32; 3]);

    /// Changes one node in place.
    fn change(&mut self, at: u32, change: impl FnOnce(&mut Node)) {
        let mut node = self.node(at);
        change(&mut node);
        self.set_node(at, node);
    }

    /// Joins two vertices if that is possible.
    fn try_link(&mut self, a: u32, b: u32) -> Result<(), Obstacle> {
        if !self.may_link(a, b) {
            return Err("the face needs an edge that cannot be added");
        }
        self.link(a, b);
        Ok(())
    }
}

/// Starts a ring with the face of three vertices; its gate is the edge from the third to the first.
pub fn start<S: Sheet>(sheet: &mut S, [a, b, c]: [u32; 3], n_free: [u32; 3]) -> Ring {
    for (from, to) in [(a, b), (b, c), (c, a)] {
        sheet.link(from, to);
    }
    sheet.add_face([a, b, c]);
    let node = |vertex, inner, n_free| Node {
        vertex,
        previous: NONE,
        next: NONE,
        inner,
        n_free,
        is_boundary: false,
    };
    let nodes = [
        sheet.add_node(node(a, c, n_free[0])),
        sheet.add_node(node(b, a, n_free[1])),
        sheet.add_node(node(c, b, n_free[2])),
    ];
    for i in 0..3 {
        connect(sheet, nodes[i], nodes[(i + 1) % 3]);
    }
    Ring {
        gate: nodes[2],
        len: 3,
    }
}

/// Puts a new vertex between the nodes of the gate; the gate then runs from it to `f`.
pub fn insert<S: Sheet>(
    sheet: &mut S,
    ring: &mut Ring,
    position: Option<GridPoint>,
    n_free: u32,
) -> Result<(), Obstacle> {
    let p = ring.gate;
    let f = sheet.node(p).next;
    let (p_vertex, f_vertex) = (sheet.node(p).vertex, sheet.node(f).vertex);
    let vertex = sheet.add_vertex(position);
    sheet.try_link(p_vertex, vertex)?;
    sheet.try_link(f_vertex, vertex)?;
    sheet.add_face([f_vertex, p_vertex, vertex]);
    let u = sheet.add_node(Node {
        vertex,
        previous: p,
        next: f,
        inner: p_vertex,
        n_free,
        is_boundary: false,
    });
    sheet.change(f, |node| node.previous = u);
    sheet.change(p, |node| {
        node.next = u;
        node.inner = f_vertex;
    });
    ring.gate = u;
    ring.len += 1;
    Ok(())
}

/// Adds the face over a node and its two neighbours; the node leaves the ring. A ring of three closes.
pub fn close_over<S: Sheet>(sheet: &mut S, ring: &mut Ring, over: u32) -> Result<(), Obstacle> {
    let node = sheet.node(over);
    let (before, after) = (node.previous, node.next);
    let (a, b) = (sheet.node(before).vertex, sheet.node(after).vertex);
    let closes = ring.len == 3 && !sheet.node(after).is_boundary;
    if !closes {
        sheet.try_link(a, b)?;
    } else if sheet.node(before).inner == b {
        return Err("the face is there already, the other way round");
    }
    sheet.add_face([node.vertex, a, b]);
    ring.len -= 1;
    if closes {
        ring.len = 0;
        return Ok(());
    }
    connect(sheet, before, after);
    sheet.change(before, |before| {
        before.inner = node.vertex;
        before.is_boundary = false;
    });
    if ring.gate == over {
        ring.gate = before;
    }
    Ok(())
}

/// Adds the face over the gate whose third corner is the vertex of another node of the ring, `offset` steps
/// after `f`. The ring falls in two: the part with `f` (returned first), and the part with `p`.
pub fn split<S: Sheet>(
    sheet: &mut S,
    ring: Ring,
    target: u32,
    offset: u32,
) -> Result<(Ring, Ring), Obstacle> {
    let u = attach(sheet, ring, target)?;
    let with_f = Ring {
        gate: u,
        len: offset + 1,
    };
    let with_p = Ring {
        gate: ring.gate,
        len: ring.len - offset,
    };
    Ok((with_f, with_p))
}

/// Adds the face over the gate whose third corner is the vertex of a node of another ring; they become one.
pub fn merge<S: Sheet>(
    sheet: &mut S,
    ring: Ring,
    other: Ring,
    target: u32,
) -> Result<Ring, Obstacle> {
    let u = attach(sheet, ring, target)?;
    Ok(Ring {
        gate: u,
        len: ring.len + other.len + 1,
    })
}

/// The face over the gate and a node that stands elsewhere: `p` is followed by the node, and a new node of
/// the same vertex, which is returned, takes its place before `f`.
fn attach<S: Sheet>(sheet: &mut S, ring: Ring, target: u32) -> Result<u32, Obstacle> {
    let p = ring.gate;
    let f = sheet.node(p).next;
    let (p_vertex, f_vertex) = (sheet.node(p).vertex, sheet.node(f).vertex);
    let Node {
        vertex, previous, ..
    } = sheet.node(target);
    sheet.try_link(f_vertex, vertex)?;
    sheet.try_link(p_vertex, vertex)?;
    sheet.add_face([f_vertex, p_vertex, vertex]);
    let u = sheet.add_node(Node {
        vertex,
        previous,
        next: f,
        inner: p_vertex,
        n_free: 0,
        is_boundary: false,
    });
    connect(sheet, previous, u);
    sheet.change(f, |node| node.previous = u);
    connect(sheet, p, target);
    sheet.change(p, |node| {
        node.inner = f_vertex;
        node.is_boundary = false;
    });
    Ok(u)
}

/// Makes two nodes neighbours.
pub fn connect<S: Sheet>(sheet: &mut S, before: u32, after: u32) {
    sheet.change(before, |node| node.next = after);
    sheet.change(after, |node| node.previous = before);
}

/// The vertices around the gate.
pub fn surroundings<S: Sheet>(sheet: &S, ring: Ring) -> GateSurroundings {
    let p = sheet.node(ring.gate);
    let f = sheet.node(p.next);
    let has_successor = !f.is_boundary;
    GateSurroundings {
        p: p.vertex,
        f: f.vertex,
        x: p.inner,
        s: if has_successor {
            sheet.node(f.next).vertex
        } else {
            NONE
        },
        y: if has_successor { f.inner } else { NONE },
    }
}
