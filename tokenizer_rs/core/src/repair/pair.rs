//! Chooses which faces stay joined at an edge of more than two.

use super::drop::Triangles;
use super::edges::{Contested, Edges};
use super::outward::determinant;

/// At edges of more faces than this none stay joined: trying all pairs there would cost too much.
const MAX_PAIRED_FACES: usize = 16;

/// A candidate: how far from flat, whether the material lies outside the angle, the half-edges.
type Candidate = (f64, bool, [u32; 2]);

/// Joins pairs of faces that run through a contested edge in opposite directions, flattest first; of two
/// equally flat pairs first the one that is convex. What remains stays cut.
///
/// Directions are final before this is called, and no pair turns a face: a second repair finds the same.
/// `position` must be exact to half the bits of a double for the angles to be compared exactly; they are
/// on grids of up to 4096 bins.
pub(super) fn pair_contested(
    triangles: &Triangles,
    edges: &mut Edges,
    contested: &Contested,
    position: impl Fn(u32) -> [f64; 3],
) {
    for half_edges in contested.iter() {
        if half_edges.len() > MAX_PAIRED_FACES {
            continue;
        }
        let mut candidates = candidates(triangles, half_edges, &position);
        candidates
            .sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)).then(x.2.cmp(&y.2)));
        for (_, _, [g, h]) in candidates {
            if !edges.is_joined(g) && !edges.is_joined(h) {
                edges.join(g, h);
            }
        }
    }
}

fn candidates(
    triangles: &Triangles,
    half_edges: &[u32],
    position: &impl Fn(u32) -> [f64; 3],
) -> Vec<Candidate> {
    let (ascending, descending): (Vec<u32>, Vec<u32>) =
        half_edges.iter().partition(|&&h| triangles.is_ascending(h));
    let mut candidates = Vec::with_capacity(ascending.len() * descending.len());
    for &g in &ascending {
        for &h in &descending {
            let [low, high] = triangles.ends(g).map(position);
            let from_low = |p: [f64; 3]| [0, 1, 2].map(|axis| p[axis] - low[axis]);
            let apex =
                |h: u32| from_low(position(triangles.corners[h as usize / 3][h as usize % 3]));
            let (axis, over_g, over_h) = (from_low(high), apex(g), apex(h));
            // Face g lies left of the edge seen from outside, so its normal is axis x over_g.
            let is_reflex = determinant(&axis, &over_g, &over_h) > 0.0;
            candidates.push((
                bend(&axis, &over_g, &over_h),
                is_reflex,
                [g.min(h), g.max(h)],
            ));
        }
    }
    candidates
}

/// Cosine of the angle between two faces about their edge: -1 for flat, 1 for folded or without area.
fn bend(axis: &[f64; 3], u: &[f64; 3], v: &[f64; 3]) -> f64 {
    let dot = |a: &[f64; 3], b: &[f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    // Products of the parts perpendicular to the axis, times its squared length.
    let product =
        |a: &[f64; 3], b: &[f64; 3]| dot(a, b) * dot(axis, axis) - dot(a, axis) * dot(b, axis);
    let length = product(u, u).sqrt() * product(v, v).sqrt();
    if length > 0.0 {
        // Adding zero makes one zero of two.
        product(u, v) / length + 0.0
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::RepairLog;
    use super::super::orient::orient;
    use super::super::weld::Weld;
    use super::*;
    use crate::mesh::half_edge::NONE;
    use crate::mesh::Face;

    const EAST: [f64; 2] = [1.0, 0.0];
    const NORTH: [f64; 2] = [0.0, 1.0];
    const WEST: [f64; 2] = [-1.0, 0.0];
    const SOUTH: [f64; 2] = [0.0, -1.0];

    /// For each page about the x axis, between vertices 0 and 1, the page it is joined to. A page that
    /// ascends to the east has north outside.
    fn joined(pages: &[([f64; 2], bool)]) -> Vec<Option<u32>> {
        let mut positions = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
        let mut faces: Vec<Face> = Vec::new();
        for (page, &([y, z], is_ascending)) in (2..).zip(pages) {
            positions.push([0.5, y, z]);
            faces.push(if is_ascending {
                [0, 1, page]
            } else {
                [1, 0, page]
            });
        }
        let n = positions.len();
        let mut triangles =
            Triangles::new(&faces, &Weld::none(n), |_| false, &mut RepairLog::default());
        let (mut edges, mut contested) = Edges::new(n, &triangles.corners);
        orient(&mut triangles, &mut edges, &mut contested);
        pair_contested(&triangles, &mut edges, &contested, |v| {
            positions[v as usize]
        });
        (0..pages.len())
            .map(|f| {
                Some(edges.opposite[3 * f + 2])
                    .filter(|&h| h != NONE)
                    .map(|h| h / 3)
            })
            .collect()
    }

    #[test]
    fn the_flattest_opposed_pair_stays() {
        let wall = joined(&[(EAST, true), (NORTH, false), (WEST, false)]);
        assert_eq!(wall, [Some(2), None, Some(0)]);
    }

    #[test]
    fn of_two_right_angles_the_convex_one_stays() {
        // The two directions of the wall show that it is not the order that decides.
        let west = joined(&[(EAST, true), (NORTH, false), (WEST, true)]);
        assert_eq!(west, [None, Some(2), Some(1)]);
        let east = joined(&[(EAST, false), (NORTH, true), (WEST, false)]);
        assert_eq!(east, [Some(1), Some(0), None]);
    }

    #[test]
    fn two_solids_at_an_edge_come_apart() {
        let solids = joined(&[(EAST, false), (NORTH, true), (WEST, false), (SOUTH, true)]);
        assert_eq!(solids, [Some(1), Some(0), Some(3), Some(2)]);
        let holes = joined(&[(EAST, true), (NORTH, false), (WEST, true), (SOUTH, false)]);
        assert_eq!(holes, [Some(3), Some(2), Some(1), Some(0)]);
    }

    #[test]
    fn a_thick_book_is_cut() {
        let page = |i: u32| ([f64::from(i), 1.0], i.is_multiple_of(2));
        let joins = |n| joined(&(0..n).map(page).collect::<Vec<_>>());
        assert!(joins(16).iter().all(Option::is_some));
        assert!(joins(17).iter().all(Option::is_none));
    }
}
