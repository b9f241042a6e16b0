//! Numbers the vertices of the result: one per fan.

use super::fans::Fans;

/// The vertices of the result.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Vertex of the result of each fan.
    pub of_fan: Vec<u32>,
    /// For each vertex of the result the vertex it is a copy of.
    pub classes: Vec<u32>,
    /// Vertices with several fans, and how many besides the first.
    pub copied: Vec<[u32; 2]>,
    /// Vertices without a fan.
    pub unreferenced: Vec<u32>,
}

impl Numbering {
    /// All fans of a vertex one after another.
    pub fn copies_together(fans: &Fans, n_vertices: usize) -> Self {
        let n_fans = count(fans, n_vertices);
        let mut next = Vec::with_capacity(n_vertices);
        let mut total = 0;
        for &n in &n_fans {
            next.push(total);
            total += n;
        }
        Self::new(fans, &n_fans, |vertex, _| {
            let number = next[vertex];
            next[vertex] += 1;
            number
        })
    }

    /// The first fan of every vertex, then all others by vertex.
    pub fn copies_last(fans: &Fans, n_vertices: usize) -> Self {
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
        Self::new(fans, &n_fans, |vertex, is_first| {
            if is_first {
                return first[vertex];
            }
            let number = n_first + next[vertex];
            next[vertex] += 1;
            number
        })
    }

    fn new(fans: &Fans, n_fans: &[u32], mut number: impl FnMut(usize, bool) -> u32) -> Self {
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
        let together = Numbering::copies_together(&fans, 4);
        assert_eq!(together.of_fan, [3, 0, 4, 2, 1, 5]);
        assert_eq!(together.classes, [0, 0, 2, 3, 3, 3]);
        assert_eq!(together.copied, [[0, 1], [3, 2]]);
        assert_eq!(together.unreferenced, [1]);
        let last = Numbering::copies_last(&fans, 4);
        assert_eq!(last.of_fan, [2, 0, 4, 1, 3, 5]);
        assert_eq!(last.classes, [0, 2, 3, 0, 3, 3]);
    }
}
