//! Turns each part of the mesh so that it encloses a positive volume.

use super::drop::Triangles;
use super::edges::{Contested, Edges};
use super::orient::turn;
use super::union_find::UnionFind;
use crate::mesh::half_edge::NONE;

/// Turns over every part whose signed volume, about the middle of its bounding box, is negative.
///
/// A part is what hangs together over edges, contested ones included: neighbours across a contested edge
/// turn together, so that a second repair finds the same pairs there.
pub(super) fn turn_outward(
    triangles: &mut Triangles,
    edges: &Edges,
    contested: &Contested,
    position: impl Fn(u32) -> [f64; 3],
) {
    let mut parts = UnionFind::new(triangles.len());
    for (h, &opposite) in (0..).zip(&edges.opposite) {
        if opposite != NONE && h < opposite {
            parts.union(h / 3, opposite / 3);
        }
    }
    for pair in contested.iter().flat_map(|edge| edge.windows(2)) {
        parts.union(pair[0] / 3, pair[1] / 3);
    }
    let mut by_part: Vec<(u32, u32)> = (0..triangles.len() as u32)
        .map(|f| (parts.find(f), f))
        .collect();
    by_part.sort_unstable();
    for part in by_part.chunk_by(|x, y| x.0 == y.0) {
        let members: Vec<u32> = part.iter().map(|&(_, f)| f).collect();
        if signed_volume(triangles, &members, &position) < 0.0 {
            turn(triangles, &members);
        }
    }
}

/// Six times the signed volume. Turning all members over changes the sign and nothing else.
fn signed_volume(
    triangles: &Triangles,
    members: &[u32],
    position: &impl Fn(u32) -> [f64; 3],
) -> f64 {
    let corners = |f: u32| triangles.corners[f as usize].map(position);
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for p in members.iter().flat_map(|&f| corners(f)) {
        for axis in 0..3 {
            low[axis] = low[axis].min(p[axis]);
            high[axis] = high[axis].max(p[axis]);
        }
    }
    let middle = [0, 1, 2].map(|axis| (low[axis] + high[axis]) / 2.0);
    let mut sum = 0.0;
    for &f in members {
        let [a, b, c] = corners(f).map(|p| [0, 1, 2].map(|axis| p[axis] - middle[axis]));
        let volume = determinant(&a, &b, &c);
        sum += if triangles.is_turned[f as usize] {
            -volume
        } else {
            volume
        };
    }
    sum
}

/// Determinant of three vectors.
pub(super) fn determinant(a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

#[cfg(test)]
mod tests {
    use super::super::log::RepairLog;
    use super::super::weld::Weld;
    use super::*;

    #[test]
    fn an_inward_tetrahedron_is_turned() {
        let positions = [
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
        ];
        let outward = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];
        let inward = outward.map(|[a, b, c]| [a, c, b]);
        let turned = |faces: &[[u32; 3]]| {
            let mut triangles =
                Triangles::new(faces, &Weld::none(4), |_| false, &mut RepairLog::default());
            let (edges, contested) = Edges::new(4, &triangles.corners);
            turn_outward(&mut triangles, &edges, &contested, |v| {
                positions[v as usize]
            });
            triangles.is_turned
        };
        assert_eq!(turned(&inward), turned(&outward));
        assert_eq!(turned(&outward), [true, false, true, false]);
    }
}
