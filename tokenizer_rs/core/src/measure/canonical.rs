//! The same triangles for all copies of a mesh that are the same numbers up to order, place, size and axes.

use crate::measure::bvh::Aabb;
use crate::mesh::clean::first_of_equal;
use crate::mesh::Face;
use crate::{Result, TriangleMesh};

/// Cells along the longest side.
const GRID: i32 = 1024;
/// Of a coordinate of the grid, from 0 to `GRID`.
const BITS: u32 = 11;

/// The faces of a mesh on a grid of 1024 cells along its longest side, in the one of 48 poses that a hash
/// selects: 24 rotations that map axes to axes and, with `mirror_images`, their reflections.
///
/// A corner is one number, of 11 bits an axis; corners ascend in a face, and faces in the list. The same for any
/// order of vertices, faces and corners, duplicate and unused vertices, translation and uniform scale. Poses that
/// tie are the same triangles, unless two different lists have the same 64-bit hash.
///
/// # Errors
/// `INVALID_INPUT` for corners that do not exist and coordinates that are not finite.
pub fn canonical_triangles(mesh: &TriangleMesh, mirror_images: bool) -> Result<Vec<[u64; 3]>> {
    mesh.check()?;
    let (cells, faces) = cells_and_faces(mesh);
    let poses = poses(mirror_images);
    let pose = &poses[selected(&poses, &cells, &faces)];
    let codes: Vec<u64> = cells.iter().map(|cell| pose.code(cell)).collect();
    let mut triangles: Vec<[u64; 3]> = (faces.iter())
        .map(|face| {
            let mut corners = face.map(|v| codes[v as usize]);
            corners.sort_unstable();
            corners
        })
        .collect();
    triangles.sort_unstable();
    Ok(triangles)
}

/// Number of the pose with the least hash of the corners and, where such hashes tie, of the faces as well.
fn selected(poses: &[Pose], cells: &[[i32; 3]], faces: &[Face]) -> usize {
    // Few meshes are so alike in two poses that their corners do not tell them apart.
    let mut n_corners = vec![0_u64; cells.len()];
    for &v in faces.as_flattened() {
        n_corners[v as usize] += 1;
    }
    let of_corners = |pose: &Pose| {
        (cells.iter().zip(&n_corners)).fold(0_u64, |sum, (cell, n)| {
            sum.wrapping_add(mix(n << (3 * BITS) | pose.code(cell)))
        })
    };
    let of_faces = |pose: &Pose| {
        let mixed: Vec<u64> = cells.iter().map(|cell| mix(pose.code(cell))).collect();
        faces.iter().fold(0_u64, |sum, face| {
            let [a, b, c] = face.map(|v| mixed[v as usize]);
            sum.wrapping_add(mix(a.wrapping_add(b).wrapping_add(c)))
        })
    };
    let hashes: Vec<u64> = poses.iter().map(of_corners).collect();
    let least = hashes.iter().min();
    let tied: Vec<usize> = (0..poses.len())
        .filter(|&i| Some(&hashes[i]) == least)
        .collect();
    match tied[..] {
        [only] => only,
        _ => (tied.into_iter())
            .min_by_key(|&i| of_faces(&poses[i]))
            .unwrap_or(0),
    }
}

/// Distinct cells of the corners, from `-GRID / 2` to `GRID / 2`, and faces that name them.
fn cells_and_faces(mesh: &TriangleMesh) -> (Vec<[i32; 3]>, Vec<Face>) {
    let corners = mesh.faces.as_flattened().iter();
    let bounds = Aabb::around(corners.map(|&v| &mesh.vertices[v as usize]));
    let longest = bounds.longest();
    let scale = f64::from(GRID) / if longest > 0.0 { longest } else { 1.0 };
    let centre = bounds.centre();
    let cell = |p: &[f64; 3]| {
        [0, 1, 2].map(|axis| {
            let place = ((p[axis] - centre[axis]) * scale).round_ties_even();
            (place as i32).clamp(-GRID / 2, GRID / 2)
        })
    };
    let of_vertex: Vec<[i32; 3]> = mesh.vertices.iter().map(cell).collect();
    let keys: Vec<[u32; 3]> = of_vertex
        .iter()
        .map(|c| c.map(|x| (x + GRID / 2) as u32))
        .collect();
    let first = first_of_equal(&keys);
    let mut number = vec![u32::MAX; of_vertex.len()];
    let mut cells = Vec::new();
    let faces = mesh.faces.iter().map(|face| {
        face.map(|v| {
            let number = &mut number[first[v as usize] as usize];
            if *number == u32::MAX {
                *number = cells.len() as u32;
                cells.push(of_vertex[v as usize]);
            }
            *number
        })
    });
    let faces = faces.collect();
    (cells, faces)
}

