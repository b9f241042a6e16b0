//! Connected components over shared edges, numbered from the lowest face upward.

use super::half_edge::NONE;
use super::{Face, GridPoint};
use crate::{MeshError, Result};

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

/// Finds the components; ids follow the order of their first face by centre (y, then z, then x).
///
/// A vertex in two components is an error.
pub fn components(vertices: &[GridPoint], faces: &[Face], opposite: &[u32]) -> Result<Components> {
    let centre = |f: u32| {
        let mut sum = [0_i32; 3];
        for v in faces[f as usize] {
            for (s, x) in sum.iter_mut().zip(vertices[v as usize]) {
                *s += x;
            }
        }
        yzx(&sum)
    };
    let mut by_centre: Vec<u32> = (0..faces.len() as u32).collect();
    by_centre.sort_by_cached_key(|&f| centre(f));

    let mut of_face = vec![NONE; faces.len()];
    let mut n_components = 0;
    let mut stack = Vec::new();
    for &seed in &by_centre {
        if of_face[seed as usize] != NONE {
            continue;
        }
        of_face[seed as usize] = n_components;
        stack.push(seed);
        while let Some(f) = stack.pop() {
            for j in 0..3 {
                let h = opposite[3 * f as usize + j];
                if h != NONE && of_face[h as usize / 3] == NONE {
                    of_face[h as usize / 3] = n_components;
                    stack.push(h / 3);
                }
            }
        }
        n_components += 1;
    }

    let mut n_vertices = vec![0; n_components as usize];
    let mut of_vertex = vec![NONE; vertices.len()];
    for &f in &by_centre {
        let component = of_face[f as usize];
        for vertex in faces[f as usize] {
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

    let mut offsets = vec![0; n_components as usize + 1];
    for &component in &of_face {
        offsets[component as usize + 1] += 1;
    }
    for component in 0..n_components as usize {
        offsets[component + 1] += offsets[component];
    }
    let mut face_order = by_centre;
    face_order.sort_by_key(|&f| of_face[f as usize]);
    Ok(Components {
        of_face,
        face_order,
        offsets,
        n_vertices,
    })
}
