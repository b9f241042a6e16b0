//! The fans of joined triangles around every vertex.

use super::edges::Edges;
use crate::mesh::half_edge::{next, previous, NONE};
use crate::mesh::Face;

/// Which corners belong together.
#[derive(Debug, Clone, Default)]
pub(super) struct Fans {
    /// Fan of each corner; corner `i` of triangle `f` is `3f + i`.
    pub of_corner: Vec<u32>,
    /// Vertex of each fan. Fans are numbered by their first corner.
    pub vertex: Vec<u32>,
}

impl Fans {
    /// Walks from corner to corner over the joins, each corner once. Cost O(F).
    pub fn new(corners: &[Face], edges: &Edges) -> Self {
        let corners = corners.as_flattened();
        let mut fans = Self {
            of_corner: vec![NONE; corners.len()],
            vertex: Vec::new(),
        };
        for (corner, &vertex) in (0..).zip(corners) {
            if fans.of_corner[corner as usize] != NONE {
                continue;
            }
            let fan = fans.vertex.len() as u32;
            fans.vertex.push(vertex);
            fans.of_corner[corner as usize] = fan;
            // In a closed fan the first walk leaves nothing for the second.
            for first in [next(corner), previous(corner)] {
                fans.walk(corners, edges, vertex, first, fan);
            }
        }
        fans
    }

    /// Marks the corners at `vertex` met by crossing `h` and going on.
    fn walk(&mut self, corners: &[u32], edges: &Edges, vertex: u32, mut h: u32, fan: u32) {
        loop {
            let entered = edges.opposite[h as usize];
            if entered == NONE {
                return;
            }
            let (after, before) = (next(entered), previous(entered));
            // The corner at the vertex; the edge to leave by lies opposite to the other one.
            let (corner, other) = if corners[after as usize] == vertex {
                (after, before)
            } else {
                (before, after)
            };
            let mark = &mut self.of_corner[corner as usize];
            if *mark != NONE {
                return;
            }
            *mark = fan;
            h = other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_triangles_at_a_vertex_are_two_fans() {
        let corners = [[0, 1, 2], [0, 3, 4]];
        let fans = Fans::new(&corners, &Edges::new(5, &corners).0);
        assert_eq!(fans.of_corner, [0, 1, 2, 3, 4, 5]);
        assert_eq!(fans.vertex, [0, 1, 2, 0, 3, 4]);
    }

    #[test]
    fn open_and_closed_fans_are_one_each() {
        // Three triangles about vertex 1, entered in the middle; then the closed cone.
        let open = [[0, 1, 2], [1, 2, 3], [0, 1, 4]];
        assert_eq!(Fans::new(&open, &Edges::new(5, &open).0).vertex.len(), 5);
        let closed = [[0, 1, 2], [0, 1, 3], [0, 2, 3]];
        let fans = Fans::new(&closed, &Edges::new(4, &closed).0);
        assert_eq!(fans.of_corner, [0, 1, 2, 0, 1, 3, 0, 2, 3]);
    }
}
