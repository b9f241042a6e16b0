//! The three passes of the repair: split disconnected links, divide the non-manifold ones, check.
//!
//! Every face carries a surface label, an element of a union-find. Labels start from the patches of manifold
//! vertices, and dividing a vertex prefers fans of one label.

use super::cycles::Budget;
use super::link::{other_corners, Link, LinkBuilder, LinkShape};
use super::partition::partition;
use crate::mesh::half_edge::NONE;
use crate::mesh::incidence::Incidence;
use crate::mesh::{Face, GridPoint};
use crate::repair::union_find::UnionFind;
use crate::{Limits, MeshError, Result};

/// A mesh whose vertices each have one fan of faces, and what was done to get there.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// Input positions, then the copies.
    pub vertices: Vec<GridPoint>,
    /// Faces in input order with corners replaced by copies.
    pub faces: Vec<Face>,
    /// Number of copies.
    pub n_copies: usize,
    /// Vertices found non-manifold.
    pub n_non_manifold_vertices: usize,
    /// Largest number of link edges met; twice the true number for vertices split in the first pass.
    pub max_link_edges: usize,
    /// Distinct surface labels.
    pub n_labels: usize,
    /// Surface labels ever made.
    pub n_label_elements: usize,
}

/// Splits vertices until every link is one simple cycle or path.
pub fn repair(vertices: &[GridPoint], faces: &[Face], limits: &Limits) -> Result<Repaired> {
    let mut state = State {
        vertices: vertices.to_vec(),
        faces: faces.to_vec(),
        labels: vec![NONE; faces.len()],
        sets: UnionFind::default(),
        links: LinkBuilder::default(),
        n_non_manifold_vertices: 0,
    };
    let was_split = state.split_disconnected_links(faces);
    let max_link_edges = state.divide_non_manifold_links(&was_split, limits)?;
    state.split_again()?;
    let n_labels = state.check_labels()?;
    Ok(Repaired {
        n_copies: state.vertices.len() - vertices.len(),
        vertices: state.vertices,
        faces: state.faces,
        n_non_manifold_vertices: state.n_non_manifold_vertices,
        max_link_edges,
        n_labels,
        n_label_elements: state.sets.len(),
    })
}

struct State {
    vertices: Vec<GridPoint>,
    faces: Vec<Face>,
    labels: Vec<u32>,
    sets: UnionFind,
    links: LinkBuilder,
    n_non_manifold_vertices: usize,
}

impl State {
    /// First pass. Returns which vertices, copies included, took part in a split.
    fn split_disconnected_links(&mut self, clean_faces: &[Face]) -> Vec<bool> {
        let incidence = Incidence::ascending(self.vertices.len(), clean_faces);
        let mut was_split = vec![false; self.vertices.len()];
        for v in 0..self.vertices.len() as u32 {
            let link = self.links.build(v, incidence.of(v), clean_faces);
            let (piece, n_pieces) = link.pieces();
            if n_pieces > 1 {
                self.n_non_manifold_vertices += 1;
                self.split(v, &by_piece(&link, &piece, n_pieces));
                was_split[v as usize] = true;
                was_split.resize(self.vertices.len(), true);
            }
        }
        was_split
    }

