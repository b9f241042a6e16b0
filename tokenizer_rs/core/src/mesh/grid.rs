//! Triangle meshes whose corners are points of the integer grid.

use super::{check_faces, Face, GridPoint};
use crate::Result;

/// A triangle mesh with integer coordinates, such as a decoded one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GridMesh {
    /// Positions; two vertices may share one.
    pub vertices: Vec<GridPoint>,
    /// Corners of each face, counter-clockwise seen from outside.
    pub faces: Vec<Face>,
}

impl GridMesh {
    /// Refuses corners that do not exist.
    pub fn check(&self) -> Result<()> {
        check_faces(self.vertices.len(), &self.faces)
    }
}
