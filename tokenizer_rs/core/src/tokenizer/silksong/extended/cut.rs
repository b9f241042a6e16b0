//! Cuts a component in two.

use crate::mesh::half_edge::NONE;
use crate::mesh::{Face, GridPoint};
use std::collections::VecDeque;

/// Gives one half of a component its own copies of the vertices along the cut. The faces must be oriented
/// alike, and around every vertex they must form one fan; so they do afterwards.
///
/// The first half are the faces nearest to the last one of `component`, counted over shared edges.
pub fn cut_in_two(
    component: &[u32],
    opposite: &[u32],
    faces: &mut [Face],
    vertices: &mut Vec<GridPoint>,
) {
    let order = by_distance(component, opposite);
    let mut half = vec![0_u8; faces.len()];
    for &f in &order[order.len() / 2..] {
        half[f as usize] = 1;
    }
    // Corner `i` of face `f` is `3f + i`. The first fan of a vertex keeps it, others get copies.
    let mut is_done = vec![false; 3 * faces.len()];
    let mut is_taken = vec![false; vertices.len()];
    for &f in &order {
        for i in 0..3 {
            if is_done[3 * f as usize + i] {
                continue;
            }
            let mut number = faces[f as usize][i];
            if is_taken[number as usize] {
                vertices.push(vertices[number as usize]);
                number = (vertices.len() - 1) as u32;
            } else {
                is_taken[number as usize] = true;
            }
            // Of the half-edges of a face, 1 and 2 after its corner meet there: one ends, one starts.
            for turn in [1, 2] {
                let mut corner = (f as usize, i);
                loop {
                    let (g, k) = corner;
                    is_done[3 * g + k] = true;
                    faces[g][k] = number;
                    let h = opposite[3 * g + (k + turn) % 3];
                    if h == NONE || half[h as usize / 3] != half[g] {
                        break;
                    }
                    let h = h as usize;
                    corner = (h / 3, (h % 3 + turn) % 3);
                    if is_done[3 * corner.0 + corner.1] {
                        break;
                    }
                }
            }
        }
    }
}

/// The faces of a component by their distance from the last one.
fn by_distance(component: &[u32], opposite: &[u32]) -> Vec<u32> {
    let mut is_seen = vec![false; opposite.len() / 3];
    let mut queue: VecDeque<u32> = component.last().copied().into_iter().collect();
    let mut order = Vec::with_capacity(component.len());
    while let Some(f) = queue.pop_front() {
        if std::mem::replace(&mut is_seen[f as usize], true) {
            continue;
        }
        order.push(f);
        let around = (3 * f as usize..3 * f as usize + 3).map(|h| opposite[h]);
        queue.extend(around.filter(|&h| h != NONE).map(|h| h / 3));
    }
    order
}
