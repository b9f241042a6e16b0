//! Learns a slot table: the places that save most tokens on the training meshes.

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::encode;
use super::prediction::N_PREDICTORS;
use super::slots::{Slot, Slots};
use super::table::{SlotTable, MOST_SLOTS};
use super::{Format, Scheme};
use crate::mesh::{GridMesh, GridPoint};
use crate::{MeshError, Result};

/// The `size` slots that save most tokens, chosen one after the other; each counts only the vertices that no slot
/// before it gives. Fewer where fewer save any.
///
/// The meshes must be repaired on the grid of `resolution` bins. Cost O(n log n) over all vertices.
pub fn learn_slots(
    meshes: &[GridMesh],
    resolution: u32,
    scheme: Scheme,
    size: usize,
) -> Result<SlotTable> {
    if !(1..=MOST_SLOTS).contains(&size) {
        return Err(MeshError::InvalidInput(format!(
            "size = {size}; give 1 to {MOST_SLOTS} slots"
        )));
    }
    let format = Arc::new(Format::new(scheme, resolution, Slots::default())?);
    let mut vertices = Vec::new();
    for mesh in meshes {
        observe(&format, mesh, &mut vertices)?;
    }
    Ok(SlotTable {
        scheme,
        resolution,
        slots: Slots::new(choose(&vertices, size)),
    })
}

/// A vertex: the slots that would give it, and the tokens that each would save.
struct Observed {
    slots: Vec<Slot>,
    n_saved: u64,
}

fn observe(format: &Arc<Format>, mesh: &GridMesh, vertices: &mut Vec<Observed>) -> Result<()> {
    let resolution = format.digits.resolution();
    for (predictions, position) in encode::vertices(format, mesh)? {
        let origin = predictions
            .origin()
            .unwrap_or_else(|| format.digits.centre());
        let form = format.digits.form(&position, &origin).0;
        let slot = |predictor: usize| {
            let expected: GridPoint = predictions.expected[predictor]?;
            let residual = [0, 1, 2].map(|i| position[i] - expected[i]);
            let is_short = residual.iter().all(|x| x.unsigned_abs() < resolution);
            is_short.then_some(Slot {
                predictor,
                residual,
            })
        };
        vertices.push(Observed {
            slots: (0..N_PREDICTORS).filter_map(slot).collect(),
            n_saved: format.digits.n_digits(form) as u64 - 1,
        });
    }
    Ok(())
}

/// Greedy cover. Savings only fall, so an entry of the heap that is still right is the largest.
fn choose(vertices: &[Observed], size: usize) -> Vec<Slot> {
    let mut given_by: HashMap<Slot, Vec<u32>> = HashMap::new();
    let mut savings: HashMap<Slot, u64> = HashMap::new();
    for (v, vertex) in (0_u32..).zip(vertices) {
        for slot in &vertex.slots {
            given_by.entry(*slot).or_default().push(v);
            *savings.entry(*slot).or_default() += vertex.n_saved;
        }
    }
    // Of equal savings the lower predictor and residual come first.
    let mut heap: BinaryHeap<(u64, std::cmp::Reverse<Slot>)> = savings
        .iter()
        .map(|(slot, saving)| (*saving, std::cmp::Reverse(*slot)))
        .collect();
    let mut is_given = vec![false; vertices.len()];
    let mut chosen = Vec::new();
    while chosen.len() < size {
        let Some((saving, std::cmp::Reverse(slot))) = heap.pop() else {
            break;
        };
        let now = savings[&slot];
        if now < saving {
            heap.push((now, std::cmp::Reverse(slot)));
            continue;
        }
        if now == 0 {
            break;
        }
        chosen.push(slot);
        for &v in &given_by[&slot] {
            if std::mem::replace(&mut is_given[v as usize], true) {
                continue;
            }
            let vertex = &vertices[v as usize];
            for other in &vertex.slots {
                if let Some(saving) = savings.get_mut(other) {
                    *saving -= vertex.n_saved;
                }
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_counts_only_what_others_leave() {
        let slot = |predictor, x| Slot {
            predictor,
            residual: [x, 0, 0],
        };
        let vertex = |slots: &[Slot]| Observed {
            slots: slots.to_vec(),
            n_saved: 1,
        };
        // (1, 0) is second in number, but all its vertices have (0, 0) as well.
        let mut vertices: Vec<Observed> =
            (0..3).map(|_| vertex(&[slot(0, 0), slot(1, 0)])).collect();
        vertices.push(vertex(&[slot(0, 0)]));
        vertices.push(vertex(&[slot(0, 5)]));
        assert_eq!(choose(&vertices, 9), [slot(0, 0), slot(0, 5)]);
        assert_eq!(choose(&vertices, 1), [slot(0, 0)]);
    }
}
