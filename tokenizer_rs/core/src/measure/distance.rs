//! How far two surfaces are apart at their vertices.

use std::collections::BinaryHeap;

use crate::measure::bvh::{Aabb, Bvh};
use crate::mesh::clean::has_repeated_corner;
use crate::mesh::Face;
use crate::{MeshError, Result, TriangleMesh};

/// A surface that distances are asked of.
pub struct Surface<'a> {
    vertices: &'a [[f64; 3]],
    faces: &'a [Face],
    tree: Bvh,
    /// Whether faces with a repeated corner count, as segments or points.
    has_segments: bool,
}

impl<'a> Surface<'a> {
    /// Prepares the faces of a mesh; faces without area count as segments or points.
    pub fn new(vertices: &'a [[f64; 3]], faces: &'a [Face]) -> Self {
        let around = |face: &Face| Aabb::around(face.map(|v| &vertices[v as usize]));
        let boxes: Vec<Aabb> = faces.iter().map(around).collect();
        Self {
            vertices,
            faces,
            tree: Bvh::new(&boxes),
            has_segments: true,
        }
    }

    /// The same faces in the same order after a small change; those with a repeated corner are gone.
    pub fn changed<'b>(&self, vertices: &'b [[f64; 3]], faces: &'b [Face]) -> Surface<'b> {
        let around = |face: &Face| match has_repeated_corner(face) {
            true => Aabb::EMPTY,
            false => Aabb::around(face.map(|v| &vertices[v as usize])),
        };
        let boxes: Vec<Aabb> = faces.iter().map(around).collect();
        Surface {
            vertices,
            faces,
            tree: self.tree.refitted(&boxes),
            has_segments: false,
        }
    }

    /// Greatest squared distance of any point to the surface, or `at_least` where that is greater.
    ///
    /// Each point comes with a number from 0 that its own squared distance does not exceed, infinite if unknown:
    /// a point that cannot be the farthest is not looked at.
    pub fn farthest(&self, points: impl Iterator<Item = ([f64; 3], f64)>, at_least: f64) -> f64 {
        let (points, bounds): (Vec<[f64; 3]>, Vec<f64>) = points.unzip();
        // The bits of numbers from 0 are in the order of the numbers. Few are taken: a heap sorts no others.
        let order = bounds.iter().map(|bound| bound.to_bits()).zip(0_u32..);
        let mut order: BinaryHeap<(u64, u32)> = order.collect::<Vec<_>>().into();
        let mut farthest = at_least;
        while let Some((bound, index)) = order.pop() {
            let (bound, point) = (f64::from_bits(bound), points[index as usize]);
            if bound <= farthest {
                break;
            }
            let distance = self.tree.nearest(&point, bound, farthest, |f| {
                let face = &self.faces[f as usize];
                if !self.has_segments && has_repeated_corner(face) {
                    return f64::INFINITY;
                }
                squared_distance(&point, &face.map(|v| self.vertices[v as usize]))
            });
            farthest = farthest.max(distance);
        }
        farthest
    }
}

/// The greater of the greatest distance of a vertex of `a` to the surface of `b` and the reverse.
///
/// Only vertices that a face uses count. This is the symmetric Hausdorff distance with the suprema taken over
/// the vertices: a lower bound of it.
///
/// # Errors
/// `INVALID_INPUT` where a mesh is malformed or has no face.
pub fn vertex_distance(a: &TriangleMesh, b: &TriangleMesh) -> Result<f64> {
    for mesh in [a, b] {
        mesh.check()?;
        if mesh.faces.is_empty() {
            return Err(MeshError::InvalidInput(
                "a mesh without faces has no distance to another; give one face at least".into(),
            ));
        }
    }
    let used = |mesh: &TriangleMesh| {
        let mut corners = mesh.faces.as_flattened().to_vec();
        corners.sort_unstable();
        corners.dedup();
        let vertices = &mesh.vertices;
        corners
            .into_iter()
            .map(|v| (vertices[v as usize], f64::INFINITY))
            .collect::<Vec<_>>()
    };
    let there = Surface::new(&b.vertices, &b.faces).farthest(used(a).into_iter(), 0.0);
    let back = Surface::new(&a.vertices, &a.faces).farthest(used(b).into_iter(), there);
    Ok(back.sqrt())
}

/// Squared distance of a point to a triangle, which may be a segment or a point.
pub fn squared_distance(point: &[f64; 3], corners: &[[f64; 3]; 3]) -> f64 {
    let [a, b, c] = corners;
    let (ab, ac, ap) = (minus(b, a), minus(c, a), minus(point, a));
    let normal = cross(&ab, &ac);
    let squared_normal = dot(&normal, &normal);
    // Barycentric coordinates of the foot of the perpendicular, times the squared normal.
    let of_c = dot(&cross(&ab, &ap), &normal);
    let of_b = dot(&cross(&ap, &ac), &normal);
    if squared_normal > 0.0 && of_b >= 0.0 && of_c >= 0.0 && of_b + of_c <= squared_normal {
        let height = dot(&ap, &normal);
        return height * height / squared_normal;
    }
    [(a, b), (b, c), (c, a)]
        .map(|(from, to)| to_segment(point, from, to))
        .into_iter()
        .fold(f64::INFINITY, f64::min)
}

fn to_segment(point: &[f64; 3], from: &[f64; 3], to: &[f64; 3]) -> f64 {
    let (along, offset) = (minus(to, from), minus(point, from));
    let length = dot(&along, &along);
    let share = if length > 0.0 {
        (dot(&offset, &along) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let rest = [0, 1, 2].map(|axis| offset[axis] - share * along[axis]);
    dot(&rest, &rest)
}

/// `a - b`.
pub fn minus(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|axis| a[axis] - b[axis])
}

/// Scalar product.
pub fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub fn cross(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIANGLE: [[f64; 3]; 3] = [[0.0; 3], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]];

    #[test]
    fn distances_to_inside_edge_and_corner() {
        for (point, expected) in [
            ([0.5, 0.5, 3.0], 9.0),
            ([1.0, -2.0, 0.0], 4.0),
            ([2.0, 2.0, 0.0], 2.0),
            ([-1.0, -1.0, 1.0], 3.0),
        ] {
            assert_eq!(squared_distance(&point, &TRIANGLE), expected);
        }
    }

    #[test]
    fn a_triangle_without_area_is_a_segment_or_a_point() {
        let segment = [[0.0; 3], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]];
        assert_eq!(squared_distance(&[1.5, 2.0, 0.0], &segment), 4.0);
        assert_eq!(squared_distance(&[0.0, 3.0, 4.0], &[[0.0; 3]; 3]), 25.0);
    }

    #[test]
    fn both_ways_count() {
        let small = TriangleMesh {
            vertices: TRIANGLE.to_vec(),
            faces: vec![[0, 1, 2]],
        };
        let mut large = small.clone();
        large.vertices.extend([[2.0, 0.0, 5.0], [9.0; 3]]);
        large.faces.push([1, 2, 3]);
        assert_eq!(vertex_distance(&small, &large).unwrap(), 5.0);
        assert_eq!(vertex_distance(&large, &small).unwrap(), 5.0);
        assert_eq!(vertex_distance(&small, &small).unwrap(), 0.0);
        large.faces.clear();
        assert_eq!(
            vertex_distance(&small, &large).unwrap_err().code(),
            "INVALID_INPUT"
        );
    }
}
