//! A surface on which operations are tried without changing it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::ring::{Node, Sheet};
use super::surface::Surface;
use crate::mesh::GridPoint;

/// Remembers what an operation would change; reads everything else from the surface.
#[derive(Debug)]
pub struct Trial<'a> {
    surface: &'a Surface,
    nodes: FxHashMap<u32, Node>,
    n_added_nodes: u32,
    /// Whether each added vertex is a dummy.
    added_vertices: Vec<bool>,
    links: FxHashSet<(u32, u32)>,
    on_boundary: FxHashSet<u32>,
}

impl<'a> Trial<'a> {
    /// Nothing tried yet.
    pub fn new(surface: &'a Surface) -> Self {
        Self {
            surface,
            nodes: FxHashMap::default(),
            n_added_nodes: 0,
            added_vertices: Vec::new(),
            links: FxHashSet::default(),
            on_boundary: FxHashSet::default(),
        }
    }

    /// Whether the trial has come so far as to make a node.
    pub fn has_node(&self, at: u32) -> bool {
        self.nodes.contains_key(&at)
    }

    fn added(&self, vertex: u32) -> Option<bool> {
        let index = (vertex as usize).checked_sub(self.surface.n_vertices())?;
        self.added_vertices.get(index).copied()
    }

    fn is_dummy(&self, vertex: u32) -> bool {
        self.added(vertex)
            .unwrap_or_else(|| self.surface.is_dummy(vertex))
    }
}

impl Sheet for Trial<'_> {
    fn node(&self, at: u32) -> Node {
        match self.nodes.get(&at) {
            Some(node) => *node,
            None => self.surface.node(at),
        }
    }

    fn set_node(&mut self, at: u32, node: Node) {
        self.nodes.insert(at, node);
    }

    fn add_node(&mut self, node: Node) -> u32 {
        let at = self.surface.n_nodes() as u32 + self.n_added_nodes;
        self.n_added_nodes += 1;
        self.nodes.insert(at, node);
        at
    }

    fn add_vertex(&mut self, position: Option<GridPoint>) -> u32 {
        self.added_vertices.push(position.is_none());
        (self.surface.n_vertices() + self.added_vertices.len()) as u32 - 1
    }

    fn may_link(&self, a: u32, b: u32) -> bool {
        if self.links.contains(&(a.min(b), a.max(b))) {
            return false;
        }
        if self.added(a).is_none() && self.added(b).is_none() {
            let touches_two =
                |dummy, other| self.is_dummy(dummy) && self.on_boundary.contains(&other);
            return self.surface.may_link(a, b) && !touches_two(a, b) && !touches_two(b, a);
        }
        let lies_free = |dummy, other| {
            !self.is_dummy(dummy)
                || !self.on_boundary.contains(&other)
                    && (self.added(other).is_some() || !self.surface.is_on_boundary(other))
        };
        a != b && !(self.is_dummy(a) && self.is_dummy(b)) && lies_free(a, b) && lies_free(b, a)
    }

    fn link(&mut self, a: u32, b: u32) {
        self.links.insert((a.min(b), a.max(b)));
        if self.is_dummy(a) {
            self.on_boundary.insert(b);
        }
        if self.is_dummy(b) {
            self.on_boundary.insert(a);
        }
    }

    fn add_face(&mut self, _face: [u32; 3]) {}
}
