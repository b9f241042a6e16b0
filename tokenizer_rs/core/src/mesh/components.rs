//! Connected components over shared edges, numbered from the lowest face upward.

use super::half_edge::{HalfEdges, NONE};
use super::radix_sort::{bits_of, sort_by_key};
use super::spokes::Spokes;
use super::{Face, GridPoint};
use crate::repair::union_find::UnionFind;
use crate::{MeshError, Result};

/// Faces joined over edges, as they come.
#[derive(Debug, Clone, Default)]
pub struct Surfaces {
    /// Surface of each face; surfaces are numbered by their lowest face.
    pub of_face: Vec<u32>,
    /// Number of surfaces.
    pub len: usize,
}

impl Surfaces {
    /// Floods from each face not reached yet.
    pub fn new(half_edges: &HalfEdges) -> Self {
        let n_faces = half_edges.opposite.len() / 3;
        let mut of_face = vec![NONE; n_faces];
        let mut len = 0;
        let mut stack = Vec::new();
        for seed in 0..n_faces as u32 {
            if of_face[seed as usize] != NONE {
                continue;
            }
            of_face[seed as usize] = len;
            stack.push(seed);
            while let Some(f) = stack.pop() {
                for h in 3 * f..3 * f + 3 {
                    let Some(o) = half_edges.across(h) else {
                        continue;
                    };
                    let surface = &mut of_face[o as usize / 3];
                    if *surface == NONE {
                        *surface = len;
                        stack.push(o / 3);
                    }
                }
            }
            len += 1;
        }
        Self {
            of_face,
            len: len as usize,
        }
    }

    /// The same where the faces of every vertex form one fan: they then hang together over edges.
    pub fn of_fans(spokes: &Spokes, faces: &[Face]) -> Self {
        let mut of_face = vec![NONE; faces.len()];
        let mut is_reached = vec![false; spokes.n_vertices()];
        let mut len = 0;
        let mut stack = Vec::new();
        for seed in 0..faces.len() {
            if of_face[seed] != NONE {
                continue;
            }
            stack.push(faces[seed][0]);
            is_reached[faces[seed][0] as usize] = true;
            while let Some(v) = stack.pop() {
                for spoke in spokes.of(v) {
                    of_face[spoke.face as usize] = len;
                    for other in [spoke.to, spoke.apex] {
                        if !std::mem::replace(&mut is_reached[other as usize], true) {
                            stack.push(other);
                        }
                    }
                }
            }
            len += 1;
        }
        Self {
            of_face,
            len: len as usize,
        }
    }
}

/// Surface of each face where all faces of an edge hang together, however many they are.
pub fn over_edges(faces: &[Face]) -> Vec<u32> {
    let key = |from: u32, to: u32| u64::from(from.min(to)) << 32 | u64::from(from.max(to));
    let sides = (0..)
        .zip(faces)
        .flat_map(|(f, &[a, b, c])| [(a, b), (b, c), (c, a)].map(|(a, b)| (key(a, b), f)));
    let highest = faces.as_flattened().iter().copied().max().unwrap_or(0);
    let sides = sort_by_key(sides.collect(), 32 + bits_of(highest));
    let mut sets = UnionFind::new(faces.len());
    for pair in sides.windows(2) {
        if pair[0].0 == pair[1].0 {
            sets.union(pair[0].1, pair[1].1);
        }
    }
    let mut number = vec![NONE; faces.len()];
    let mut len = 0;
    let mut of_face = Vec::with_capacity(faces.len());
    for f in 0..faces.len() as u32 {
        let number = &mut number[sets.find(f) as usize];
        if *number == NONE {
            *number = len;
            len += 1;
        }
        of_face.push(*number);
    }
    of_face
}

/// Which component each face and vertex belongs to.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Component of each face.
    pub of_face: Vec<u32>,
    /// Faces sorted by component, inside a component by their centre.
    pub face_order: Vec<u32>,
    /// Where each component starts in `face_order`; one entry more than there are components.
    pub offsets: Vec<usize>,
    /// Number of distinct vertices of each component.
    pub n_vertices: Vec<usize>,
}

impl Components {
    /// Number of components.
    pub fn len(&self) -> usize {
        self.n_vertices.len()
    }

    /// Whether there is no component.
    pub fn is_empty(&self) -> bool {
        self.n_vertices.is_empty()
    }

    /// Faces of a component in sorted order.
    pub fn faces(&self, component: usize) -> &[u32] {
        &self.face_order[self.offsets[component]..self.offsets[component + 1]]
    }
}

