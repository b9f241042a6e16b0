//! Vertices that are in use, and meshes without the others.

use super::Face;

/// Which vertices a face names; the indices are in range.
pub fn used_vertices(n_vertices: usize, faces: &[Face]) -> Vec<bool> {
    let mut is_used = vec![false; n_vertices];
    for &v in faces.as_flattened() {
        is_used[v as usize] = true;
    }
    is_used
}

/// Removes the other vertices, keeping the order; the faces name none of them.
pub fn keep_vertices(vertices: &mut Vec<[f64; 3]>, faces: &mut [Face], is_kept: &[bool]) {
    if is_kept.iter().all(|&kept| kept) {
        return;
    }
    let mut next = 0;
    let new_index: Vec<u32> = is_kept
        .iter()
        .map(|&kept| {
            let index = next;
            next += u32::from(kept);
            index
        })
        .collect();
    let mut position = 0;
    vertices.retain(|_| {
        position += 1;
        is_kept[position - 1]
    });
    for v in faces.as_flattened_mut() {
        *v = new_index[*v as usize];
    }
}
