//! The order in which vertices and faces are written.
//!
//! Both orders number the distinct positions by their last coordinate z, then y, then x, and rotate every face
//! so that its lowest vertex comes first; directions stay. They differ in axes and faces:
//!
//! | order | axes x, y, z of the sequence | faces ascend by |
//! | --- | --- | --- |
//! | `meshgpt` | z, x, y of the input: y is up there | corners sorted: lowest, second, highest |
//! | `meshxl` | x, y, z of the input | corners as rotated: lowest, then the two behind it |
//!
//! Faces that are equal in that stay in the order of the input.

use crate::mesh::clean::{has_repeated_corner, sorted};
use crate::mesh::grid_mesh::rotated_to_least;
use crate::mesh::sorted_order::{in_order, sorted_order};
use crate::mesh::{Face, GridMesh, GridPoint};
use crate::{MeshError, Result};

/// Which published order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// MeshGPT (arXiv 2311.15475, section 3.1).
    #[default]
    MeshGpt,
    /// MeshXL (arXiv 2405.20853, section 3).
    MeshXl,
}

impl Order {
    /// The order with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "meshgpt" => Ok(Self::MeshGpt),
            "meshxl" => Ok(Self::MeshXl),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown order {name:?}; the orders are: meshgpt, meshxl"
            ))),
        }
    }

    /// The name of the order.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeshGpt => "meshgpt",
            Self::MeshXl => "meshxl",
        }
    }

    /// A point of the input on the axes of the sequence.
    pub fn to_sequence(self, [x, y, z]: GridPoint) -> GridPoint {
        match self {
            Self::MeshGpt => [z, x, y],
            Self::MeshXl => [x, y, z],
        }
    }

    /// A point of the sequence on the axes of the input.
    pub fn to_input(self, [x, y, z]: GridPoint) -> GridPoint {
        match self {
            Self::MeshGpt => [y, z, x],
            Self::MeshXl => [x, y, z],
        }
    }
}

/// The distinct positions of some points in ascending order, and the rank of each point.
pub struct Ranks {
    /// Distinct positions on the axes of the sequence.
    pub positions: Vec<GridPoint>,
    /// Index into `positions` of each point.
    pub of_point: Vec<u32>,
}

/// Ranks points of the sequence's axes by z, then y, then x.
pub fn rank(points: &[GridPoint]) -> Ranks {
    let key = |&[x, y, z]: &GridPoint| [z, y, x].map(in_order);
    let keys: Vec<[u32; 3]> = points.iter().map(key).collect();
    let order = sorted_order(&keys);
    let mut positions: Vec<GridPoint> = Vec::new();
    let mut of_point = vec![0; points.len()];
    for point in order {
        let position = points[point as usize];
        if positions.last() != Some(&position) {
            positions.push(position);
        }
        of_point[point as usize] = positions.len() as u32 - 1;
    }
    Ranks {
        positions,
        of_point,
    }
}

/// The faces of a mesh in order.
pub struct Ordered {
    /// Faces by position, lowest corner first.
    pub triangles: Vec<[GridPoint; 3]>,
    /// Which face of the mesh each is.
    pub face_order: Vec<u32>,
    /// Distinct positions of the mesh.
    pub n_positions: usize,
    /// Faces dropped for a position they have twice.
    pub n_degenerate: usize,
    /// Faces with the positions of an earlier one, in any direction.
    pub n_duplicates: usize,
}

