//! The three passes of the repair: split disconnected links, divide the non-manifold ones, check.
//!
//! Every face carries a surface label, an element of a union-find. Labels start from the patches of manifold
//! vertices, and dividing a vertex prefers fans of one label.
//!
//! Most vertices are seen to be manifold from the half-edges alone. Their links are never built, and no pass
//! has anything to do there.

use super::cycles::Budget;
use super::link::{other_corners, Link, LinkBuilder, LinkShape};
use super::partition::partition;
use crate::mesh::components::Surfaces;
use crate::mesh::half_edge::{HalfEdges, NONE};
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
    /// How these faces meet.
    pub half_edges: HalfEdges,
    /// These faces joined over edges.
    pub surfaces: Surfaces,
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

/// Splits vertices until every link is one simple cycle or path. `half_edges` are those of `faces`.
pub fn repair(
    vertices: &[GridPoint],
    faces: &[Face],
    half_edges: HalfEdges,
    limits: &Limits,
) -> Result<Repaired> {
    let mut state = State {
        vertices: vertices.to_vec(),
        faces: faces.to_vec(),
        ..State::default()
    };
    let fans = Fans::new(vertices.len(), faces, &half_edges);
    let was_split = state.split_disconnected_links(faces, &fans);
    let max_link_edges = state.divide_non_manifold_links(fans, &was_split, limits)?;
    let mut repaired = Repaired {
        max_link_edges,
        ..Repaired::default()
    };
    if state.changed.is_empty() {
        // The first pass leaves the faces at an edge together, and a surface without non-manifold vertices
        // is one patch.
        repaired.surfaces = Surfaces::new(&half_edges);
        repaired.half_edges = half_edges;
        repaired.n_labels = repaired.surfaces.len;
        repaired.n_label_elements = repaired.surfaces.len;
    } else {
        state.split_again()?;
        repaired.n_labels = state.check_labels()?;
        repaired.n_label_elements = state.sets.len();
        repaired.half_edges = HalfEdges::new(state.vertices.len(), &state.faces);
        repaired.surfaces = Surfaces::new(&repaired.half_edges);
    }
    repaired.n_copies = state.vertices.len() - vertices.len();
    repaired.n_non_manifold_vertices = state.n_non_manifold_vertices;
    repaired.vertices = state.vertices;
    repaired.faces = state.faces;
    Ok(repaired)
}

/// What the half-edges say about each vertex.
struct Fans {
    n_faces: Vec<u32>,
    /// Whether the faces form one fan in which every edge has at most two faces; false without faces.
    is_manifold: Vec<bool>,
    n_doubtful: usize,
}

impl Fans {
    fn new(n_vertices: usize, faces: &[Face], half_edges: &HalfEdges) -> Self {
        let mut n_faces = vec![0_u32; n_vertices];
        let mut a_corner = vec![NONE; n_vertices];
        for (corner, &v) in (0..).zip(faces.as_flattened()) {
            n_faces[v as usize] += 1;
            a_corner[v as usize] = corner;
        }
        let mut n_doubtful = 0;
        let is_manifold = n_faces
            .iter()
            .zip(a_corner)
            .map(|(&n, corner)| {
                // A fan of all faces that ends at an edge with more would leave out one of them.
                let is_manifold = n > 0 && half_edges.fan_size(faces, corner) == n;
                n_doubtful += usize::from(n > 0 && !is_manifold);
                is_manifold
            })
            .collect();
        Self {
            n_faces,
            is_manifold,
            n_doubtful,
        }
    }

    /// The faces around each vertex, if some vertex is in doubt.
    fn incidence(&self, n_vertices: usize, faces: &[Face]) -> Option<Incidence> {
        (self.n_doubtful > 0).then(|| Incidence::ascending(n_vertices, faces))
    }
}

#[derive(Default)]
struct State {
    vertices: Vec<GridPoint>,
    faces: Vec<Face>,
    /// Label of each face; empty as long as no vertex is to be divided.
    labels: Vec<u32>,
    sets: UnionFind,
    links: LinkBuilder,
    /// Vertices whose link the second pass has changed.
    changed: Vec<u32>,
    n_non_manifold_vertices: usize,
}

