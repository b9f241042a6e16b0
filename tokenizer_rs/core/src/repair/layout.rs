//! Where everything stands in the result: one vertex per fan, one face per triangle.

use super::drop::Triangles;
use super::fans::Fans;
use crate::mesh::Face;

/// Order and numbers of the result.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// For each face of the result the corner it starts with; corner `i` of triangle `f` is `3f + i`.
    pub first_corners: Vec<u32>,
    /// For each vertex of the result the vertex it is a copy of.
    pub classes: Vec<u32>,
    /// Vertices with several fans, and how many besides the first.
    pub copied: Vec<[u32; 2]>,
    /// Vertices without a fan.
    pub unreferenced: Vec<u32>,
    of_fan: Vec<u32>,
}

impl Layout {
    /// Vertices in their order with all copies one after another, faces in theirs from the lowest corner on.
    pub fn canonical(triangles: &Triangles, fans: &Fans, n_vertices: usize) -> Self {
        let n_fans = count(fans, n_vertices);
        let mut next = Vec::with_capacity(n_vertices);
        let mut total = 0;
        for &n in &n_fans {
            next.push(total);
            total += n;
        }
        let layout = Self::number(fans, &n_fans, |vertex, _| {
            let number = next[vertex];
            next[vertex] += 1;
            number
        });
        Self {
            first_corners: (0..triangles.len() as u32).map(|f| 3 * f).collect(),
            ..layout
        }
    }

    /// Vertices in their order with all copies last, faces in the order of the input from the same corner on.
    pub fn of_input(triangles: &Triangles, fans: &Fans, n_vertices: usize, faces: &[Face]) -> Self {
        let n_fans = count(fans, n_vertices);
        let mut first = Vec::with_capacity(n_vertices);
        let mut next = Vec::with_capacity(n_vertices);
        let mut n_first = 0;
        let mut n_copies = 0;
        for &n in &n_fans {
            first.push(n_first);
            next.push(n_copies);
            n_first += n.min(1);
            n_copies += n.saturating_sub(1);
        }
        let layout = Self::number(fans, &n_fans, |vertex, is_first| {
            if is_first {
                return first[vertex];
            }
            let number = n_first + next[vertex];
            next[vertex] += 1;
            number
        });
        let mut order: Vec<u32> = (0..triangles.len() as u32).collect();
        order.sort_unstable_by_key(|&f| triangles.source[f as usize]);
        let first_corner = |f: u32| {
            let [_, b, c] = triangles.corners[f as usize];
            let first = faces[triangles.source[f as usize] as usize][0];
            3 * f + u32::from(b == first) + 2 * u32::from(c == first)
        };
        Self {
            first_corners: order.into_iter().map(first_corner).collect(),
            ..layout
        }
    }

    /// The faces of the result.
    pub fn faces(&self, triangles: &Triangles, fans: &Fans) -> Vec<Face> {
        let vertex = |corner: u32| self.of_fan[fans.of_corner[corner as usize] as usize];
        self.first_corners
            .iter()
            .map(|&corner| {
                let [a, b, c] = triangles.corners_from(corner);
                [vertex(a), vertex(b), vertex(c)]
            })
            .collect()
    }

    fn number(fans: &Fans, n_fans: &[u32], mut number: impl FnMut(usize, bool) -> u32) -> Self {
        let mut is_seen = vec![false; n_fans.len()];
        let mut classes = vec![0; fans.vertex.len()];
        let mut of_fan = Vec::with_capacity(fans.vertex.len());
        for &vertex in &fans.vertex {
            let is_first = !std::mem::replace(&mut is_seen[vertex as usize], true);
            let id = number(vertex as usize, is_first);
            classes[id as usize] = vertex;
            of_fan.push(id);
        }
        let counted = || (0..).zip(n_fans.iter().copied());
        Self {
            first_corners: Vec::new(),
            of_fan,
            classes,
            copied: counted()
                .filter(|&(_, n)| n > 1)
                .map(|(vertex, n)| [vertex, n - 1])
                .collect(),
            unreferenced: counted()
                .filter(|&(_, n)| n == 0)
                .map(|(vertex, _)| vertex)
                .collect(),
        }
    }
}

/// Number of fans of each vertex.
fn count(fans: &Fans, n_vertices: usize) -> Vec<u32> {
    let mut n_fans = vec![0; n_vertices];
    for &vertex in &fans.vertex {
        n_fans[vertex as usize] += 1;
    }
    n_fans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stand_together_or_last() {
        let fans = Fans {
            of_corner: Vec::new(),
            vertex: vec![3, 0, 3, 2, 0, 3],
        };
        let together = Layout::canonical(&Triangles::default(), &fans, 4);
        assert_eq!(together.of_fan, [3, 0, 4, 2, 1, 5]);
        assert_eq!(together.classes, [0, 0, 2, 3, 3, 3]);
        assert_eq!(together.copied, [[0, 1], [3, 2]]);
        assert_eq!(together.unreferenced, [1]);
        let last = Layout::of_input(&Triangles::default(), &fans, 4, &[]);
        assert_eq!(last.of_fan, [2, 0, 4, 1, 3, 5]);
        assert_eq!(last.classes, [0, 2, 3, 0, 3, 3]);
    }

    #[test]
    fn faces_keep_their_direction_and_on_request_their_start() {
        let triangles = Triangles {
            corners: vec![[0, 1, 2], [0, 1, 3]],
            is_turned: vec![false, true],
            source: vec![1, 0],
        };
        let fans = Fans {
            of_corner: vec![0, 1, 2, 0, 1, 3],
            vertex: vec![0, 1, 2, 3],
        };
        let canonical = Layout::canonical(&triangles, &fans, 4);
        assert_eq!(canonical.faces(&triangles, &fans), [[0, 1, 2], [0, 3, 1]]);
        let input = [[3, 1, 0], [1, 2, 0]];
        let of_input = Layout::of_input(&triangles, &fans, 4, &input);
        assert_eq!(of_input.faces(&triangles, &fans), input);
    }
}
