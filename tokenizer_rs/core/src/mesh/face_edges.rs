//! Which faces are neighbours.

use super::clean::has_repeated_corner;
use super::Face;
use crate::{MeshError, Result};

/// More pairs than this are refused: on one edge of k faces there are k * k.
const MAX_PAIRS: u64 = 1 << 27;

/// All ordered pairs (i, j) of faces such that at least two corners of i are among the corners of j, in ascending
/// order: the face adjacency of MeshGPT (arXiv 2311.15475).
///
/// Every face is its own neighbour. Without `include_self` pairs of which all three corners agree are left out:
/// repeated faces too, as in the open implementations. Cost O(n log n) for n faces and pairs.
///
/// # Errors
///
/// `INVALID_INPUT` where so many faces share edges that there are more than 2^27 pairs.
///
/// ```
/// use meshloom_tokenizer_core::mesh::face_edges::face_edges;
///
/// let faces = [[0, 1, 2], [2, 1, 3], [3, 4, 5]];
/// assert_eq!(face_edges(&faces, false)?, [[0, 1], [1, 0]]);
/// # Ok::<(), meshloom_tokenizer_core::MeshError>(())
/// ```
pub fn face_edges(faces: &[Face], include_self: bool) -> Result<Vec<[u32; 2]>> {
    let mut by_edge: Vec<(u64, u32)> = Vec::with_capacity(3 * faces.len());
    for (f, &[a, b, c]) in (0_u32..).zip(faces) {
        for (start, end) in [(a, b), (b, c), (c, a)] {
            if start != end {
                let edge = u64::from(start.min(end)) << 32 | u64::from(start.max(end));
                by_edge.push((edge, f));
            }
        }
    }
    by_edge.sort_unstable();
    by_edge.dedup();
    let runs = || by_edge.chunk_by(|x, y| x.0 == y.0);
    let folded = folded_pairs(faces)?;
    let n_pairs: u64 = runs().map(|run| (run.len() as u64).pow(2)).sum();
    check_count(n_pairs + folded.len() as u64)?;

    let mut pairs = folded;
    pairs.extend((0..faces.len() as u32).map(|f| [f, f]));
    for run in runs() {
        for &(_, i) in run {
            pairs.extend(run.iter().filter(|&&(_, j)| i != j).map(|&(_, j)| [i, j]));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    if !include_self {
        pairs.retain(|&[i, j]| {
            let (corners, others) = (&faces[i as usize], &faces[j as usize]);
            !corners.iter().all(|v| others.contains(v))
        });
    }
    Ok(pairs)
}

/// A corner that a face has twice counts twice: all faces around it are neighbours of that face.
fn folded_pairs(faces: &[Face]) -> Result<Vec<[u32; 2]>> {
    let mut doubled: Vec<(u32, u32)> = (0_u32..)
        .zip(faces)
        .filter(|(_, face)| has_repeated_corner(face))
        .map(|(f, &[a, b, c])| (if a == b || a == c { a } else { b }, f))
        .collect();
    doubled.sort_unstable();
    let of_vertex = |v: u32| {
        let first = doubled.partition_point(|&(other, _)| other < v);
        doubled[first..]
            .iter()
            .take_while(move |&&(other, _)| other == v)
    };
    let mut pairs = Vec::new();
    if doubled.is_empty() {
        return Ok(pairs);
    }
    for (j, face) in (0_u32..).zip(faces) {
        for &v in face {
            for &(_, i) in of_vertex(v) {
                pairs.push([i, j]);
            }
            check_count(pairs.len() as u64)?;
        }
    }
    Ok(pairs)
}

fn check_count(n_pairs: u64) -> Result<()> {
    if n_pairs > MAX_PAIRS {
        return Err(MeshError::InvalidInput(format!(
            "more than {MAX_PAIRS} pairs of neighbouring faces; drop repeated faces or repair the mesh"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_comparing_all(faces: &[Face], include_self: bool) -> Vec<[u32; 2]> {
        let n = faces.len() as u32;
        let n_shared = |i: u32, j: u32| {
            let others = faces[j as usize];
            let shared = faces[i as usize].iter().filter(|v| others.contains(v));
            shared.count()
        };
        (0..n)
            .flat_map(|i| (0..n).map(move |j| [i, j]))
            .filter(|&[i, j]| n_shared(i, j) == 2 || (include_self && n_shared(i, j) == 3))
            .collect()
    }

    #[test]
    fn the_same_as_by_comparing_all_pairs() {
        let mut seed = 1_u64;
        for n_vertices in [2, 3, 5, 9, 30] {
            for n_faces in [0, 1, 2, 10, 60] {
                let mut corner = || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 33) as u32 % n_vertices
                };
                let faces: Vec<Face> = (0..n_faces)
                    .map(|_| [corner(), corner(), corner()])
                    .collect();
                for include_self in [false, true] {
                    assert_eq!(
                        face_edges(&faces, include_self).unwrap(),
                        by_comparing_all(&faces, include_self)
                    );
                }
            }
        }
    }

    #[test]
    fn too_many_faces_on_an_edge_are_refused() {
        let book: Vec<Face> = (0..12_000).map(|i| [0, 1, i + 2]).collect();
        assert_eq!(face_edges(&book, true).unwrap_err().code(), "INVALID_INPUT");
    }
}
