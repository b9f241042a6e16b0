//! The mesh as the encoder looks at it: which face lies across an edge.

use super::Scheme;
use crate::mesh::spokes::{Spoke, Spokes};
use crate::mesh::{Face, GridMesh};
use crate::{MeshError, Result};

/// The half-edges of a mesh by start vertex; in scheme V with dummy faces that close all boundary loops.
#[derive(Debug)]
pub struct Walk {
    spokes: Spokes,
    /// Number of vertices of the mesh; the dummies come after them.
    pub n_real_vertices: u32,
    /// Number of faces of the mesh; those with a dummy come after them.
    pub n_real_faces: u32,
}

impl Walk {
    /// Looks at a mesh that is manifold and oriented. Cost O(V + F valence).
    pub fn new(mesh: &GridMesh, scheme: Scheme) -> Result<Self> {
        let n_vertices = mesh.vertices.len();
        let open = Self::of_faces(n_vertices, &mesh.faces, &[]);
        if scheme == Scheme::Deferred {
            return Ok(open);
        }
        let (n_loops, dummy_faces) = open.boundary_faces()?;
        if n_loops == 0 {
            return Ok(open);
        }
        let closed = Self::of_faces(n_vertices + n_loops, &mesh.faces, &dummy_faces);
        Ok(Self {
            n_real_vertices: n_vertices as u32,
            n_real_faces: mesh.faces.len() as u32,
            ..closed
        })
    }

    fn of_faces(n_vertices: usize, faces: &[Face], more: &[Face]) -> Self {
        Self {
            spokes: Spokes::new(n_vertices, faces.iter().chain(more)),
            n_real_vertices: n_vertices as u32,
            n_real_faces: faces.len() as u32,
        }
    }

    /// One face over every boundary edge, with the dummy vertex of its loop; the dummies are numbered from the
    /// number of vertices on.
    fn boundary_faces(&self) -> Result<(usize, Vec<Face>)> {
        let n_vertices = self.n_vertices();
        let mut successor = vec![super::ring::NONE; n_vertices];
        for v in 0..n_vertices as u32 {
            for spoke in self.spokes(v) {
                if self.spoke(spoke.to, v).is_none() {
                    if successor[v as usize] != super::ring::NONE {
                        return Err(not_manifold(v));
                    }
                    successor[v as usize] = spoke.to;
                }
            }
        }
        let mut faces = Vec::new();
        let mut n_loops = 0;
        for start in 0..n_vertices {
            let mut at = start;
            let mut is_loop = false;
            while successor[at] != super::ring::NONE {
                let next = std::mem::replace(&mut successor[at], super::ring::NONE);
                faces.push([next, at as u32, (n_vertices + n_loops) as u32]);
                at = next as usize;
                is_loop = true;
            }
            if is_loop && at != start {
                return Err(not_manifold(at as u32));
            }
            n_loops += usize::from(is_loop);
        }
        Ok((n_loops, faces))
    }

    /// The half-edges that start at a vertex.
    pub fn spokes(&self, vertex: u32) -> &[Spoke] {
        self.spokes.of(vertex)
    }

    /// The half-edge between two vertices in this direction.
    pub fn spoke(&self, from: u32, to: u32) -> Option<Spoke> {
        // Of two vertices one may have very many faces; the other has a half-edge of the same face.
        let (starting, ending) = (self.spokes(from), self.spokes(to));
        if starting.len() <= ending.len() {
            return starting.iter().find(|spoke| spoke.to == to).copied();
        }
        let other = ending.iter().find(|spoke| spoke.apex == from)?;
        Some(Spoke {
            to,
            apex: other.to,
            face: other.face,
        })
    }

    /// Whether a vertex stands for a boundary loop.
    pub fn is_dummy(&self, vertex: u32) -> bool {
        vertex >= self.n_real_vertices
    }

    /// Number of edges of a vertex of a closed mesh.
    pub fn valence(&self, vertex: u32) -> u32 {
        self.spokes(vertex).len() as u32
    }

    /// Number of vertices, dummies among them.
    pub fn n_vertices(&self) -> usize {
        self.spokes.n_vertices()
    }

    /// Number of faces, those with a dummy among them.
    pub fn n_faces(&self) -> usize {
        self.spokes.n_faces()
    }
}

/// The error of a mesh whose faces around a vertex are not one fan.
pub fn not_manifold(vertex: u32) -> MeshError {
    MeshError::Ring {
        vertex,
        reason: "its faces are not one oriented fan",
    }
}
