//! The boundary of the faces not visited yet, as linked loops.
//!
//! At a branch the walk needs to know which of two loops is shorter. Following a loop face by face costs its
//! whole length at every branch, which is quadratic on meshes with many holes. Here every loop is linked and
//! labelled instead, as in EdgeBreaker (Rossignac, 1999): a step of the walk moves a few links; a branch that
//! joins two loops is seen by their labels; one that divides a loop follows both parts in lockstep and
//! relabels the shorter one, so that an item is relabelled O(log F) times unless parts are joined again.
//!
//! Only for meshes whose twins run in opposite directions. Half-edges of unvisited faces are on a loop if
//! they have no twin or a visited one; the next one on the loop starts where one ends.

use super::half_edges::HalfEdges;
use crate::mesh::half_edge::NONE;
use crate::repair::union_find::UnionFind;

/// Loops of half-edges.
pub struct BoundaryLoops {
    next: Vec<u32>,
    previous: Vec<u32>,
    label: Vec<u32>,
    /// Labels of loops that were joined are in one set.
    labels: UnionFind,
}

/// Whether a half-edge of an unvisited face has none across.
fn is_boundary(mesh: &HalfEdges, visited: &[bool], h: u32) -> bool {
    let twin = mesh.twin(h);
    twin == NONE || visited[twin as usize / 3]
}

impl BoundaryLoops {
    /// The boundary of a mesh of which no face was visited. Cost O(F).
    pub fn new(mesh: &HalfEdges, visited: &[bool]) -> Self {
        let n = mesh.len();
        let mut loops = Self {
            next: vec![NONE; n],
            previous: vec![NONE; n],
            label: vec![NONE; n],
            labels: UnionFind::default(),
        };
        for h in (0..n as u32).filter(|&h| mesh.twin(h) == NONE) {
            let mut at = mesh.next(h);
            while !is_boundary(mesh, visited, at) {
                at = mesh.next(mesh.twin(at));
            }
            loops.link(h, at);
        }
        for h in (0..n as u32).filter(|&h| mesh.twin(h) == NONE) {
            if loops.label[h as usize] == NONE {
                loops.relabel(h);
            }
        }
        loops
    }

    /// Cuts the edge of `c`, so that a walk can start with it as if it came from across.
    pub fn cut(&mut self, mesh: &HalfEdges, visited: &[bool], c: u32) {
        let twin = mesh.twin(c);
        for (from, across) in [(c, twin), (twin, c)] {
            let mut at = mesh.next(from);
            while at != across && !is_boundary(mesh, visited, at) {
                at = mesh.next(mesh.twin(at));
            }
            if at != across {
                self.link(self.previous[at as usize], across);
            }
            self.link(from, at);
        }
        self.relabel(c);
        if self.label(twin) != self.label(c) {
            self.relabel(twin);
        }
    }

    /// The face of `c` was visited and its tip is new: `left` and `right` take its place.
    pub fn grow(&mut self, c: u32, left: u32, right: u32) {
        self.replace(c, c, left, right);
        self.link(left, right);
    }

    /// The face of `c` was visited and the half-edge before `c` lies in it: `right` takes their place.
    pub fn close_left(&mut self, c: u32, right: u32) {
        let before = self.previous[c as usize];
        self.replace(before, c, right, right);
    }

    /// The face of `c` was visited and the half-edge behind `c` lies in it: `left` takes their place.
    pub fn close_right(&mut self, c: u32, left: u32) {
        let behind = self.next[c as usize];
        self.replace(c, behind, left, left);
    }

    /// The face of `c` was visited, its tip is not new, and the faces of `left` and `right` are unvisited:
    /// whether the loop of `right` is now shorter than that of `left`.
    pub fn branch(
        &mut self,
        mesh: &HalfEdges,
        visited: &[bool],
        c: u32,
        left: u32,
        right: u32,
    ) -> bool {
        let Some((into_tip, out_of_tip)) = self.at_tip(mesh, visited, left, right) else {
            self.grow(c, left, right);
            return false;
        };
        let here = self.labels.find(self.label(c));
        let there = self.labels.find(self.label(out_of_tip));
        self.replace(c, c, left, right);
        self.link(left, out_of_tip);
        self.link(into_tip, right);
        if here != there {
            self.labels.union(here, there);
            return false;
        }
        let (mut on_left, mut on_right) = (left, right);
        loop {
            on_left = self.next[on_left as usize];
            on_right = self.next[on_right as usize];
            if on_left == left || on_right == right {
                break;
            }
        }
        let is_right_shorter = on_left != left;
        self.relabel(if is_right_shorter { right } else { left });
        is_right_shorter
    }

    /// The half-edges of a loop that enter and leave the tip between `left` and `right`, if there are any.
    /// Looked for from both sides, so that a vertex of many faces is divided at the cost of its smaller part.
    fn at_tip(
        &self,
        mesh: &HalfEdges,
        visited: &[bool],
        left: u32,
        right: u32,
    ) -> Option<(u32, u32)> {
        let mut leaving = mesh.next(left);
        let mut entering = mesh.previous(right);
        loop {
            if is_boundary(mesh, visited, leaving) {
                return (leaving != right).then(|| (self.previous[leaving as usize], leaving));
            }
            if is_boundary(mesh, visited, entering) {
                return (entering != left).then(|| (entering, self.next[entering as usize]));
            }
            leaving = mesh.next(mesh.twin(leaving));
            entering = mesh.previous(mesh.twin(entering));
        }
    }

    /// Puts `left` behind what was before `first`, and `right` before what was behind `last`.
    fn replace(&mut self, first: u32, last: u32, left: u32, right: u32) {
        let (before, behind) = (self.previous[first as usize], self.next[last as usize]);
        let label = self.label(first);
        self.label[left as usize] = label;
        self.label[right as usize] = label;
        self.link(before, left);
        self.link(right, behind);
    }

    fn link(&mut self, h: u32, next: u32) {
        self.next[h as usize] = next;
        self.previous[next as usize] = h;
    }

    fn label(&self, h: u32) -> u32 {
        self.label[h as usize]
    }

    fn relabel(&mut self, start: u32) {
        let label = self.labels.push();
        let mut at = start;
        loop {
            self.label[at as usize] = label;
            at = self.next[at as usize];
            if at == start {
                break;
            }
        }
    }
}

/// The same answer as [`BoundaryLoops::branch`] by following both loops face by face; for meshes whose twins
/// may run in the same direction, where the loops are not linked that simply.
///
/// That can cost F steps at every branch, so that all branches together have `n_steps` to spend. When they are
/// spent, the right loop counts as not shorter.
pub fn is_right_loop_shorter(
    mesh: &HalfEdges,
    visited: &[bool],
    left: u32,
    right: u32,
    n_steps: &mut usize,
) -> bool {
    let (mut on_left, mut on_right) = (left, right);
    while *n_steps > 0 {
        on_left = mesh.previous(on_left);
        while !is_boundary(mesh, visited, on_left) {
            on_left = mesh.previous(mesh.twin(on_left));
            *n_steps = n_steps.saturating_sub(1);
        }
        on_right = mesh.next(on_right);
        while !is_boundary(mesh, visited, on_right) {
            on_right = mesh.next(mesh.twin(on_right));
            *n_steps = n_steps.saturating_sub(1);
        }
        if on_left == left || on_right == right {
            return on_left != left;
        }
        *n_steps = n_steps.saturating_sub(1);
    }
    false
}
