//! The check at the end of every repair.

use crate::mesh::half_edge::NONE;
use crate::mesh::spokes::Spokes;
use crate::mesh::Face;
use thiserror::Error;

/// What a repaired mesh must not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// A corner does not exist.
    #[error("face {face} names a vertex that does not exist")]
    MissingVertex {
        /// The face.
        face: u32,
    },
    /// A face has a corner twice.
    #[error("face {face} has a corner twice")]
    RepeatedCorner {
        /// The face.
        face: u32,
    },
    /// No face uses a vertex.
    #[error("no face uses vertex {vertex}")]
    UnreferencedVertex {
        /// The vertex.
        vertex: u32,
    },
    /// Two faces run through an edge in the same direction.
    #[error("two faces run from vertex {start} to vertex {end}")]
    DirectedEdgeTwice {
        /// Where the edge starts.
        start: u32,
        /// Where it ends.
        end: u32,
    },
    /// Two faces have the same corners.
    #[error("face {face} has the same corners as another")]
    DuplicateFace {
        /// One of the faces.
        face: u32,
    },
    /// The faces around a vertex form several fans.
    #[error("the faces around vertex {vertex} form several fans")]
    SeveralFans {
        /// The vertex.
        vertex: u32,
    },
}

/// Checks that every vertex is used and its faces form one fan, that no directed edge occurs twice, and that
/// no face has a repeated corner or the corners of another face. Cost O(V + F).
///
/// Then every edge has at most two faces, and two run through it in opposite directions.
///
/// A face `(v, n, p)` is an edge `n -> p` of the link of `v`. No directed edge occurs twice when no two
/// link edges of any vertex start, or end, at the same place; the link then consists of paths and cycles,
/// and following one must visit all its edges.
pub fn check_guarantees(n_vertices: usize, faces: &[Face]) -> Result<(), Violation> {
    for (face, corners) in (0..).zip(faces) {
        if corners.iter().any(|&v| v as usize >= n_vertices) {
            return Err(Violation::MissingVertex { face });
        }
        let [a, b, c] = *corners;
        if a == b || b == c || c == a {
            return Err(Violation::RepeatedCorner { face });
        }
    }
    let spokes = Spokes::new(n_vertices, faces.iter());
    // For the vertex being looked at: the place of the link edge that starts, or ends, at each other vertex.
    let mut starting = vec![NONE; n_vertices];
    let mut ending = vec![NONE; n_vertices];
    for vertex in 0..n_vertices as u32 {
        let fan = spokes.of(vertex);
        if fan.is_empty() {
            return Err(Violation::UnreferencedVertex { vertex });
        }
        for (i, spoke) in (0..).zip(fan) {
            if std::mem::replace(&mut starting[spoke.to as usize], i) != NONE {
                return Err(Violation::DirectedEdgeTwice {
                    start: vertex,
                    end: spoke.to,
                });
            }
            if std::mem::replace(&mut ending[spoke.apex as usize], i) != NONE {
                return Err(Violation::DirectedEdgeTwice {
                    start: spoke.apex,
                    end: vertex,
                });
            }
        }
        // A path is followed from where nothing ends, a cycle from anywhere.
        let begin = fan
            .iter()
            .position(|spoke| ending[spoke.to as usize] == NONE)
            .unwrap_or(0);
        let mut n_followed = 0;
        let mut at = begin;
        let mut is_closed;
        loop {
            n_followed += 1;
            let next = starting[fan[at].apex as usize];
            is_closed = next == begin as u32;
            if next == NONE || is_closed {
                break;
            }
            at = next as usize;
        }
        if n_followed != fan.len() {
            return Err(Violation::SeveralFans { vertex });
        }
        if is_closed && n_followed == 2 {
            let face = fan[begin].face;
            return Err(Violation::DuplicateFace { face });
        }
        for spoke in fan {
            starting[spoke.to as usize] = NONE;
            ending[spoke.apex as usize] = NONE;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tetrahedron_and_an_open_fan_pass() {
        let tetrahedron = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];
        assert_eq!(check_guarantees(4, &tetrahedron), Ok(()));
        assert_eq!(
            check_guarantees(5, &[[0, 1, 2], [0, 2, 3], [0, 3, 4]]),
            Ok(())
        );
        assert_eq!(check_guarantees(0, &[]), Ok(()));
    }

    #[test]
    fn each_violation_is_found() {
        let found = |n, faces: &[Face]| check_guarantees(n, faces).unwrap_err();
        assert_eq!(found(3, &[[0, 1, 3]]), Violation::MissingVertex { face: 0 });
        assert_eq!(
            found(3, &[[0, 1, 1]]),
            Violation::RepeatedCorner { face: 0 }
        );
        assert_eq!(
            found(4, &[[0, 1, 2]]),
            Violation::UnreferencedVertex { vertex: 3 }
        );
        assert_eq!(
            found(4, &[[0, 1, 2], [0, 1, 3]]),
            Violation::DirectedEdgeTwice { start: 0, end: 1 }
        );
        assert_eq!(
            found(3, &[[0, 1, 2], [0, 2, 1]]),
            Violation::DuplicateFace { face: 0 }
        );
        assert_eq!(
            found(5, &[[0, 1, 2], [0, 3, 4]]),
            Violation::SeveralFans { vertex: 0 }
        );
        // A book of three pages has an edge direction twice, however the pages are turned.
        assert_eq!(
            found(5, &[[0, 1, 2], [1, 0, 3], [0, 1, 4]]),
            Violation::DirectedEdgeTwice { start: 0, end: 1 }
        );
    }
}
