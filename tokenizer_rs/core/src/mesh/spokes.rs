//! The corners of all faces by vertex, in one flat array.

use super::Face;

/// A corner of a face, as the half-edge that starts there.
///
/// Around its vertex it is an edge of the link, from `to` to `apex`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoke {
    /// End of the half-edge: the corner after this one.
    pub to: u32,
    /// Third corner of the face: the one before this one.
    pub apex: u32,
    /// The face.
    pub face: u32,
}

/// For each vertex the half-edges that start there.
#[derive(Debug, Clone, Default)]
pub struct Spokes {
    /// Where the spokes of each vertex start; at the end one entry more, and one that is not used.
    offsets: Vec<u32>,
    spokes: Vec<Spoke>,
}

impl Spokes {
    /// Those of each vertex in the order of the faces. Cost O(V + F).
    pub fn new<'a>(n_vertices: usize, faces: impl Iterator<Item = &'a Face> + Clone) -> Self {
        // Two places further on, so that after filling every start stands where it belongs.
        let mut offsets = vec![0_u32; n_vertices + 2];
        for v in faces.clone().flatten() {
            offsets[*v as usize + 2] += 1;
        }
        for v in 1..offsets.len() {
            offsets[v] += offsets[v - 1];
        }
        let mut spokes = vec![Spoke::default(); offsets[n_vertices + 1] as usize];
        for (face, &[a, b, c]) in (0..).zip(faces) {
            for (from, to, apex) in [(a, b, c), (b, c, a), (c, a, b)] {
                let at = &mut offsets[from as usize + 1];
                spokes[*at as usize] = Spoke { to, apex, face };
                *at += 1;
            }
        }
        Self { offsets, spokes }
    }

    /// The half-edges that start at a vertex.
    pub fn of(&self, vertex: u32) -> &[Spoke] {
        let v = vertex as usize;
        &self.spokes[self.offsets[v] as usize..self.offsets[v + 1] as usize]
    }

    /// Number of vertices.
    pub fn n_vertices(&self) -> usize {
        self.offsets.len() - 2
    }

    /// Number of faces.
    pub fn n_faces(&self) -> usize {
        self.spokes.len() / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_corner_stands_at_its_vertex_in_the_order_of_the_faces() {
        let faces = [[0, 1, 2], [3, 1, 0]];
        let spokes = Spokes::new(5, faces.iter());
        let of = |v: u32| -> Vec<[u32; 3]> {
            let list = spokes.of(v).iter();
            list.map(|spoke| [spoke.to, spoke.apex, spoke.face])
                .collect()
        };
        assert_eq!(of(0), [[1, 2, 0], [3, 1, 1]]);
        assert_eq!(of(1), [[2, 0, 0], [0, 3, 1]]);
        assert_eq!(of(3), [[1, 0, 1]]);
        assert!(of(4).is_empty());
        assert_eq!((spokes.n_vertices(), spokes.n_faces()), (5, 2));
    }
}
