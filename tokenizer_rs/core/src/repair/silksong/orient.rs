//! Turns faces so that neighbours agree on which side is out.

use std::collections::VecDeque;

use crate::mesh::half_edge::HalfEdges;
use crate::mesh::Face;
use crate::{MeshError, Result};

/// Orients each connected surface like its lowest face, which is turned itself if two of its three
/// neighbours say so. Turned faces `(a, b, c)` become `(a, c, b)`, and their half-edges are renumbered. Returns
/// how many were turned.
///
/// A surface on which some loop turns over is refused.
pub fn orient(faces: &mut [Face], half_edges: &mut HalfEdges) -> Result<usize> {
    if half_edges.misaligned.is_empty() {
        return Ok(0);
    }
    let turned = faces_to_turn(half_edges)?;
    let mut n_turned = 0;
    for (face, &turn) in faces.iter_mut().zip(&turned) {
        if turn {
            face.swap(1, 2);
            n_turned += 1;
        }
    }
    half_edges.renumber_turned(&turned);
    Ok(n_turned)
}

fn faces_to_turn(half_edges: &HalfEdges) -> Result<Vec<bool>> {
    let n_faces = half_edges.opposite.len() / 3;
    let mut is_misaligned = vec![false; half_edges.opposite.len()];
    for &h in &half_edges.misaligned {
        is_misaligned[h as usize] = true;
        if let Some(o) = half_edges.across(h) {
            is_misaligned[o as usize] = true;
        }
    }
    let mut turned = vec![false; n_faces];
    let mut is_fixed = vec![false; n_faces];
    let mut contradicting: Vec<u32> = Vec::new();
    let mut queue = VecDeque::new();
    for seed in 0..n_faces as u32 {
        if is_fixed[seed as usize] {
            continue;
        }
        queue.push_back(seed);
        while let Some(f) = queue.pop_front() {
            if std::mem::replace(&mut is_fixed[f as usize], true) {
                continue;
            }
            match verdict(f, half_edges, &is_misaligned, &turned, &is_fixed) {
                Some(turn) => turned[f as usize] = turn,
                None => contradicting.push(f),
            }
            let neighbours = (3 * f..3 * f + 3).filter_map(|h| half_edges.across(h));
            queue.extend(neighbours.map(|o| o / 3).filter(|&g| !is_fixed[g as usize]));
        }
    }
    match contradicting.first() {
        None => Ok(turned),
        Some(&face) => Err(MeshError::NonOrientable {
            count: contradicting.len(),
            face,
        }),
    }
}

/// Whether to turn face `f`; nothing if its fixed neighbours contradict each other.
fn verdict(
    f: u32,
    half_edges: &HalfEdges,
    is_misaligned: &[bool],
    turned: &[bool],
    is_fixed: &[bool],
) -> Option<bool> {
    let (mut n_wrong, mut n_fixed, mut n_fixed_wrong) = (0, 0, 0);
    for h in 3 * f..3 * f + 3 {
        let Some(o) = half_edges.across(h) else {
            continue;
        };
        let g = o as usize / 3;
        let is_wrong = is_misaligned[h as usize] ^ turned[f as usize] ^ turned[g];
        n_wrong += u32::from(is_wrong);
        if is_fixed[g] {
            n_fixed += 1;
            n_fixed_wrong += u32::from(is_wrong);
        }
    }
    if n_wrong == 0 {
        Some(false)
    } else if n_fixed == 0 {
        Some(n_wrong >= 2)
    } else if n_fixed_wrong == n_fixed {
        Some(true)
    } else if n_fixed_wrong == 0 {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_face_is_turned_back() {
        let mut faces = vec![[0, 2, 1], [0, 1, 3], [2, 1, 3], [2, 0, 3]];
        let mut half_edges = HalfEdges::new(4, &faces);
        assert_eq!(orient(&mut faces, &mut half_edges).unwrap(), 1);
        assert_eq!(faces[2], [2, 3, 1]);
        let anew = HalfEdges::new(4, &faces);
        assert_eq!(half_edges.opposite, anew.opposite);
        assert!(half_edges.misaligned.is_empty() && anew.misaligned.is_empty());
    }

    #[test]
    fn a_moebius_band_is_refused() {
        let mut faces: Vec<Face> = (0..5).map(|i| [i, (i + 1) % 5, (i + 2) % 5]).collect();
        let mut half_edges = HalfEdges::new(5, &faces);
        assert_eq!(
            orient(&mut faces, &mut half_edges).unwrap_err().code(),
            "NON_ORIENTABLE"
        );
    }
}