    /// Second pass: finds the non-manifold vertices and divides them. Returns the largest link.
    fn divide_non_manifold_links(&mut self, was_split: &[bool], limits: &Limits) -> Result<usize> {
        let incidence = Incidence::ascending(self.vertices.len(), &self.faces);
        let mut max_link_edges = 0;
        let mut shapes = vec![None; self.vertices.len()];
        for v in 0..self.vertices.len() as u32 {
            let incident = incidence.of(v);
            if incident.is_empty() {
                continue;
            }
            // The published counts list the faces of a vertex split in the first pass twice.
            let found = incident.len() * if was_split[v as usize] { 2 } else { 1 };
            if found > limits.max_link_edges {
                return Err(MeshError::ValenceLimit {
                    vertex: v,
                    found,
                    limit: limits.max_link_edges,
                });
            }
            max_link_edges = max_link_edges.max(found);
            let shape = self.links.build(v, incident, &self.faces).shape();
            if shape == LinkShape::Disconnected {
                let reason = "its link is still disconnected";
                return Err(MeshError::NonManifoldPartition { vertex: v, reason });
            }
            shapes[v as usize] = Some(shape);
        }
        let waiting: Vec<bool> = shapes
            .iter()
            .map(|s| s.is_some_and(|s| s != LinkShape::Manifold))
            .collect();
        let found = waiting.iter().filter(|&&w| w).count();
        let limit = limits.max_non_manifold_vertices;
        if found > limit {
            return Err(MeshError::NonManifoldVertexLimit { found, limit });
        }
        self.n_non_manifold_vertices += found;
        self.label_manifold_patches(&shapes, &incidence);

        let first_cycle = shapes
            .iter()
            .position(|s| *s == Some(LinkShape::NonManifoldCycle));
        self.divide_all(first_cycle, waiting, &incidence, limits)?;
        Ok(max_link_edges)
    }

    /// Each connected patch of manifold vertices becomes a label, written to all its faces.
    fn label_manifold_patches(&mut self, shapes: &[Option<LinkShape>], incidence: &Incidence) {
        let manifold = |v: u32| shapes[v as usize] == Some(LinkShape::Manifold);
        let mut seen = vec![false; shapes.len()];
        let mut stack = Vec::new();
        for start in 0..shapes.len() as u32 {
            if seen[start as usize] || !manifold(start) {
                continue;
            }
            let patch = self.sets.push();
            seen[start as usize] = true;
            stack.push(start);
            while let Some(v) = stack.pop() {
                for &f in incidence.of(v) {
                    self.labels[f as usize] = patch;
                    for w in self.faces[f as usize] {
                        if manifold(w) && !seen[w as usize] {
                            seen[w as usize] = true;
                            stack.push(w);
                        }
                    }
                }
            }
        }
    }

    /// Divides the waiting vertices, each followed by those its division touched.
    fn divide_all(
        &mut self,
        first_cycle: Option<usize>,
        mut waiting: Vec<bool>,
        incidence: &Incidence,
        limits: &Limits,
    ) -> Result<()> {
        let mut budget = Budget::new(limits.cycle_search_steps);
        let mut stack: Vec<u32> = Vec::new();
        let mut lowest = 0;
        let mut next = first_cycle.map(|v| v as u32);
        loop {
            while lowest < waiting.len() && !waiting[lowest] {
                lowest += 1;
            }
            if lowest == waiting.len() {
                return Ok(());
            }
            let current = next.unwrap_or(lowest as u32);
            stack.extend(self.divide(current, incidence.of(current), &mut budget)?);
            waiting[current as usize] = false;
            next = None;
            while let Some(v) = stack.pop() {
                if waiting.get(v as usize) == Some(&true) {
                    next = Some(v);
                    break;
                }
            }
        }
    }

    /// Divides the faces around one vertex; returns the other corners of the faces that moved.
    fn divide(&mut self, v: u32, incident: &[u32], budget: &mut Budget) -> Result<Vec<u32>> {
        let link = self.links.build(v, incident, &self.faces);
        let edge_labels: Vec<Option<u32>> = link
            .edges
            .iter()
            .map(|edge| self.label_of(edge.face))
            .collect();
        let groups: Vec<Vec<u32>> = partition(&link, &edge_labels, budget)
            .map_err(|reason| MeshError::NonManifoldPartition { vertex: v, reason })?
            .iter()
            .map(|group| group.iter().map(|&e| link.edges[e as usize].face).collect())
            .collect();
        let roots: Vec<Option<u32>> = groups.iter().map(|group| self.join_labels(group)).collect();
        let mut touched: Vec<u32> = Vec::new();
        for &f in groups.iter().skip(1).flatten() {
            let (a, b) = other_corners(v, &self.faces[f as usize]);
            touched.extend([a, b]);
        }
        touched.sort_unstable();
        touched.dedup();
        // Copies made by this pass are finished; only vertices with a face list can be waiting.
        self.split(v, &groups);
        for (group, root) in groups.iter().zip(roots) {
            self.write_label(group, root);
        }
        Ok(touched)
    }

