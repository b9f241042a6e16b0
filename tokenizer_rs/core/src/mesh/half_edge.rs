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

use super::Face;
use crate::{MeshError, Result};

/// Stands for "no opposite half-edge": the edge lies on the boundary.
pub const NONE: u32 = u32::MAX;

/// Start and end vertex of half-edge `j` of a face.
pub fn ends(face: &Face, j: usize) -> (u32, u32) {
    (face[(j + 1) % 3], face[(j + 2) % 3])
}

/// The opposite of every half-edge, or [`NONE`]; the two may run in the same direction.
///
/// A third half-edge on an edge is an error. Cost O(F log F).
pub fn opposites(faces: &[Face]) -> Result<Vec<u32>> {
    let mut by_edge: Vec<(u32, u32, u32)> = Vec::with_capacity(3 * faces.len());
    for (f, face) in faces.iter().enumerate() {
        for j in 0..3 {
            let (start, end) = ends(face, j);
            by_edge.push((start.min(end), start.max(end), (3 * f + j) as u32));
        }
    }
    by_edge.sort_unstable();
    let mut opposite = vec![NONE; by_edge.len()];
    for run in by_edge.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        match *run {
            [_] => {}
            [(_, _, g), (_, _, h)] => {
                opposite[g as usize] = h;
                opposite[h as usize] = g;
            }
            [(start, end, _), _, (_, _, third), ..] => {
                return Err(MeshError::EdgeStillNonManifold {
                    start,
                    end,
                    face: third / 3,
                });
            }
            [] => {}
        }
    }
    Ok(opposite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_faces_on_an_edge_are_opposites_in_any_direction() {
        let opposite = opposites(&[[0, 1, 2], [1, 2, 3]]).unwrap();
        assert_eq!(opposite[0], 5);
        assert_eq!(opposite[5], 0);
        assert_eq!(opposite.iter().filter(|&&h| h == NONE).count(), 4);
    }

    #[test]
    fn a_third_face_on_an_edge_is_refused() {
        let error = opposites(&[[0, 1, 2], [1, 0, 3], [0, 1, 4]]).unwrap_err();
        assert_eq!(
            error,
            MeshError::EdgeStillNonManifold {
                start: 0,
                end: 1,
                face: 2
            }
        );
    }
}
