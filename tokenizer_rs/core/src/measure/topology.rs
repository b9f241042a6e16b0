//! Counts that say whether a mesh is closed, manifold and clean.

use crate::mesh::clean::{
    first_of_equal, has_repeated_corner, repeated_faces, sorted, triangle_area,
};
use crate::mesh::compact::used_vertices;
use crate::mesh::half_edge::{HalfEdges, CROWDED, NONE};
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
    let (positions, faces) = weld(mesh)?;
    let mut topology = Topology {
        faces: faces.len(),
        ..Topology::default()
    };

    let is_used = used_vertices(positions.len(), &faces);
    let mut sets = UnionFind::new(positions.len());
    for face in &faces {
        sets.union_group(face);
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

    // A face with a repeated corner repeats none without.
    let (improper, proper): (Vec<Face>, Vec<Face>) =
        faces.into_iter().partition(has_repeated_corner);
    let half_edges = HalfEdges::new(positions.len(), &proper);
    topology.duplicate_faces = n_repeated(&improper) + repeated_faces(&proper, &half_edges).len();
    count_edges(&half_edges, &mut topology);
    topology.non_manifold_vertices = n_non_manifold_vertices(positions.len(), &proper, &half_edges);
    Ok(topology)
}

/// Positions in single precision, and faces that name the first vertex of each distinct one.
pub(crate) fn weld(mesh: &TriangleMesh) -> Result<(Vec<[f32; 3]>, Vec<Face>)> {
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
    Ok((positions, faces))
}

/// Number of faces with the corners of an earlier one.
fn n_repeated(faces: &[Face]) -> usize {
    let keys: Vec<Face> = faces.iter().map(sorted).collect();
    let first = first_of_equal(&keys);
    (0..).zip(first).filter(|(f, first)| f != first).count()
}

fn count_edges(half_edges: &HalfEdges, topology: &mut Topology) {
    let n_with = |what: u32| half_edges.opposite.iter().filter(|&&o| o == what).count();
    let n_paired = half_edges.opposite.iter().filter(|&&o| o < CROWDED).count();
    topology.boundary_edges = n_with(NONE);
    topology.non_manifold_edges = half_edges.n_crowded_edges;
    topology.edges = topology.boundary_edges + n_paired / 2 + topology.non_manifold_edges;
    topology.inconsistent_edges = half_edges
        .misaligned
        .iter()
        .filter(|&&h| half_edges.across(h).is_some())
        .count();
    topology.is_watertight =
        topology.edges > 0 && topology.boundary_edges == 0 && topology.non_manifold_edges == 0;
}

/// Number of vertices whose faces form more than one fan, where a fan goes on over edges of any number of faces.
fn n_non_manifold_vertices(n_vertices: usize, faces: &[Face], half_edges: &HalfEdges) -> usize {
    let corners = faces.as_flattened();
    let mut n_faces = vec![0_u32; n_vertices];
    let mut corner_of = vec![0_u32; n_vertices];
    for (corner, &v) in (0..).zip(corners) {
        n_faces[v as usize] += 1;
        corner_of[v as usize] = corner;
    }
    // Most vertices have one fan that is found at once.
    let has_several = |&v: &u32| {
        let n = n_faces[v as usize];
        n > 1 && half_edges.fan_size(faces, corner_of[v as usize]) != n
    };
    let candidates: Vec<u32> = (0..n_vertices as u32).filter(has_several).collect();
    if half_edges.n_crowded_edges == 0 || candidates.is_empty() {
        return candidates.len();
    }
    let incidence = Incidence::ascending(n_vertices, faces);
    let mut links = LinkBuilder::default();
    candidates
        .into_iter()
        .filter(|&v| links.build(v, incidence.of(v), faces).pieces().1 > 1)
        .count()
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
