//! Which half-edges are joined, and which edges have to be decided upon.
//!
//! Half-edge `3f + j` lies opposite to corner `j` of triangle `f`.

use crate::mesh::half_edge::NONE;
use crate::mesh::Face;

/// The joins between triangles.
#[derive(Debug, Clone, Default)]
pub(super) struct Edges {
    /// For each half-edge the one it is joined to, or [`NONE`].
    pub opposite: Vec<u32>,
}

/// Lists of half-edges, one for each edge where not all can stay joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Contested {
    half_edges: Vec<u32>,
    ends: Vec<usize>,
}

impl Edges {
    /// Joins the two half-edges of every edge that has two; edges with more are contested. Cost O(F) for
    /// bounded valence, O(F log F) always.
    pub fn new(n_vertices: usize, corners: &[Face]) -> (Self, Contested) {
        // Counting sort by the lower vertex, then each short bucket by the higher one.
        let mut offsets = vec![0_u32; n_vertices + 1];
        for [a, b, _] in corners {
            offsets[*a as usize + 1] += 2;
            offsets[*b as usize + 1] += 1;
        }
        for v in 0..n_vertices {
            offsets[v + 1] += offsets[v];
        }
        let mut next = offsets.clone();
        let mut sorted = vec![(0_u32, 0_u32); 3 * corners.len()];
        for (&[a, b, c], f) in corners.iter().zip(0_u32..) {
            for (j, low, high) in [(0, b, c), (1, a, c), (2, a, b)] {
                let slot = &mut next[low as usize];
                sorted[*slot as usize] = (high, 3 * f + j);
                *slot += 1;
            }
        }
        drop(next);

        let mut edges = Self {
            opposite: vec![NONE; sorted.len()],
        };
        let mut contested = Contested::default();
        for v in 0..n_vertices {
            let bucket = &mut sorted[offsets[v] as usize..offsets[v + 1] as usize];
            bucket.sort_unstable();
            for run in bucket.chunk_by(|x, y| x.0 == y.0) {
                match *run {
                    [] | [_] => {}
                    [(_, g), (_, h)] => edges.join(g, h),
                    _ => contested.push(run.iter().map(|&(_, h)| h)),
                }
            }
        }
        (edges, contested)
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
}

impl Contested {
    /// Adds the half-edges of an edge, in ascending order.
    pub fn push(&mut self, half_edges: impl IntoIterator<Item = u32>) {
        self.half_edges.extend(half_edges);
        self.ends.push(self.half_edges.len());
    }

    /// The half-edges of each edge.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.half_edges[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_joined_and_three_are_contested() {
        // A book of three pages on edge 0-1, and a triangle on edge 0-2 of the first page.
        let (edges, contested) = Edges::new(6, &[[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 2, 5]]);
        assert_eq!(contested.iter().collect::<Vec<_>>(), [&[2, 5, 8]]);
        assert_eq!((edges.opposite[1], edges.opposite[11]), (11, 1));
        assert_eq!(edges.opposite.iter().filter(|&&h| h != NONE).count(), 2);
    }

    #[test]
    fn a_cut_ends_both_sides() {
        let (mut edges, _) = Edges::new(4, &[[0, 1, 2], [0, 1, 3]]);
        assert!(edges.is_joined(2) && edges.is_joined(5));
        edges.cut(5);
        edges.cut(5);
        assert!(!edges.is_joined(2) && !edges.is_joined(5));
    }
}
