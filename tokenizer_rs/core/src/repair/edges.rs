//! Which half-edges are joined, and which edges have to be decided upon.
//!
//! Half-edge `3f + j` lies opposite to corner `j` of triangle `f`.

use super::drop::end_slots;
use crate::mesh::half_edge::NONE;
use crate::mesh::Face;

/// The joins between triangles.
#[derive(Debug, Clone, Default)]
pub(super) struct Edges {
    /// For each half-edge the one it is joined to, or [`NONE`].
    pub opposite: Vec<u32>,
    contested: Vec<u32>,
    contested_ends: Vec<usize>,
}

impl Edges {
    /// Joins the two half-edges of every edge that has two; edges with more are contested. Cost O(F) for
    /// bounded valence, O(F log F) always.
    pub fn new(n_vertices: usize, corners: &[Face]) -> Self {
        let half_edges = || {
            corners.iter().zip(0_u32..).flat_map(|(face, f)| {
                [0, 1, 2].map(|j| {
                    let [low, high] = end_slots(j).map(|slot| face[slot as usize]);
                    (low, high, 3 * f + j)
                })
            })
        };
        // Counting sort by the lower vertex, then each short bucket by the higher one.
        let mut offsets = vec![0_u32; n_vertices + 1];
        for (low, _, _) in half_edges() {
            offsets[low as usize + 1] += 1;
        }
        for v in 0..n_vertices {
            offsets[v + 1] += offsets[v];
        }
        let mut next = offsets.clone();
        let mut sorted = vec![(0_u32, 0_u32); 3 * corners.len()];
        for (low, high, h) in half_edges() {
            let slot = &mut next[low as usize];
            sorted[*slot as usize] = (high, h);
            *slot += 1;
        }
        drop(next);

        let mut edges = Self {
            opposite: vec![NONE; sorted.len()],
            ..Self::default()
        };
        for v in 0..n_vertices {
            let bucket = &mut sorted[offsets[v] as usize..offsets[v + 1] as usize];
            bucket.sort_unstable();
            for run in bucket.chunk_by(|x, y| x.0 == y.0) {
                match *run {
                    [] | [_] => {}
                    [(_, g), (_, h)] => edges.join(g, h),
                    _ => edges.contest(run.iter().map(|&(_, h)| h)),
                }
            }
        }
        edges
    }

    /// Joins two half-edges.
    pub fn join(&mut self, g: u32, h: u32) {
        self.opposite[g as usize] = h;
        self.opposite[h as usize] = g;
    }

    /// Ends the join of a half-edge, if it has one.
    pub fn cut(&mut self, h: u32) {
        let opposite = std::mem::replace(&mut self.opposite[h as usize], NONE);
        if opposite != NONE {
            self.opposite[opposite as usize] = NONE;
        }
    }

    /// Whether a half-edge is joined.
    pub fn is_joined(&self, h: u32) -> bool {
        self.opposite[h as usize] != NONE
    }

    /// Notes the half-edges of one edge, not all of which can stay joined.
    pub fn contest(&mut self, half_edges: impl IntoIterator<Item = u32>) {
        self.contested.extend(half_edges);
        self.contested_ends.push(self.contested.len());
    }

    /// Number of contested edges.
    pub fn n_contested(&self) -> usize {
        self.contested_ends.len()
    }

    /// The half-edges of a contested edge in ascending order.
    pub fn contested(&self, i: usize) -> &[u32] {
        let start = if i == 0 {
            0
        } else {
            self.contested_ends[i - 1]
        };
        &self.contested[start..self.contested_ends[i]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_joined_and_three_are_contested() {
        // A book of three pages on edge 0-1, and a triangle on edge 0-2 of the first page.
        let edges = Edges::new(6, &[[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 2, 5]]);
        assert_eq!(
            (edges.n_contested(), edges.contested(0)),
            (1, &[2, 5, 8][..])
        );
        assert_eq!((edges.opposite[1], edges.opposite[11]), (11, 1));
        assert_eq!(edges.opposite.iter().filter(|&&h| h != NONE).count(), 2);
    }

    #[test]
    fn a_cut_ends_both_sides() {
        let mut edges = Edges::new(4, &[[0, 1, 2], [0, 1, 3]]);
        assert!(edges.is_joined(2) && edges.is_joined(5));
        edges.cut(5);
        edges.cut(5);
        assert!(!edges.is_joined(2) && !edges.is_joined(5));
    }
}
