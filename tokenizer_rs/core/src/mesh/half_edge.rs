//! Half-edges and their opposites.
//!
//! Face `f = (a, b, c)` has three half-edges, each opposite to a corner:
//!
//! ```text
//!          a
//!         / ^           3f     b -> c
//!     3f+2   \ 3f+1     3f + 1 c -> a
//!       v     \         3f + 2 a -> b
//!      b --3f-> c
//! ```
//!
//! Corners are numbered like the half-edges they lie opposite to. At a corner the face has the half-edges
//! [`next`] (which ends there) and [`previous`] (which starts there).

use super::Face;
use crate::{MeshError, Result};

/// Stands for "no opposite half-edge": the edge lies on the boundary.
pub const NONE: u32 = u32::MAX;
/// Stands for "no single opposite half-edge": the edge has three faces or more.
pub const CROWDED: u32 = u32::MAX - 1;

/// Start and end vertex of half-edge `j` of a face.
pub fn ends(face: &Face, j: usize) -> (u32, u32) {
    (face[(j + 1) % 3], face[(j + 2) % 3])
}

/// The corners of a face after and before its corner `vertex`: the ends of its edge in the link there.
pub fn link_edge(&[a, b, c]: &Face, vertex: u32) -> (u32, u32) {
    if a == vertex {
        (b, c)
    } else if b == vertex {
        (c, a)
    } else {
        (a, b)
    }
}

/// The half-edge or corner after `h` in its face.
pub fn next(h: u32) -> u32 {
    if h % 3 == 2 {
        h - 2
    } else {
        h + 1
    }
}

/// The half-edge or corner before `h` in its face.
pub fn previous(h: u32) -> u32 {
    if h.is_multiple_of(3) {
        h + 2
    } else {
        h - 1
    }
}

/// How the half-edges of a mesh meet.
#[derive(Debug, Clone, Default)]
pub struct HalfEdges {
    /// The opposite of each half-edge, [`NONE`] or [`CROWDED`]; the two may run in the same direction.
    pub opposite: Vec<u32>,
    /// One half-edge of each pair that ran in the same direction when it met; a third face may have made the
    /// edge [`CROWDED`] since.
    pub misaligned: Vec<u32>,
    /// Number of edges with three faces or more.
    pub n_crowded_edges: usize,
}

impl HalfEdges {
    /// Pairs the half-edges of faces without repeated corners. Cost O(V + F).
    pub fn new(n_vertices: usize, faces: &[Face]) -> Self {
        // Counting sort by the lower end. An entry is the higher end, the half-edge, and in the lowest bit
        // whether it descends.
        let mut ends = vec![0_u32; n_vertices + 1];
        for &[a, b, c] in faces {
            for low in [b.min(c), c.min(a), a.min(b)] {
                ends[low as usize + 1] += 1;
            }
        }
        for v in 0..n_vertices {
            ends[v + 1] += ends[v];
        }
        let mut sorted = vec![(0_u32, 0_u32); 3 * faces.len()];
        let mut h = 0;
        for &[a, b, c] in faces {
            for (start, end) in [(b, c), (c, a), (a, b)] {
                let place = &mut ends[start.min(end) as usize];
                sorted[*place as usize] = (start.max(end), 2 * h + u32::from(start > end));
                *place += 1;
                h += 1;
            }
        }
        // Now every start has moved to the end of its bucket.
        let mut half_edges = Self {
            opposite: vec![NONE; sorted.len()],
            misaligned: Vec::new(),
            n_crowded_edges: 0,
        };
        // One past the place of the first half-edge with this higher end; old unless in the bucket at hand.
        let mut first = vec![0_u32; n_vertices];
        let mut start = 0;
        for &end in &ends[..n_vertices] {
            for place in start..end {
                let (high, entry) = sorted[place as usize];
                let known = &mut first[high as usize];
                if *known <= start {
                    *known = place + 1;
                } else {
                    half_edges.meet(sorted[*known as usize - 1].1, entry);
                }
            }
            start = end;
        }
        half_edges
    }

    fn meet(&mut self, first: u32, entry: u32) {
        let (g, h) = (first / 2, entry / 2);
        match self.opposite[g as usize] {
            NONE => {
                self.opposite[g as usize] = h;
                self.opposite[h as usize] = g;
                if (first ^ entry) & 1 == 0 {
                    self.misaligned.push(g);
                }
            }
            second => {
                if second != CROWDED {
                    self.opposite[second as usize] = CROWDED;
                    self.n_crowded_edges += 1;
                }
                self.opposite[g as usize] = CROWDED;
                self.opposite[h as usize] = CROWDED;
            }
        }
    }

