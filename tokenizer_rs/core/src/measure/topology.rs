//! Counts that say whether a mesh is closed, manifold and clean.

use crate::mesh::clean::{first_of_equal, has_repeated_corner, sorted, triangle_area};
use crate::mesh::incidence::Incidence;
use crate::mesh::Face;
use crate::repair::silksong::link::LinkBuilder;
use crate::repair::union_find::UnionFind;
use crate::{MeshError, Result, TriangleMesh};

/// A face is degenerate below this area, in units of the squared bounding-box diagonal.
const RELATIVE_MIN_AREA: f64 = 1e-12;

/// Topology counts of a mesh whose equal positions count as one vertex.
///
/// Edges, fans and their kin are counted over the faces with three distinct corners, repeated faces included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Topology {
    /// Distinct positions used by a face.
    pub vertices: usize,
    /// Faces as given.
    pub faces: usize,
    /// Distinct edges.
    pub edges: usize,
    /// Edges with one face.
    pub boundary_edges: usize,
    /// Edges with three or more faces.
    pub non_manifold_edges: usize,
    /// Edges whose two faces run along it in the same direction.
    pub inconsistent_edges: usize,
    /// Vertices whose faces form more than one fan.
    pub non_manifold_vertices: usize,
    /// Pieces connected through vertices.
    pub components: usize,
    /// Faces with a repeated corner or next to no area.
    pub degenerate_faces: usize,
    /// Faces with the corners of an earlier one.
    pub duplicate_faces: usize,
    /// Whether there are edges and each has exactly two faces.
    pub is_watertight: bool,
}

/// Measures a mesh after welding positions that are equal in single precision.
pub fn measure(mesh: &TriangleMesh) -> Result<Topology> {
    mesh.check()?;
    // Adding zero turns -0 into +0, so that equal positions have equal bits.
    let positions: Vec<[f32; 3]> = mesh
        .vertices
        .iter()
        .map(|p| p.map(|x| x as f32 + 0.0))
        .collect();
    if let Some(v) = positions
        .iter()
        .position(|p| p.iter().any(|x| !x.is_finite()))
    {
        return Err(MeshError::InvalidInput(format!(
            "vertex {v} has a coordinate too large for single precision; normalise the mesh first"
        )));
    }
    let keys: Vec<[u32; 3]> = positions.iter().map(|p| p.map(f32::to_bits)).collect();
    let first = first_of_equal(&keys);
    let faces: Vec<Face> = mesh
        .faces
        .iter()
        .map(|f| f.map(|v| first[v as usize]))
        .collect();
    let mut topology = Topology {
        faces: faces.len(),
        ..Topology::default()
    };

    let mut is_used = vec![false; positions.len()];
    let mut sets = UnionFind::new(positions.len());
    for face in &faces {
        sets.union_group(face);
        face.iter().for_each(|&v| is_used[v as usize] = true);
    }
    let used = || (0..positions.len() as u32).filter(|&v| is_used[v as usize]);
    topology.vertices = used().count();
    topology.components = used().filter(|&v| sets.find(v) == v).count();

    let min_area = RELATIVE_MIN_AREA * squared_diagonal(used().map(|v| positions[v as usize]));
    topology.degenerate_faces = faces
        .iter()
        .filter(|face| {
            let [a, b, c] = face.map(|v| positions[v as usize].map(f64::from));
            has_repeated_corner(face) || triangle_area(&a, &b, &c) <= min_area
        })
        .count();
    let face_keys: Vec<Face> = faces.iter().map(sorted).collect();
    let first_face = first_of_equal(&face_keys);
    topology.duplicate_faces = first_face
        .iter()
        .enumerate()
        .filter(|&(f, &first)| first as usize != f)
        .count();

    let proper: Vec<Face> = faces
        .iter()
        .filter(|face| !has_repeated_corner(face))
        .copied()
        .collect();
    count_edges(&proper, &mut topology);
    let incidence = Incidence::ascending(positions.len(), &proper);
    let mut links = LinkBuilder::default();
    topology.non_manifold_vertices = used()
        .filter(|&v| links.build(v, incidence.of(v), &proper).pieces().1 > 1)
        .count();
    Ok(topology)
}

fn count_edges(faces: &[Face], topology: &mut Topology) {
    let mut edges: Vec<(u32, u32, bool)> = Vec::with_capacity(3 * faces.len());
    for &[a, b, c] in faces {
        edges.extend([(a, b), (b, c), (c, a)].map(|(s, e)| (s.min(e), s.max(e), s < e)));
    }
    edges.sort_unstable();
    for edge in edges.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        topology.edges += 1;
        match edge {
            [_] => topology.boundary_edges += 1,
            [x, y] => topology.inconsistent_edges += usize::from(x.2 == y.2),
            _ => topology.non_manifold_edges += 1,
        }
    }
    topology.is_watertight =
        topology.edges > 0 && topology.boundary_edges == 0 && topology.non_manifold_edges == 0;
}

fn squared_diagonal(points: impl Iterator<Item = [f32; 3]>) -> f64 {
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for p in points {
        for axis in 0..3 {
            low[axis] = low[axis].min(f64::from(p[axis]));
            high[axis] = high[axis].max(f64::from(p[axis]));
        }
    }
    (0..3)
        .map(|axis| (high[axis] - low[axis]).max(0.0).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tetrahedron() -> TriangleMesh {
        TriangleMesh {
            vertices: vec![
                [0.0, 0.0, 0.0],
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.0, 0.0, 1.0],
            ],
            faces: vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]],
        }
    }

    #[test]
    fn a_tetrahedron_is_watertight() {
        let topology = measure(&tetrahedron()).unwrap();
        let expected = Topology {
            vertices: 4,
            faces: 4,
            edges: 6,
            components: 1,
            is_watertight: true,
            ..Topology::default()
        };
        assert_eq!(topology, expected);
    }

    #[test]
    fn defects_are_counted() {
        let mut mesh = tetrahedron();
        mesh.vertices.push([-0.0, 0.0, 0.0]);
        mesh.vertices.push([-1.0, -1.0, 0.0]);
        mesh.vertices.push([-1.0, 0.0, 0.0]);
        mesh.faces[3] = [0, 2, 3];
        mesh.faces.extend([[4, 5, 6], [5, 5, 6], [2, 4, 1]]);
        let topology = measure(&mesh).unwrap();
        assert_eq!(
            (topology.vertices, topology.faces, topology.components),
            (6, 7, 1)
        );
        assert_eq!(
            (topology.degenerate_faces, topology.duplicate_faces),
            (1, 1)
        );
        assert_eq!(
            (topology.non_manifold_edges, topology.boundary_edges),
            (3, 3)
        );
        assert_eq!(
            (topology.inconsistent_edges, topology.non_manifold_vertices),
            (2, 1)
        );
        assert!(!topology.is_watertight);
    }
}
