//! Triangle meshes: on the integer grid, cleaned, connected.

pub mod clean;
pub mod compact;
pub mod components;
pub mod face_edges;
pub mod grid_mesh;
pub mod half_edge;
pub mod incidence;
pub mod normalize;
pub mod pre_clean;
pub mod quantize;
pub mod radix_sort;
pub mod sorted_order;
pub mod spokes;

use crate::{MeshError, Result};

pub use grid_mesh::GridMesh;

/// A triangle as three vertex indices.
pub type Face = [u32; 3];
/// A point on the integer grid.
pub type GridPoint = [i32; 3];

/// A triangle mesh with real coordinates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TriangleMesh {
    /// Positions.
    pub vertices: Vec<[f64; 3]>,
    /// Corners of each face, counter-clockwise seen from outside.
    pub faces: Vec<Face>,
}

/// More vertices or faces than this are refused, so that every count fits a signed 32-bit integer.
const MAX_ITEMS: usize = i32::MAX as usize / 8;

/// Coordinates may lie outside `[-1, 1]` by this much, the rounding of a single-precision normalisation.
const RANGE_SLACK: f64 = 1e-6;

impl TriangleMesh {
    /// Refuses corners that do not exist and coordinates that are not finite.
    pub fn check(&self) -> Result<()> {
        check_faces(self.vertices.len(), &self.faces)?;
        if let Some(v) = self
            .vertices
            .iter()
            .position(|p| p.iter().any(|x| !x.is_finite()))
        {
            return Err(MeshError::InvalidInput(format!(
                "vertex {v} has a coordinate that is not a finite number; remove it or repair the file"
            )));
        }
        Ok(())
    }

    /// Refuses coordinates outside `[-1, 1]`.
    pub fn check_range(&self) -> Result<()> {
        let outside = |x: &f64| x.abs() > 1.0 + RANGE_SLACK;
        match self.vertices.iter().position(|p| p.iter().any(outside)) {
            None => Ok(()),
            Some(v) => Err(MeshError::InvalidInput(format!(
                "vertex {v} = {:?} lies outside [-1, 1]; normalise the mesh first",
                self.vertices[v]
            ))),
        }
    }
}

/// Refuses corners that do not exist, and more items than an index can name.
fn check_faces(n_vertices: usize, faces: &[Face]) -> Result<()> {
    if n_vertices > MAX_ITEMS || faces.len() > MAX_ITEMS {
        return Err(MeshError::InvalidInput(format!(
            "{n_vertices} vertices and {} faces; give at most {MAX_ITEMS} of each",
            faces.len()
        )));
    }
    match faces
        .iter()
        .position(|face| face.iter().any(|&v| v as usize >= n_vertices))
    {
        None => Ok(()),
        Some(f) => Err(MeshError::InvalidInput(format!(
            "face {f} = {:?} names a vertex outside 0..{n_vertices}; give indices of existing vertices",
            faces[f]
        ))),
    }
}