    /// The half-edge on the other side of the edge, if there is exactly one.
    pub fn across(&self, h: u32) -> Option<u32> {
        Some(self.opposite[h as usize]).filter(|&o| o < CROWDED)
    }

    /// Number of faces in the fan round a corner: those reached over edges at its vertex that have two faces.
    pub fn fan_size(&self, faces: &[Face], corner: u32) -> u32 {
        let corners = faces.as_flattened();
        let vertex = corners[corner as usize];
        let mut n = 1;
        let sides = [next(corner), previous(corner)];
        for (out, back) in [(sides[0], sides[1]), (sides[1], sides[0])] {
            let mut h = out;
            while let Some(o) = self.across(h) {
                if o == back {
                    return n;
                }
                n += 1;
                let after = next(o);
                h = if corners[after as usize] == vertex {
                    previous(o)
                } else {
                    after
                };
            }
        }
        n
    }

    /// Follows faces `(a, b, c)` that became `(a, c, b)` so that all opposites run in opposite directions.
    pub fn renumber_turned(&mut self, turned: &[bool]) {
        let renumbered = |h: u32| {
            let f = h / 3;
            if !h.is_multiple_of(3) && turned[f as usize] {
                // The second and the third half-edge change places.
                6 * f + 3 - h
            } else {
                h
            }
        };
        let mut opposite = vec![NONE; self.opposite.len()];
        for (h, &o) in (0..).zip(&self.opposite) {
            opposite[renumbered(h) as usize] = if o < CROWDED { renumbered(o) } else { o };
        }
        self.opposite = opposite;
        self.misaligned.clear();
    }

    /// Refuses an edge with more than two faces.
    pub fn check_manifold(&self, faces: &[Face]) -> Result<()> {
        if self.n_crowded_edges == 0 {
            return Ok(());
        }
        let edge = |h: u32| {
            let (start, end) = ends(&faces[h as usize / 3], h as usize % 3);
            (start.min(end), start.max(end))
        };
        let mut crowded: Vec<((u32, u32), u32)> = (0..self.opposite.len() as u32)
            .filter(|&h| self.opposite[h as usize] == CROWDED)
            .map(|h| (edge(h), h))
            .collect();
        crowded.sort_unstable();
        match crowded.get(2) {
            None => Ok(()),
            Some(&((start, end), third)) => Err(MeshError::EdgeStillNonManifold {
                start,
                end,
                face: third / 3,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_faces_on_an_edge_are_opposites_in_any_direction() {
        let half_edges = HalfEdges::new(4, &[[0, 1, 2], [1, 2, 3]]);
        assert_eq!(
            (half_edges.across(0), half_edges.across(5)),
            (Some(5), Some(0))
        );
        assert_eq!(
            half_edges.opposite.iter().filter(|&&h| h == NONE).count(),
            4
        );
        assert_eq!(half_edges.misaligned, [0]);
        assert!(HalfEdges::new(4, &[[0, 1, 2], [2, 1, 3]])
            .misaligned
            .is_empty());
    }

    #[test]
    fn a_third_face_on_an_edge_is_refused() {
        let faces = [[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 0, 5], [2, 3, 6]];
        let half_edges = HalfEdges::new(7, &faces);
        for h in [2, 5, 8, 11] {
            assert_eq!(half_edges.opposite[h], CROWDED);
        }
        assert_eq!(half_edges.n_crowded_edges, 1);
        assert_eq!(
            half_edges.check_manifold(&faces).unwrap_err(),
            MeshError::EdgeStillNonManifold {
                start: 0,
                end: 1,
                face: 2
            }
        );
        assert!(HalfEdges::new(4, &faces[..2])
            .check_manifold(&faces)
            .is_ok());
    }

    #[test]
    fn a_fan_ends_at_boundaries_and_closes_round_a_vertex() {
        // Faces turned at will: three round vertex 0, open and closed.
        let faces = [[0, 1, 2], [3, 2, 0], [3, 0, 4], [0, 1, 4]];
        for (n, size) in [(3, 3), (4, 4)] {
            let half_edges = HalfEdges::new(5, &faces[..n]);
            for corner in [0, 5, 7] {
                assert_eq!(half_edges.fan_size(&faces, corner), size);
            }
        }
        // A third face on the edge 0-1 cuts the fan there.
        let faces = [[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 2, 5]];
        assert_eq!(HalfEdges::new(6, &faces).fan_size(&faces, 0), 2);
    }
}
