//! Turns faces so that neighbours agree on which side is out.

use std::collections::VecDeque;

use crate::mesh::half_edge::{ends, NONE};
use crate::mesh::Face;
use crate::{MeshError, Result};

/// Orients each connected surface like its lowest face, which is turned itself if two of its three
/// neighbours say so. Turned faces `(a, b, c)` become `(a, c, b)`. Returns how many were turned.
///
/// A surface on which some loop turns over is refused.
pub fn orient(faces: &mut [Face], opposite: &[u32]) -> Result<usize> {
    let mut turned = vec![false; faces.len()];
    let mut is_fixed = vec![false; faces.len()];
    let mut contradicting: Vec<u32> = Vec::new();
    let mut queue = VecDeque::new();
    for seed in 0..faces.len() as u32 {
        if is_fixed[seed as usize] {
            continue;
        }
        queue.push_back(seed);
        while let Some(f) = queue.pop_front() {
            if std::mem::replace(&mut is_fixed[f as usize], true) {
                continue;
            }
            match verdict(f, faces, opposite, &turned, &is_fixed) {
                Some(turn) => turned[f as usize] = turn,
                None => contradicting.push(f),
            }
            queue.extend(neighbours(f, opposite).filter(|&g| !is_fixed[g as usize]));
        }
    }
    if let Some(&face) = contradicting.first() {
        return Err(MeshError::NonOrientable {
            count: contradicting.len(),
            face,
        });
    }
    let mut n_turned = 0;
    for (face, turn) in faces.iter_mut().zip(turned) {
        if turn {
            face.swap(1, 2);
            n_turned += 1;
        }
    }
    Ok(n_turned)
}

fn neighbours(f: u32, opposite: &[u32]) -> impl Iterator<Item = u32> + '_ {
    let start = 3 * f as usize;
    opposite[start..start + 3]
        .iter()
        .filter(|&&h| h != NONE)
        .map(|&h| h / 3)
}

/// Whether to turn face `f`; nothing if its fixed neighbours contradict each other.
fn verdict(
    f: u32,
    faces: &[Face],
    opposite: &[u32],
    turned: &[bool],
    is_fixed: &[bool],
) -> Option<bool> {
    let direction = |h: u32| {
        let g = h as usize / 3;
        let (start, end) = ends(&faces[g], h as usize % 3);
        if turned[g] {
            (end, start)
        } else {
            (start, end)
        }
    };
    let (mut n_wrong, mut n_fixed, mut n_fixed_wrong) = (0, 0, 0);
    for h in 3 * f..3 * f + 3 {
        let o = opposite[h as usize];
        if o == NONE {
            continue;
        }
        let is_wrong = direction(h) == direction(o);
        n_wrong += u32::from(is_wrong);
        if is_fixed[o as usize / 3] {
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
    use crate::mesh::half_edge::opposites;

    #[test]
    fn a_turned_face_is_turned_back() {
        let mut faces = vec![[0, 2, 1], [0, 1, 3], [2, 1, 3], [2, 0, 3]];
        let opposite = opposites(&faces).unwrap();
        assert_eq!(orient(&mut faces, &opposite).unwrap(), 1);
        assert_eq!(faces[2], [2, 3, 1]);
    }

    #[test]
    fn a_moebius_band_is_refused() {
        let mut faces: Vec<Face> = (0..5).map(|i| [i, (i + 1) % 5, (i + 2) % 5]).collect();
        let opposite = opposites(&faces).unwrap();
        assert_eq!(
            orient(&mut faces, &opposite).unwrap_err().code(),
            "NON_ORIENTABLE"
        );
    }
}