impl State {
    /// First pass. Returns which vertices, copies included, took part in a split.
    fn split_disconnected_links(&mut self, clean_faces: &[Face], fans: &Fans) -> Vec<bool> {
        let n_vertices = self.vertices.len();
        let mut was_split = vec![false; n_vertices];
        let Some(incidence) = fans.incidence(n_vertices, clean_faces) else {
            return was_split;
        };
        for v in 0..n_vertices as u32 {
            if fans.is_manifold[v as usize] {
                continue;
            }
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
    fn divide_non_manifold_links(
        &mut self,
        fans: Fans,
        was_split: &[bool],
        limits: &Limits,
    ) -> Result<usize> {
        let n_vertices = self.vertices.len();
        let incidence = fans.incidence(n_vertices, &self.faces);
        let mut is_manifold = fans.is_manifold;
        is_manifold.resize(n_vertices, false);
        let mut max_link_edges = 0;
        let mut waiting = vec![false; n_vertices];
        let mut n_waiting = 0;
        let mut first_cycle = None;
        for v in 0..n_vertices {
            let incident = incidence.as_ref().map_or(&[][..], |i| i.of(v as u32));
            let found = if is_manifold[v] {
                fans.n_faces[v] as usize
            } else {
                // The published counts list the faces of a vertex split in the first pass twice.
                incident.len() * if was_split[v] { 2 } else { 1 }
            };
            if found > limits.max_link_edges {
                return Err(MeshError::ValenceLimit {
                    vertex: v as u32,
                    found,
                    limit: limits.max_link_edges,
                });
            }
            max_link_edges = max_link_edges.max(found);
            if is_manifold[v] || incident.is_empty() {
                continue;
            }
            match self.links.build(v as u32, incident, &self.faces).shape() {
                LinkShape::Disconnected => {
                    return Err(MeshError::NonManifoldPartition {
                        vertex: v as u32,
                        reason: "its link is still disconnected",
                    });
                }
                LinkShape::Manifold => is_manifold[v] = true,
                shape => {
                    waiting[v] = true;
                    n_waiting += 1;
                    if shape == LinkShape::NonManifoldCycle && first_cycle.is_none() {
                        first_cycle = Some(v as u32);
                    }
                }
            }
        }
        let limit = limits.max_non_manifold_vertices;
        if n_waiting > limit {
            return Err(MeshError::NonManifoldVertexLimit {
                found: n_waiting,
                limit,
            });
        }
        self.n_non_manifold_vertices += n_waiting;
        if let Some(incidence) = incidence.filter(|_| n_waiting > 0) {
            self.label_manifold_patches(&is_manifold, &incidence);
            self.divide_all(first_cycle, waiting, &incidence, limits)?;
        }
        Ok(max_link_edges)
    }

    /// Each connected patch of manifold vertices becomes a label, written to all its faces.
    fn label_manifold_patches(&mut self, is_manifold: &[bool], incidence: &Incidence) {
        self.labels = vec![NONE; self.faces.len()];
        let mut seen = vec![false; is_manifold.len()];
        let mut stack = Vec::new();
        for start in 0..is_manifold.len() as u32 {
            if seen[start as usize] || !is_manifold[start as usize] {
                continue;
            }
            let patch = self.sets.push();
            seen[start as usize] = true;
            stack.push(start);
            while let Some(v) = stack.pop() {
                for &f in incidence.of(v) {
                    self.labels[f as usize] = patch;
                    for w in self.faces[f as usize] {
                        if is_manifold[w as usize] && !seen[w as usize] {
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
        first_cycle: Option<u32>,
        mut waiting: Vec<bool>,
        incidence: &Incidence,
        limits: &Limits,
    ) -> Result<()> {
        let mut budget = Budget::new(limits.cycle_search_steps);
        let mut stack: Vec<u32> = Vec::new();
        let mut lowest = 0;
        let mut next = first_cycle;
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
        let first_copy = self.vertices.len() as u32;
        self.split(v, &groups);
        self.changed.extend(&touched);
        self.changed.push(v);
        self.changed.extend(first_copy..self.vertices.len() as u32);
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
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        // All other links are still manifold, and the faces around them have one label.
        for v in changed {
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
