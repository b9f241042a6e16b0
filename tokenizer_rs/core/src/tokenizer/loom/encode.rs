//! Mesh to tokens: every component from its least face, gate by gate.

use std::sync::Arc;

use super::decode::mesh_of;
use super::operation::Operation;
use super::prediction::Predictions;
use super::ring::{Sheet, NONE};
use super::state::LoomState;
use super::vocabulary::MOST_CLOSES;
use super::walk::{not_manifold, Walk};
use super::write::canonical_offset;
use super::{Format, Scheme};
use crate::mesh::grid_mesh::{is_same_triangle, rotated_to_least};
use crate::mesh::sorted_order::sorted_order;
use crate::mesh::{Face, GridMesh, GridPoint};
use crate::{MeshError, Result};

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connected components.
    pub n_components: i64,
    /// Vertices written.
    pub n_vertices: i64,
    /// Vertices written as a slot.
    pub n_slot_hits: i64,
    /// Rings that fell in two.
    pub n_splits: i64,
    /// Rings that became one.
    pub n_merges: i64,
    /// Boundary loops announced (scheme V).
    pub n_loops: i64,
    /// Faces closed ahead or behind, boundary edges and rings left, each announced (scheme D).
    pub n_closings: i64,
}

impl Statistics {
    /// The counts by name.
    pub fn counts(&self) -> Vec<(&'static str, i64)> {
        vec![
            ("n_components", self.n_components),
            ("n_vertices", self.n_vertices),
            ("n_slot_hits", self.n_slot_hits),
            ("n_splits", self.n_splits),
            ("n_merges", self.n_merges),
            ("n_loops", self.n_loops),
            ("n_closings", self.n_closings),
        ]
    }
}

/// Tokens, the order in which they name the faces, and counts.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Token ids.
    pub tokens: Vec<i32>,
    /// Faces of the mesh in token order.
    pub face_order: Vec<u32>,
    /// Counts.
    pub statistics: Statistics,
    /// What a decoder makes of the tokens, where one was driven along.
    pub decoded: Option<GridMesh>,
}

/// Writes a manifold, oriented mesh whose faces have positions of their own.
///
/// A mesh that is not manifold is an error. Cost O(F log F) for the order of the components, else linear but
/// for splits, which look along the ring.
pub fn write(format: &Arc<Format>, mesh: &GridMesh) -> Result<Written> {
    walk_through(format, mesh, |_, _| {})
}

/// The vertices in the order in which they are written, and what is expected of each.
pub fn vertices(format: &Arc<Format>, mesh: &GridMesh) -> Result<Vec<(Predictions, GridPoint)>> {
    let mut vertices = Vec::with_capacity(mesh.vertices.len());
    walk_through(format, mesh, |predictions, position| {
        vertices.push((*predictions, *position));
    })?;
    Ok(vertices)
}

fn walk_through(
    format: &Arc<Format>,
    mesh: &GridMesh,
    on_vertex: impl FnMut(&Predictions, &GridPoint),
) -> Result<Written> {
    let walk = Walk::new(mesh, format.scheme)?;
    let mut encoder = Encoder {
        format,
        mesh,
        on_vertex,
        state: LoomState::with_room(format.clone(), walk.n_vertices(), walk.n_faces()),
        mesh_vertices: Vec::with_capacity(walk.n_vertices()),
        state_vertices: vec![NONE; walk.n_vertices()],
        is_done: vec![false; walk.n_faces()],
        n_taken_faces: 0,
        open_class: None,
        has_inner_gate: false,
        written: Written::default(),
        walk,
    };
    let rank = ranks(&mesh.vertices);
    let from_least = |face: &Face| rotated_to_least(face.map(|v| (rank[v as usize], v)));
    // Components may start by their corners' y, z, x, least corner first.
    let keys: Vec<[u32; 3]> = mesh
        .faces
        .iter()
        .map(|face| from_least(face).map(|(rank, _)| rank))
        .collect();
    for f in sorted_order(&keys) {
        if !encoder.is_done[f as usize] {
            let corners = from_least(&mesh.faces[f as usize]);
            encoder.write_component(corners.map(|(_, v)| v))?;
        }
    }
    if format.scheme == Scheme::Valence {
        encoder.written.decoded = Some(mesh_of(&encoder.state.surface));
    }
    Ok(encoder.written)
}