/// Which axis of a mesh each axis becomes, and its sign.
struct Pose {
    axes: [usize; 3],
    signs: [i32; 3],
}

impl Pose {
    fn code(&self, cell: &[i32; 3]) -> u64 {
        (0..3).fold(0, |code, axis| {
            let place = cell[self.axes[axis]] * self.signs[axis] + GRID / 2;
            code << BITS | place as u64
        })
    }
}

fn poses(mirror_images: bool) -> Vec<Pose> {
    const AXES: [([usize; 3], i32); 6] = [
        ([0, 1, 2], 1),
        ([0, 2, 1], -1),
        ([1, 0, 2], -1),
        ([1, 2, 0], 1),
        ([2, 0, 1], 1),
        ([2, 1, 0], -1),
    ];
    let mut poses = Vec::with_capacity(48);
    for (axes, parity) in AXES {
        for bits in 0..8 {
            let signs = [4, 2, 1].map(|bit| if bits & bit == 0 { 1 } else { -1 });
            if mirror_images || parity * signs.iter().product::<i32>() > 0 {
                poses.push(Pose { axes, signs });
            }
        }
    }
    poses
}

/// Spreads every bit over all others (the finaliser of splitmix64: Steele, Lea, Flood 2014, "Fast splittable
/// pseudorandom number generators").
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wedge() -> TriangleMesh {
        TriangleMesh {
            vertices: vec![
                [0.0, 0.0, 0.0],
                [4.0, 0.0, 0.0],
                [0.0, 3.0, 0.0],
                [1.0, 1.0, 2.0],
            ],
            faces: vec![[0, 2, 1], [0, 1, 3], [1, 2, 3]],
        }
    }

    #[test]
    fn poses_order_place_and_size_do_not_count() {
        let expected = canonical_triangles(&wedge(), true).unwrap();
        let rotations = canonical_triangles(&wedge(), false).unwrap();
        for pose in poses(true) {
            let mut copy = wedge();
            for p in &mut copy.vertices {
                *p = [0, 1, 2].map(|i| 9.0 * f64::from(pose.signs[i]) * p[pose.axes[i]] - 5.0);
            }
            copy.faces.reverse();
            copy.faces.iter_mut().for_each(|face| face.rotate_left(1));
            assert_eq!(canonical_triangles(&copy, true).unwrap(), expected);
        }
        let turned = poses(false).into_iter().filter(|pose| {
            let mut copy = wedge();
            for p in &mut copy.vertices {
                *p = [0, 1, 2].map(|i| f64::from(pose.signs[i]) * p[pose.axes[i]]);
            }
            canonical_triangles(&copy, false).unwrap() == rotations
        });
        assert_eq!(turned.count(), 24);
        assert_eq!(poses(true).len(), 48);
        let mut mirrored = wedge();
        mirrored.vertices.iter_mut().for_each(|p| p[0] = -p[0]);
        assert_ne!(canonical_triangles(&mirrored, false).unwrap(), rotations);
    }

    #[test]
    fn what_has_no_extent_or_no_face() {
        let mut mesh = wedge();
        mesh.vertices.iter_mut().for_each(|p| *p = [7.0; 3]);
        assert_eq!(canonical_triangles(&mesh, true).unwrap().len(), 3);
        mesh.faces.clear();
        assert!(canonical_triangles(&mesh, true).unwrap().is_empty());
        mesh.faces.push([0, 1, 9]);
        assert!(canonical_triangles(&mesh, true).is_err());
    }
}
