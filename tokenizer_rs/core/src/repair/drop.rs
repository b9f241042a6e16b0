//! Keeps one triangle of each set of three corners; drops what is none.

use super::log::RepairLog;
use super::weld::Weld;
use crate::mesh::clean::has_repeated_corner;
use crate::mesh::sorted_order::sorted_order;
use crate::mesh::Face;

/// Triangles in ascending order of their corners. The corners of each ascend too, so that all decisions but
/// those about directions are the same whichever way a triangle is turned.
#[derive(Debug, Clone, Default)]
pub(super) struct Triangles {
    /// Corners `a < b < c`.
    pub corners: Vec<Face>,
    /// Whether the triangle runs `a, c, b` instead of `a, b, c`.
    pub is_turned: Vec<bool>,
    /// The input face it comes from.
    pub source: Vec<u32>,
}

impl Triangles {
    /// Welds the corners, drops faces with a repeated corner, those `is_dropped` says of their corners, and
    /// all but one of the faces with the same corners.
    ///
    /// Of equal faces in both directions the more frequent direction stays, `a, b, c` if there are as many.
    pub fn new(
        faces: &[Face],
        weld: &Weld,
        is_dropped: impl Fn(&Face) -> bool,
        log: &mut RepairLog,
    ) -> Self {
        let mut given = Self::with_capacity(faces.len());
        for (source, face) in (0..).zip(faces) {
            let welded = face.map(|v| weld.class[v as usize]);
            let (corners, is_turned) = ascending(welded);
            if has_repeated_corner(&welded) {
                log.degenerate_faces.push(source);
            } else if is_dropped(&corners) {
                log.collinear_faces.push(source);
            } else {
                given.push(corners, is_turned, source);
            }
        }
        let corners = |i: u32| given.corners[i as usize];
        let is_turned = |i: u32| given.is_turned[i as usize];
        let source = |i: u32| given.source[i as usize];
        let mut triangles = Self::with_capacity(given.len());
        // Equal corners are in the order of the input.
        let mut order = sorted_order(&given.corners);
        for run in order.chunk_by_mut(|&i, &j| corners(i) == corners(j)) {
            run.sort_by_key(|&i| is_turned(i));
            let n_straight = run.partition_point(|&i| !is_turned(i));
            let kept = if 2 * n_straight >= run.len() {
                run[0]
            } else {
                run[n_straight]
            };
            triangles.push(corners(kept), is_turned(kept), source(kept));
            let others = run.iter().filter(|&&i| i != kept);
            log.duplicate_faces
                .extend(others.map(|&i| [source(i), source(kept)]));
        }
        triangles
    }

    fn with_capacity(n: usize) -> Self {
        Self {
            corners: Vec::with_capacity(n),
            is_turned: Vec::with_capacity(n),
            source: Vec::with_capacity(n),
        }
    }

    fn push(&mut self, corners: Face, is_turned: bool, source: u32) {
        self.corners.push(corners);
        self.is_turned.push(is_turned);
        self.source.push(source);
    }

    /// Number of triangles.
    pub fn len(&self) -> usize {
        self.corners.len()
    }

    /// The two vertices of a half-edge's edge, the lower first.
    pub fn ends(&self, h: u32) -> [u32; 2] {
        let corners = self.corners[h as usize / 3];
        end_slots(h % 3).map(|slot| corners[slot as usize])
    }

    /// The corners of a triangle in the direction it runs, from one of them on; corner `i` of triangle `f`
    /// is `3f + i`.
    pub fn corners_from(&self, corner: u32) -> [u32; 3] {
        let (f, slot) = (corner / 3, corner % 3);
        let step = 1 + u32::from(self.is_turned[f as usize]);
        [
            corner,
            3 * f + (slot + step) % 3,
            3 * f + (slot + 2 * step) % 3,
        ]
    }

    /// Whether half-edge `h` runs from its lower to its higher vertex.
    pub fn is_ascending(&self, h: u32) -> bool {
        (h % 3 == 1) == self.is_turned[h as usize / 3]
    }
}

/// Positions in a triangle of the two ends of half-edge `j`, the lower vertex first.
pub(super) fn end_slots(j: u32) -> [u32; 2] {
    match j {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    }
}

/// The corners in ascending order, and whether that turned the face over.
fn ascending([a, b, c]: Face) -> (Face, bool) {
    let least = a.min(b).min(c);
    let [a, b, c] = if a == least {
        [a, b, c]
    } else if b == least {
        [b, c, a]
    } else {
        [c, a, b]
    };
    if b <= c {
        ([a, b, c], false)
    } else {
        ([a, c, b], true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(faces: &[Face]) -> (Triangles, RepairLog) {
        let mut log = RepairLog::default();
        let triangles = Triangles::new(faces, &Weld::none(9), |_| false, &mut log);
        (triangles, log)
    }

    #[test]
    fn directions_survive_the_sorting_of_corners() {
        for face in [[1, 2, 3], [2, 3, 1], [3, 1, 2]] {
            assert_eq!(ascending(face), ([1, 2, 3], false));
        }
        for face in [[1, 3, 2], [3, 2, 1], [2, 1, 3]] {
            assert_eq!(ascending(face), ([1, 2, 3], true));
        }
    }

    #[test]
    fn the_more_frequent_direction_stays() {
        let (triangles, log) = kept(&[[3, 1, 2], [2, 1, 3], [3, 2, 1]]);
        assert_eq!(
            (triangles.is_turned, triangles.source),
            (vec![true], vec![1])
        );
        assert_eq!(log.duplicate_faces, [[0, 1], [2, 1]]);
        let (triangles, _) = kept(&[[3, 2, 1], [3, 1, 2]]);
        assert_eq!(
            (triangles.is_turned, triangles.source),
            (vec![false], vec![1])
        );
    }

    #[test]
    fn a_repeated_corner_is_dropped() {
        let (triangles, log) = kept(&[[1, 1, 2], [4, 5, 6]]);
        assert_eq!(triangles.corners, [[4, 5, 6]]);
        assert_eq!(log.degenerate_faces, [0]);
    }
}