/// The place of each position among the distinct ones by y, then z, then x.
fn ranks(points: &[GridPoint]) -> Vec<u32> {
    let keys: Vec<[u32; 3]> = points
        .iter()
        .map(|&[x, y, z]| [y, z, x].map(|c| c as u32))
        .collect();
    let order = sorted_order(&keys);
    let mut rank = vec![0; points.len()];
    let same = |&v: &u32, &w: &u32| keys[v as usize] == keys[w as usize];
    for (number, run) in (0..).zip(order.chunk_by(same)) {
        run.iter().for_each(|&v| rank[v as usize] = number);
    }
    rank
}

struct Encoder<'a, F> {
    format: &'a Arc<Format>,
    mesh: &'a GridMesh,
    on_vertex: F,
    walk: Walk,
    /// In scheme V a decoder: all it knows are the tokens written so far. In scheme D a token may still change
    /// after it was written, so that the state is told the operations themselves.
    state: LoomState,
    /// Vertex of the mesh by vertex of the state, and back.
    mesh_vertices: Vec<u32>,
    state_vertices: Vec<u32>,
    is_done: Vec<bool>,
    n_taken_faces: usize,
    /// First token of the last vertex and its class, while closed faces may still be added to it.
    open_class: Option<(usize, u32)>,
    /// Whether the ring is known to have an inner gate after the boundary edges that are being written.
    has_inner_gate: bool,
    written: Written,
}

/// Where the third corner of a face stands.
struct Place {
    /// The neighbour of that node along the ring.
    neighbour: u32,
    /// Whether the neighbour comes before the node.
    is_before: bool,
    /// Edges of the corner between the new face and the ring, on the side of `f`.
    n_free: u32,
}