/// Drops degenerate faces from the mesh, and duplicates if asked to, and orders what is left.
pub fn order_faces(mesh: &mut GridMesh, order: Order, drop_duplicates: bool) -> Ordered {
    let points: Vec<GridPoint> = mesh
        .vertices
        .iter()
        .map(|&p| order.to_sequence(p))
        .collect();
    let ranks = rank(&points);
    let ranked = |face: &Face| face.map(|v| ranks.of_point[v as usize]);
    let n_faces = mesh.faces.len();
    mesh.faces
        .retain(|face| !has_repeated_corner(&ranked(face)));
    let n_degenerate = n_faces - mesh.faces.len();

    let n_proper = mesh.faces.len();
    let mut keys: Vec<Face> = mesh.faces.iter().map(|f| sorted(&ranked(f))).collect();
    let mut by_corners = sorted_order(&keys);
    let is_first = first_of_runs(&by_corners, &keys);
    let n_duplicates = is_first.iter().filter(|&&is_first| !is_first).count();
    if drop_duplicates && n_duplicates > 0 {
        for list in [&mut mesh.faces, &mut keys] {
            let mut f = 0..n_proper;
            list.retain(|_| f.next().is_some_and(|f| is_first[f]));
        }
        by_corners = sorted_order(&keys);
    }

    let rotated = |face: &Face| rotated_to_least(ranked(face));
    let face_order = match order {
        Order::MeshGpt => by_corners,
        Order::MeshXl => {
            let keys: Vec<Face> = mesh.faces.iter().map(rotated).collect();
            sorted_order(&keys)
        }
    };
    let position = |v: u32| ranks.positions[v as usize];
    Ordered {
        triangles: face_order
            .iter()
            .map(|&f| rotated(&mesh.faces[f as usize]).map(position))
            .collect(),
        face_order,
        n_positions: ranks.positions.len(),
        n_degenerate,
        n_duplicates,
    }
}

/// Whether each face is the first of those with its key, given the order of the keys.
fn first_of_runs(order: &[u32], keys: &[Face]) -> Vec<bool> {
    let mut is_first = vec![false; keys.len()];
    for run in order.chunk_by(|&f, &g| keys[f as usize] == keys[g as usize]) {
        is_first[run[0] as usize] = true;
    }
    is_first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tetrahedron() -> GridMesh {
        GridMesh {
            vertices: vec![[3, 0, 1], [0, 0, 2], [1, 5, 0], [0, 0, 0], [3, 0, 1]],
            faces: vec![[0, 1, 2], [4, 3, 1], [3, 2, 1], [2, 3, 0]],
        }
    }

    #[test]
    fn axes_go_there_and_back() {
        for order in [Order::MeshGpt, Order::MeshXl] {
            assert_eq!(order.to_input(order.to_sequence([1, 2, 3])), [1, 2, 3]);
            assert_eq!(Order::from_name(order.name()), Ok(order));
        }
        assert_eq!(Order::MeshGpt.to_sequence([1, 2, 3]), [3, 1, 2]);
    }

    #[test]
    fn the_lowest_corner_comes_first_and_faces_ascend() {
        // With y up the positions are numbered 3, 1, (0, 4), 2 as 0, 1, 2, 3.
        let mut mesh = tetrahedron();
        let ordered = order_faces(&mut mesh, Order::MeshGpt, false);
        assert_eq!(ordered.n_positions, 4);
        assert_eq!(ordered.face_order, [1, 2, 3, 0]);
        assert_eq!(ordered.triangles[0], [[0, 0, 0], [2, 0, 0], [1, 3, 0]]);
        // With z up they are 3, 2, (0, 4), 1.
        let ordered = order_faces(&mut mesh, Order::MeshXl, false);
        assert_eq!(ordered.face_order, [2, 3, 1, 0]);
        assert_eq!(ordered.triangles[0], [[0, 0, 0], [1, 5, 0], [0, 0, 2]]);
    }

    #[test]
    fn duplicates_go_only_if_asked_and_degenerate_faces_always() {
        let mut mesh = tetrahedron();
        mesh.faces.extend([[2, 1, 4], [0, 1, 4]]);
        let ordered = order_faces(&mut mesh.clone(), Order::MeshXl, false);
        assert_eq!((ordered.n_degenerate, ordered.n_duplicates), (1, 1));
        assert_eq!(ordered.face_order.len(), 5);
        let ordered = order_faces(&mut mesh, Order::MeshXl, true);
        assert_eq!((ordered.face_order.len(), mesh.faces.len()), (4, 4));
    }
}
