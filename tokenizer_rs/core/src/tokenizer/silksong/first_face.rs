//! Whether a face is certain after what was written of a component.
//!
//! Every vertex of layer 1 is joined to the start vertex. Where two that follow each other in it, the last and the
//! first among them, are joined as well, the decoders of both levels find a face at the start vertex as soon as
//! layer 1 is closed, and nothing that follows takes it back:
//!
//! - Reference: each such pair is a face.
//! - Extended: a ring with at most one gap joins all but one of the pairs; one with more gaps is only taken where
//!   none has fewer, and is no empty one unless no pair of two or three vertices is joined; where there is no ring,
//!   the first joined pair stands.
//!
//! Which pairs become faces depends on the rest. A face with two corners at one position is dropped, so that no two
//! joined vertices of these layers may share one.

use crate::mesh::GridPoint;

/// Layers 0 and 1 of the component being written.
#[derive(Debug, Clone, Default)]
pub struct FirstFace {
    /// The start vertex, then layer 1.
    points: Vec<GridPoint>,
    /// Vertex of layer 1, and how far round the layer the one is that it is joined to, less one.
    links: Vec<(usize, usize)>,
}

impl FirstFace {
    /// A component begins.
    pub fn clear(&mut self) {
        self.points.clear();
        self.links.clear();
    }

    /// The next vertex.
    pub fn push_vertex(&mut self, point: GridPoint) {
        self.points.push(point);
    }

    /// Joins the last vertex, of layer 1, to the one so far round the layer, less one.
    pub fn push_link(&mut self, offset: usize) {
        if let Some(vertex) = self.points.len().checked_sub(2) {
            self.links.push((vertex, offset));
        }
    }

    /// Positions of the start vertex and of layer 1.
    pub fn points(&self) -> &[GridPoint] {
        &self.points
    }

    /// Whether there is a face if layer 1 is closed here.
    pub fn is_certain(&self) -> bool {
        let [start, layer @ ..] = &self.points[..] else {
            return false;
        };
        let n = layer.len();
        let links = || self.links.iter().filter(|(_, offset)| offset + 1 < n);
        // The vertex before is as near as the one after.
        links().any(|&(_, offset)| offset == 0 || offset + 2 == n)
            && layer.iter().all(|point| point != start)
            && links().all(|&(v, offset)| layer[v] != layer[(v + 1 + offset) % n])
    }

    /// The same, if the last vertex were joined to the next one as well.
    pub fn would_be_certain(&self) -> bool {
        let mut joined = self.clone();
        joined.push_link(0);
        joined.is_certain()
    }

    /// Whether a vertex at `point` makes a triangle with those so far: distinct corners, and three not in line.
    pub fn fits(&self, point: GridPoint) -> bool {
        if self.points.contains(&point) {
            return false;
        }
        let &[a, b] = &self.points[..] else {
            return true;
        };
        let side = |p: GridPoint| [0, 1, 2].map(|axis| i64::from(p[axis] - a[axis]));
        let (u, v) = (side(b), side(point));
        (0..3).any(|i| {
            let j = (i + 1) % 3;
            u[i] * v[j] != u[j] * v[i]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(points: &[GridPoint], links: &[&[usize]]) -> FirstFace {
        let mut face = FirstFace::default();
        face.push_vertex([0; 3]);
        for (&point, links) in points.iter().zip(links) {
            face.push_vertex(point);
            links.iter().for_each(|&offset| face.push_link(offset));
        }
        face
    }

    #[test]
    fn two_neighbours_of_layer_1_must_be_joined() {
        let points = [[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0]];
        assert!(!component(&points[..1], &[&[0]]).is_certain());
        assert!(!component(&points[..2], &[&[], &[]]).is_certain());
        assert!(component(&points[..2], &[&[], &[]]).would_be_certain());
        assert!(component(&points[..2], &[&[0], &[]]).is_certain());
        assert!(component(&points, &[&[], &[], &[0], &[]]).is_certain());
        assert!(component(&points, &[&[2], &[], &[], &[]]).is_certain());
        // Across the layer, or beyond it.
        assert!(!component(&points, &[&[1], &[3], &[8], &[]]).is_certain());
    }

    #[test]
    fn joined_vertices_must_lie_apart() {
        let joined: [&[usize]; 3] = [&[0], &[0], &[]];
        assert!(component(&[[1, 0, 0], [2, 0, 0], [1, 0, 0]], &joined).is_certain());
        assert!(!component(&[[1, 0, 0], [2, 0, 0], [2, 0, 0]], &joined).is_certain());
        assert!(!component(&[[1, 0, 0], [2, 0, 0], [0, 0, 0]], &joined).is_certain());
    }

    #[test]
    fn the_third_corner_lies_off_the_line() {
        let edge = component(&[[1, 2, 3]], &[&[]]);
        assert!(!edge.fits([0; 3]) && !edge.fits([1, 2, 3]) && !edge.fits([2, 4, 6]));
        assert!(edge.fits([2, 4, 7]) && edge.fits([0, 0, 1]));
    }
}
