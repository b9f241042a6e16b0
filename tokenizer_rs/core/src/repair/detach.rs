//! Separates faces that share both ends of an edge without being joined there.
//!
//! Splitting vertices into fans separates the two sides of a cut edge only if at one of its ends the fans come
//! apart. Where they hang together round both ends, a face loses its joins at one end, which makes its corner
//! there a fan of its own.

use super::drop::end_slots;
use super::edges::{Contested, Edges};
use super::fans::Fans;

/// Makes the faces at every contested edge distinct by at least one end. Returns the corners that were
/// separated, each with the face; nothing if the fans were enough.
///
/// One pass is enough: a join is only cut where all the joins of a face (or joined pair of faces) at
/// one end of it are cut, so both sides of each new cut differ there; and fans only ever get finer.
pub(super) fn detach(edges: &mut Edges, contested: &Contested, fans: &Fans) -> Vec<u32> {
    let mut detached = Vec::new();
    let mut by_ends: Vec<([u32; 2], u32)> = Vec::new();
    for half_edges in contested.iter() {
        let ends =
            |h: u32| end_slots(h % 3).map(|slot| fans.of_corner[(h - h % 3 + slot) as usize]);
        by_ends.clear();
        by_ends.extend(half_edges.iter().map(|&h| (ends(h), h)));
        by_ends.sort_unstable();
        for group in by_ends.chunk_by(|x, y| x.0 == y.0) {
            if group.len() > 1 {
                separate(edges, group, &mut detached);
            }
        }
    }
    detached
}

/// Leaves the unit that is hardest to separate, the first of several, and separates the others.
fn separate(edges: &mut Edges, group: &[([u32; 2], u32)], detached: &mut Vec<u32>) {
    let mut units: Vec<Unit> = Vec::new();
    for &(_, h) in group {
        if !edges.is_joined(h) {
            units.push(Unit([Some(h), None]));
        } else if h < edges.opposite[h as usize] {
            units.push(Unit([Some(h), Some(edges.opposite[h as usize])]));
        }
    }
    let costs: Vec<usize> = units.iter().map(|unit| unit.cheaper_end(edges).0).collect();
    let most = costs.iter().copied().max().unwrap_or(0);
    let kept = costs.iter().position(|&cost| cost == most);
    for (i, unit) in units.iter().enumerate() {
        if Some(i) == kept {
            continue;
        }
        // Separating one unit may have cut joins of another.
        let (cost, end) = unit.cheaper_end(edges);
        if cost > 0 {
            for h in unit.borders(end) {
                edges.cut(h);
            }
            detached.extend(unit.corners(end));
        }
    }
}

/// One half-edge of a contested edge, or two that are joined.
struct Unit([Option<u32>; 2]);

impl Unit {
    fn half_edges(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied().flatten()
    }

    /// The corners at an end.
    fn corners(&self, end: usize) -> impl Iterator<Item = u32> + '_ {
        self.half_edges()
            .map(move |h| h - h % 3 + end_slots(h % 3)[end])
    }

    /// The half-edges at an end that lead away from the edge. Each lies opposite to the corner at the other
    /// end, and a half-edge has the number of the corner it lies opposite to.
    fn borders(&self, end: usize) -> impl Iterator<Item = u32> + '_ {
        self.corners(1 - end)
    }

    /// Number of joins to cut at the end where they are fewer, and that end.
    fn cheaper_end(&self, edges: &Edges) -> (usize, usize) {
        let cost = |end| self.borders(end).filter(|&h| edges.is_joined(h)).count();
        let (low, high) = (cost(0), cost(1));
        if low <= high {
            (low, 0)
        } else {
            (high, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::half_edge::NONE;

    #[test]
    fn faces_that_hang_together_at_both_ends_come_apart_at_one() {
        // Two triangles on edge 0-1, joined to each other over a bridge at both ends.
        let corners = [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]];
        let (mut edges, mut contested) = Edges::new(4, &corners);
        edges.cut(2);
        contested.push([2, 5]);
        let fans = Fans::new(&corners, &edges);
        assert_eq!(fans.vertex.len(), 4, "the cut alone separates nothing");
        let detached = detach(&mut edges, &contested, &fans);
        assert_eq!(detached, [3]);
        assert_eq!(
            edges.opposite[4], NONE,
            "the other edge of the face at vertex 0"
        );
        assert_eq!(edges.opposite[3], 10, "the join at vertex 1 stays");
        let fans = Fans::new(&corners, &edges);
        assert_ne!(fans.of_corner[0], fans.of_corner[3]);
        assert!(detach(&mut edges, &contested, &fans).is_empty());
    }
}