impl<F: FnMut(&Predictions, &GridPoint)> Encoder<'_, F> {
    fn write_component(&mut self, corners: [u32; 3]) -> Result<()> {
        self.written.statistics.n_components += 1;
        for vertex in corners {
            self.write_vertex(vertex)?;
        }
        while let Some((p, f)) = self.state.surface.gate() {
            let mesh_vertex = |v: u32| self.mesh_vertices[v as usize];
            let (from, to) = (mesh_vertex(f.vertex), mesh_vertex(p.vertex));
            let Some(spoke) = self.walk.spoke(from, to) else {
                self.write_boundary(from)?;
                continue;
            };
            if self.is_done[spoke.face as usize] {
                return Err(not_manifold(from));
            }
            let third = self.state_vertices[spoke.apex as usize];
            if third == NONE && !self.walk.is_dummy(spoke.apex) {
                self.write_vertex(spoke.apex)?;
            } else if third == NONE {
                self.written.statistics.n_loops += 1;
                self.mesh_vertices.push(spoke.apex);
                self.state_vertices[spoke.apex as usize] = self.mesh_vertices.len() as u32 - 1;
                let length = self.walk.valence(spoke.apex);
                self.write_operation(Operation::Loop { length }, from)?;
            } else {
                let operation = self
                    .closing(third)
                    .map_or_else(|| self.attachment(from, to, spoke.apex), Ok)?;
                self.write_operation(operation, from)?;
            }
        }
        Ok(())
    }

    fn write_vertex(&mut self, vertex: u32) -> Result<()> {
        let position = self.mesh.vertices[vertex as usize];
        let is_opening = self.state.surface.is_opening();
        let predictions = self.state.surface.predictions();
        (self.on_vertex)(&predictions, &position);
        let tokens = &mut self.written.tokens;
        let (n_before, valence) = (tokens.len(), self.walk.valence(vertex));
        let is_slot = match self.format.scheme {
            Scheme::Valence => self
                .format
                .push_vertex(&predictions, &position, valence, tokens),
            Scheme::Deferred => self
                .format
                .push_position(&predictions, &position, 0, tokens),
        };
        self.written.statistics.n_vertices += 1;
        self.written.statistics.n_slot_hits += i64::from(is_slot);
        self.mesh_vertices.push(vertex);
        self.state_vertices[vertex as usize] = self.mesh_vertices.len() as u32 - 1;
        let operation = Operation::Vertex { position, valence };
        self.carry_out(operation, n_before, vertex)?;
        let is_gate = self.format.scheme == Scheme::Deferred && !is_opening;
        self.open_class = is_gate.then_some((n_before, 0));
        Ok(())
    }

    /// Scheme D: one boundary edge, or all the rest of the ring where it is boundary.
    fn write_boundary(&mut self, vertex: u32) -> Result<()> {
        if self.format.scheme == Scheme::Valence {
            return Err(not_manifold(vertex));
        }
        let surface = &self.state.surface;
        let Some(ring) = surface.active() else {
            return Err(not_manifold(vertex));
        };
        // A run of boundary edges is looked through once, not once an edge.
        let mut at = ring.gate;
        let is_rest = !self.has_inner_gate
            && (0..ring.len).all(|_| {
                let node = surface.node(at);
                at = node.next;
                let ends = [node.vertex, surface.node(at).vertex];
                let [p, f] = ends.map(|v| self.mesh_vertices[v as usize]);
                node.is_boundary || self.walk.spoke(f, p).is_none()
            });
        let operation = if is_rest {
            Operation::Leave
        } else {
            Operation::Boundary
        };
        self.write_operation(operation, vertex)?;
        self.has_inner_gate = operation == Operation::Boundary;
        Ok(())
    }

    /// Scheme D: whether the third corner is a neighbour of the gate along the ring.
    fn closing(&self, third: u32) -> Option<Operation> {
        if self.format.scheme == Scheme::Valence {
            return None;
        }
        let surface = &self.state.surface;
        let (p, f) = surface.gate()?;
        let (q, s) = (surface.node(p.previous), surface.node(f.next));
        if s.vertex == third && !f.is_boundary {
            Some(Operation::CloseAhead)
        } else if q.vertex == third && !q.is_boundary {
            Some(Operation::CloseBehind)
        } else {
            None
        }
    }

    fn attachment(&mut self, f: u32, p: u32, u: u32) -> Result<Operation> {
        let place = self.place(f, p, u)?;
        let surface = &self.state.surface;
        let rings = &surface.rings;
        let is_target = |at: u32| {
            let node = surface.node(at);
            let before = surface.node(node.previous);
            let (neighbour, is_boundary) = if place.is_before {
                (before.vertex, before.is_boundary)
            } else {
                (surface.node(node.next).vertex, node.is_boundary)
            };
            self.mesh_vertices[node.vertex as usize] == u
                && self.mesh_vertices[neighbour as usize] == place.neighbour
                && !is_boundary
        };
        let n_free = match self.format.scheme {
            Scheme::Valence => place.n_free,
            Scheme::Deferred => 0,
        };
        let active = surface.active().ok_or_else(|| not_manifold(u))?;
        let (mut behind_at, mut ahead_at) = (active.gate, surface.node(active.gate).next);
        for steps in 0..=active.len / 2 {
            let ahead = if is_target(ahead_at) {
                Some(steps)
            } else if is_target(behind_at) {
                Some(active.len - 1 - steps)
            } else {
                None
            };
            if let Some(ahead) = ahead {
                self.written.statistics.n_splits += 1;
                let offset = canonical_offset(self.format.scheme, ahead, active.len, n_free);
                return Ok(Operation::Split { offset, n_free });
            }
            ahead_at = surface.node(ahead_at).next;
            behind_at = surface.node(behind_at).previous;
        }
        for (depth, ring) in (0_u32..).zip(rings.iter().rev().skip(1)) {
            let mut at = surface.node(ring.gate).next;
            for offset in 0..ring.len {
                if is_target(at) {
                    self.written.statistics.n_merges += 1;
                    return Ok(Operation::Merge {
                        depth,
                        offset,
                        n_free,
                    });
                }
                at = surface.node(at).next;
            }
        }
        Err(not_manifold(u))
    }

    /// Turns about `u` from the new face `(f, p, u)` to the ring, or the other way where a boundary is met.
    fn place(&self, f: u32, p: u32, u: u32) -> Result<Place> {
        let mut neighbour = f;
        let mut n_faces = 0;
        while let Some(spoke) = self.walk.spoke(neighbour, u) {
            if self.is_done[spoke.face as usize] {
                return Ok(Place {
                    neighbour,
                    is_before: true,
                    n_free: n_faces.max(1) - 1,
                });
            }
            neighbour = spoke.apex;
            n_faces += 1;
            if n_faces > self.walk.valence(u) {
                return Err(not_manifold(u));
            }
        }
        neighbour = p;
        n_faces = 0;
        while let Some(spoke) = self.walk.spoke(u, neighbour) {
            if self.is_done[spoke.face as usize] {
                return Ok(Place {
                    neighbour,
                    is_before: false,
                    n_free: 0,
                });
            }
            neighbour = spoke.apex;
            n_faces += 1;
            if n_faces > self.walk.valence(u) {
                break;
            }
        }
        Err(not_manifold(u))
    }

    fn write_operation(&mut self, operation: Operation, vertex: u32) -> Result<()> {
        let n_before = self.written.tokens.len();
        if let (Operation::CloseAhead, Some((at, class))) = (operation, self.open_class) {
            self.written.tokens[at] += self.format.vocabulary.class_len() as i32;
            self.open_class = (class + 1 < MOST_CLOSES).then_some((at, class + 1));
        } else {
            self.open_class = None;
            let is_closing = !matches!(
                operation,
                Operation::Loop { .. } | Operation::Split { .. } | Operation::Merge { .. }
            );
            self.written.statistics.n_closings += i64::from(is_closing);
            self.format
                .push_operation(operation, &mut self.written.tokens);
        }
        self.carry_out(operation, n_before, vertex)
    }

    /// Lets the state carry out an operation, whose tokens are those after the first `n_before`, and notes the
    /// faces it has made.
    fn carry_out(&mut self, operation: Operation, n_before: usize, vertex: u32) -> Result<()> {
        self.has_inner_gate = false;
        let done = match self.format.scheme {
            Scheme::Valence => {
                let mut tokens = self.written.tokens[n_before..].iter();
                tokens.try_for_each(|&token| self.state.push(token))
            }
            Scheme::Deferred => self.state.apply(operation),
        };
        done.map_err(|reason| MeshError::Ring { vertex, reason })?;
        let faces = &self.state.surface.faces;
        for face in &faces[self.n_taken_faces..] {
            let [a, b, c] = face.map(|v| self.mesh_vertices[v as usize]);
            let spoke = self.walk.spoke(a, b).filter(|spoke| spoke.apex == c);
            let spoke = spoke.ok_or_else(|| not_manifold(a))?;
            if std::mem::replace(&mut self.is_done[spoke.face as usize], true) {
                return Err(not_manifold(a));
            }
            if spoke.face < self.walk.n_real_faces {
                self.written.face_order.push(spoke.face);
            }
        }
        self.n_taken_faces = faces.len();
        Ok(())
    }
}

/// Whether two meshes have the same oriented triangles, those of the second in the given order.
pub fn same_triangles(decoded: &GridMesh, mesh: &GridMesh, order: &[u32]) -> bool {
    let positions = |mesh: &GridMesh, face: [u32; 3]| -> [GridPoint; 3] {
        face.map(|v| mesh.vertices[v as usize])
    };
    let mut is_named = vec![false; mesh.faces.len()];
    decoded.faces.len() == mesh.faces.len()
        && order.len() == mesh.faces.len()
        && order.iter().zip(&decoded.faces).all(|(&f, face)| {
            !std::mem::replace(&mut is_named[f as usize], true)
                && is_same_triangle(
                    positions(mesh, mesh.faces[f as usize]),
                    positions(decoded, *face),
                )
        })
}