    /// Third pass: the divisions may have disconnected other links, and joins labels around each vertex.
    fn split_again(&mut self) -> Result<()> {
        let faces = self.faces.clone();
        let n_vertices = self.vertices.len();
        let incidence = Incidence::ascending(n_vertices, &faces);
        for v in 0..n_vertices as u32 {
            let link = self.links.build(v, incidence.of(v), &faces);
            let (piece, n_pieces) = link.pieces();
            let groups = by_piece(&link, &piece, n_pieces);
            if !pieces_have_at_most_one_cycle(&link, &piece, n_pieces) {
                let reason = "its link still has more than one cycle";
                return Err(MeshError::NonManifoldPartition { vertex: v, reason });
            }
            let roots: Vec<Option<u32>> =
                groups.iter().map(|group| self.join_labels(group)).collect();
            if n_pieces > 1 {
                self.n_non_manifold_vertices += 1;
                self.split(v, &groups);
                for (group, root) in groups.iter().zip(roots) {
                    self.write_label(group, root);
                }
            }
        }
        Ok(())
    }

    /// Every face needs a label and its corners must agree on it. Returns the number of labels.
    fn check_labels(&mut self) -> Result<usize> {
        let mut of_vertex: Vec<u32> = vec![NONE; self.vertices.len()];
        let mut roots = Vec::with_capacity(self.faces.len());
        for f in 0..self.faces.len() as u32 {
            let root = self
                .label_of(f)
                .ok_or(MeshError::NonManifoldLabel { face: f })?;
            for v in self.faces[f as usize] {
                let known = &mut of_vertex[v as usize];
                if *known == NONE {
                    *known = root;
                } else if *known != root {
                    return Err(MeshError::NonManifoldLabel { face: f });
                }
            }
            roots.push(root);
        }
        roots.sort_unstable();
        roots.dedup();
        Ok(roots.len())
    }

    /// The first group keeps `v`; every further one gets a copy.
    fn split(&mut self, v: u32, groups: &[Vec<u32>]) {
        for group in groups.iter().skip(1) {
            let copy = self.vertices.len() as u32;
            self.vertices.push(self.vertices[v as usize]);
            for &f in group {
                for corner in &mut self.faces[f as usize] {
                    if *corner == v {
                        *corner = copy;
                    }
                }
            }
        }
    }

    fn label_of(&mut self, face: u32) -> Option<u32> {
        match self.labels[face as usize] {
            NONE => None,
            label => Some(self.sets.find(label)),
        }
    }

    fn join_labels(&mut self, group: &[u32]) -> Option<u32> {
        let labels: Vec<u32> = group
            .iter()
            .map(|&f| self.labels[f as usize])
            .filter(|&label| label != NONE)
            .collect();
        self.sets.union_group(&labels)
    }

    fn write_label(&mut self, group: &[u32], root: Option<u32>) {
        let label = root.unwrap_or_else(|| self.sets.push());
        for &f in group {
            let slot = &mut self.labels[f as usize];
            if *slot == NONE {
                *slot = label;
            }
        }
    }
}

fn by_piece(link: &Link, piece: &[u32], n_pieces: usize) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); n_pieces];
    for (edge, &p) in link.edges.iter().zip(piece) {
        groups[p as usize].push(edge.face);
    }
    groups
}

fn pieces_have_at_most_one_cycle(link: &Link, piece: &[u32], n_pieces: usize) -> bool {
    let mut surplus = vec![0_i64; n_pieces];
    let mut piece_of_node = vec![NONE; link.nodes.len()];
    for (edge, &p) in link.edges.iter().zip(piece) {
        surplus[p as usize] += 1;
        piece_of_node[edge.a as usize] = p;
        piece_of_node[edge.b as usize] = p;
    }
    for p in piece_of_node {
        surplus[p as usize] -= 1;
    }
    surplus.iter().all(|&s| s <= 0)
}
