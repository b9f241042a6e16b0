//! The order in which faces are met: components from below, inside a component by centre.

use super::half_edges::HalfEdges;
use super::introsort::introsort;
use crate::mesh::components::faces_by_centre;
use crate::mesh::half_edge::NONE;
use crate::mesh::radix_sort::{bits_of, sort_by_key};
use crate::mesh::{Face, GridPoint};
use crate::{MeshError, Result};

/// In which order faces with equal centres come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// As in the input.
    #[default]
    Stable,
    /// As the published tokenizer's C++ library leaves them.
    Reference,
}

impl Sort {
    /// The sort with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "stable" => Ok(Self::Stable),
            "reference" => Ok(Self::Reference),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown sort {name:?}; the sorts are: stable, reference"
            ))),
        }
    }

    /// The name of the sort.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Reference => "reference",
        }
    }
}

/// Faces in walking order and the number of components.
pub struct FaceOrder {
    /// Faces by component, inside a component by centre.
    pub faces: Vec<u32>,
    /// Number of parts connected over twins.
    pub n_components: usize,
}

/// Sorts the faces by the sums of their corners (y, then z, then x), numbers the components in the order of
/// their first faces, and sorts by component and sum.
pub fn face_order(
    points: &[GridPoint],
    faces: &[Face],
    half_edges: &HalfEdges,
    sort: Sort,
) -> FaceOrder {
    match sort {
        Sort::Stable => stable_order(points, faces, half_edges),
        Sort::Reference => reference_order(points, faces, half_edges),
    }
}

fn stable_order(points: &[GridPoint], faces: &[Face], half_edges: &HalfEdges) -> FaceOrder {
    let by_centre = faces_by_centre(points, faces);
    let (of_face, n_components) = components(by_centre.iter().copied(), half_edges);
    let component = |f: u32| (u64::from(of_face[f as usize]), f);
    let items = by_centre.into_iter().map(component).collect();
    let sorted = sort_by_key(items, bits_of(n_components as u32));
    FaceOrder {
        faces: sorted.into_iter().map(|(_, f)| f).collect(),
        n_components,
    }
}

fn reference_order(points: &[GridPoint], faces: &[Face], half_edges: &HalfEdges) -> FaceOrder {
    let mut sorted: Vec<(u64, u32)> = (0_u32..)
        .zip(faces)
        .map(|(f, face)| (centre(points, face), f))
        .collect();
    introsort(&mut sorted, |x, y| x.0 < y.0);
    let (of_face, n_components) = components(sorted.iter().map(|item| item.1), half_edges);
    let component = |f: u32| of_face[f as usize];
    introsort(&mut sorted, |x, y| {
        (component(x.1), x.0) < (component(y.1), y.0)
    });
    FaceOrder {
        faces: sorted.into_iter().map(|(_, f)| f).collect(),
        n_components,
    }
}

/// Sums over the corners as one number; 3 * 65535 fits 18 bits.
fn centre(points: &[GridPoint], face: &Face) -> u64 {
    let [a, b, c] = face.map(|v| points[v as usize]);
    let sum = |axis: usize| (a[axis] + b[axis] + c[axis]) as u64;
    sum(1) << 36 | sum(2) << 18 | sum(0)
}

/// Component of each face, numbered in this order of the faces, and their number.
fn components(sorted: impl Iterator<Item = u32>, half_edges: &HalfEdges) -> (Vec<u32>, usize) {
    let mut of_face = vec![NONE; half_edges.len() / 3];
    let mut n_components = 0;
    let mut stack = Vec::new();
    for seed in sorted {
        if of_face[seed as usize] != NONE {
            continue;
        }
        of_face[seed as usize] = n_components;
        stack.push(seed);
        while let Some(f) = stack.pop() {
            for h in 3 * f..3 * f + 3 {
                let twin = half_edges.twin(h);
                if twin != NONE && of_face[twin as usize / 3] == NONE {
                    of_face[twin as usize / 3] = n_components;
                    stack.push(twin / 3);
                }
            }
        }
        n_components += 1;
    }
    (of_face, n_components as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_first_then_y_then_z_then_x() {
        let corner = |y: i32, x: i32| [[x, y, 0], [x + 1, y, 0], [x, y, 1]];
        // The lowest face has a neighbour far above the other parts.
        let points: Vec<GridPoint> = [corner(5, 0), corner(1, 7), corner(30, 0)].concat();
        let faces = [[6, 7, 8], [0, 1, 2], [4, 5, 8], [3, 4, 5]];
        let half_edges = HalfEdges::new(&faces, points.len());
        for sort in [Sort::Stable, Sort::Reference] {
            let order = face_order(&points, &faces, &half_edges, sort);
            assert_eq!(order.faces, [3, 2, 1, 0]);
            assert_eq!(order.n_components, 3);
        }
    }
}
