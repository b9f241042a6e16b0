//! Turns joined triangles until they agree; cuts where they cannot.

use super::drop::Triangles;
use super::edges::{Contested, Edges};
use crate::mesh::half_edge::NONE;

/// Orients every patch of joined triangles like the majority of its triangles in the input (its first
/// triangle, if there are as many of both).
///
/// Breadth first from the first triangle of each patch; a join that contradicts the directions already
/// chosen closes a one-sided loop and is cut. Which joins are cut depends on the joins alone, not on
/// the directions in the input; each becomes contested. Cost O(F).
pub(super) fn orient(triangles: &mut Triangles, edges: &mut Edges, contested: &mut Contested) {
    let given = triangles.is_turned.clone();
    let mut is_reached = vec![false; triangles.len()];
    let mut patch: Vec<u32> = Vec::new();
    for seed in 0..triangles.len() as u32 {
        if std::mem::replace(&mut is_reached[seed as usize], true) {
            continue;
        }
        patch.clear();
        patch.push(seed);
        let mut n_agreeing = 0;
        let mut at = 0;
        while let Some(&f) = patch.get(at) {
            at += 1;
            n_agreeing += usize::from(triangles.is_turned[f as usize] == given[f as usize]);
            for h in 3 * f..3 * f + 3 {
                let opposite = edges.opposite[h as usize];
                if opposite == NONE {
                    continue;
                }
                let neighbour = opposite / 3;
                let is_opposed = triangles.is_ascending(h) != triangles.is_ascending(opposite);
                if !is_reached[neighbour as usize] {
                    is_reached[neighbour as usize] = true;
                    triangles.is_turned[neighbour as usize] ^= !is_opposed;
                    patch.push(neighbour);
                } else if !is_opposed {
                    edges.cut(h);
                    contested.push([h.min(opposite), h.max(opposite)]);
                }
            }
        }
        if 2 * n_agreeing < patch.len() {
            turn(triangles, &patch);
        }
    }
}

/// Turns triangles over.
pub(super) fn turn(triangles: &mut Triangles, members: &[u32]) {
    for &f in members {
        triangles.is_turned[f as usize] ^= true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::RepairLog;
    use super::super::weld::Weld;
    use super::*;
    use crate::mesh::Face;

    fn oriented(faces: &[Face]) -> (Triangles, Edges, usize) {
        let mut triangles =
            Triangles::new(faces, &Weld::none(9), |_| false, &mut RepairLog::default());
        let (mut edges, mut contested) = Edges::new(9, &triangles.corners);
        orient(&mut triangles, &mut edges, &mut contested);
        (triangles, edges, contested.iter().count())
    }

    #[test]
    fn the_majority_decides_the_direction() {
        for turned in 0..4 {
            let mut faces = vec![[0, 2, 1], [0, 1, 3], [2, 1, 3], [2, 0, 3]];
            faces[2] = [1, 2, 3];
            let before = oriented(&faces).0.is_turned;
            faces[turned].swap(1, 2);
            let (triangles, _, n_cuts) = oriented(&faces);
            assert_eq!(triangles.is_turned, before);
            assert_eq!(n_cuts, 0);
        }
    }

    #[test]
    fn a_moebius_band_is_cut_once() {
        let faces: Vec<Face> = (0..5).map(|i| [i, (i + 1) % 5, (i + 2) % 5]).collect();
        let (triangles, edges, n_cuts) = oriented(&faces);
        assert_eq!(n_cuts, 1);
        for h in 0..15 {
            let opposite = edges.opposite[h as usize];
            assert!(
                opposite == NONE || triangles.is_ascending(h) != triangles.is_ascending(opposite)
            );
        }
    }
}
