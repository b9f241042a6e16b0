//! Equal positions become one vertex.

use super::point::Point;

/// Which vertices are one.
#[derive(Debug)]
pub(super) struct Weld {
    /// For each input vertex the number of its position.
    pub class: Vec<u32>,
    /// For each position the lowest input vertex that has it.
    pub source: Vec<u32>,
}

impl Weld {
    /// Numbers the distinct positions by y, then z, then x. Cost O(V log V).
    pub fn by_position<P: Point>(points: &[P]) -> Self {
        let order = P::sorted_order(points);
        let point = |vertex: u32| points[vertex as usize];
        let mut class = vec![0; points.len()];
        let mut source = Vec::new();
        for run in order.chunk_by(|&v, &w| point(v) == point(w)) {
            for &vertex in run {
                class[vertex as usize] = source.len() as u32;
            }
            source.push(run[0]);
        }
        Self { class, source }
    }

    /// Every vertex stands for itself.
    pub fn none(n_vertices: usize) -> Self {
        let identity: Vec<u32> = (0..n_vertices as u32).collect();
        Self {
            class: identity.clone(),
            source: identity,
        }
    }

    /// Pairs of a vertex and the one that stands for it.
    pub fn merged(&self) -> Vec<[u32; 2]> {
        (0..)
            .zip(&self.class)
            .map(|(vertex, &class)| [vertex, self.source[class as usize]])
            .filter(|[vertex, source]| vertex != source)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_numbered_by_y_z_x_and_named_by_their_lowest_vertex() {
        let points = [[5, 1, 0], [0, 0, 7], [5, 1, 0], [9, 0, 7]];
        let weld = Weld::by_position(&points);
        assert_eq!(weld.class, [2, 0, 2, 1]);
        assert_eq!(weld.source, [1, 3, 0]);
        assert_eq!(weld.merged(), [[2, 0]]);
    }

    #[test]
    fn both_zeros_are_one_position() {
        assert_eq!(
            Weld::by_position(&[[0.0, -0.0, 0.0], [-0.0, 0.0, -0.0]]).source,
            [0]
        );
    }
}