/// Sort key of a position: y, then z, then x.
pub fn yzx(p: &GridPoint) -> (i32, i32, i32) {
    (p[1], p[2], p[0])
}

/// Numbers the surfaces by their first face by centre (y, then z, then x). Coordinates are at least 0.
///
/// A vertex in two components is an error.
pub fn components(
    vertices: &[GridPoint],
    faces: &[Face],
    surfaces: Surfaces,
) -> Result<Components> {
    let by_centre = faces_by_centre(vertices, faces);
    let mut number = vec![NONE; surfaces.len];
    let mut n_components = 0;
    for &f in &by_centre {
        if n_components as usize == surfaces.len {
            break;
        }
        let number = &mut number[surfaces.of_face[f as usize] as usize];
        if *number == NONE {
            *number = n_components;
            n_components += 1;
        }
    }
    let mut of_face = surfaces.of_face;
    for surface in &mut of_face {
        *surface = number[*surface as usize];
    }

    let mut n_vertices = vec![0; n_components as usize];
    let mut of_vertex = vec![NONE; vertices.len()];
    for (face, &component) in faces.iter().zip(&of_face) {
        for &vertex in face {
            match of_vertex[vertex as usize] {
                NONE => {
                    of_vertex[vertex as usize] = component;
                    n_vertices[component as usize] += 1;
                }
                first if first != component => {
                    return Err(MeshError::VertexInTwoComponents {
                        vertex,
                        first,
                        second: component,
                    });
                }
                _ => {}
            }
        }
    }

    // Counting sort by component, which keeps the order by centre.
    let mut offsets = vec![0; n_components as usize + 1];
    for &component in &of_face {
        offsets[component as usize + 1] += 1;
    }
    for component in 0..n_components as usize {
        offsets[component + 1] += offsets[component];
    }
    let mut next = offsets.clone();
    let mut face_order = vec![0; faces.len()];
    for f in by_centre {
        let place = &mut next[of_face[f as usize] as usize];
        face_order[*place] = f;
        *place += 1;
    }
    Ok(Components {
        of_face,
        face_order,
        offsets,
        n_vertices,
    })
}

/// The faces by the sum of their corners: y, then z, then x; equal ones ascend. Coordinates are at least 0.
pub fn faces_by_centre(vertices: &[GridPoint], faces: &[Face]) -> Vec<u32> {
    let largest = vertices.iter().flatten().copied().max().unwrap_or(0);
    let bits = bits_of(3 * largest as u32);
    let items = faces.iter().zip(0..).map(|(face, f)| {
        let [a, b, c] = face.map(|v| &vertices[v as usize]);
        let sum = |axis: usize| (a[axis] + b[axis] + c[axis]) as u64;
        ((sum(1) << bits | sum(2)) << bits | sum(0), f)
    });
    let sorted = sort_by_key(items.collect(), 3 * bits);
    sorted.into_iter().map(|(_, f)| f).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faces_of_an_edge_hang_together() {
        let fan = [[0, 1, 2], [5, 6, 7], [1, 0, 3], [0, 1, 4], [2, 5, 8]];
        assert_eq!(over_edges(&fan), [0, 1, 0, 0, 2]);
        assert!(over_edges(&[]).is_empty());
    }

    #[test]
    fn the_component_with_the_lowest_centre_comes_first() {
        // Two strips of two faces; the second lies lower and its faces were given from the top.
        let vertices = [[0, 9, 0], [4, 9, 0], [0, 9, 4], [4, 9, 4]];
        let lower = [[0, 6, 0], [4, 6, 0], [0, 6, 5], [4, 6, 5]];
        let vertices = [vertices, lower].concat();
        let faces = [[0, 1, 2], [2, 1, 3], [6, 5, 7], [4, 5, 6]];
        let surfaces = Surfaces::new(&HalfEdges::new(8, &faces));
        assert_eq!(
            (&surfaces.of_face[..], surfaces.len),
            (&[0, 0, 1, 1][..], 2)
        );
        let parts = components(&vertices, &faces, surfaces).unwrap();
        assert_eq!(parts.of_face, [1, 1, 0, 0]);
        assert_eq!(parts.face_order, [3, 2, 0, 1]);
        assert_eq!(parts.n_vertices, [4, 4]);
    }

    #[test]
    fn a_vertex_in_two_components_is_refused() {
        let faces = [[0, 1, 2], [0, 3, 4]];
        let surfaces = Surfaces::new(&HalfEdges::new(5, &faces));
        let error = components(&[[0, 0, 0]; 5], &faces, surfaces).unwrap_err();
        assert_eq!(error.code(), "VERTEX_IN_TWO_COMPONENTS");
    }
}
