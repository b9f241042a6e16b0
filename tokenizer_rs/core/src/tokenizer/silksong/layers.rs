//! Walks a component in layers around its start vertex.

use super::rings::Rings;
use crate::mesh::half_edge::NONE;
use crate::{MeshError, Result};

/// Layer and position in it of every vertex met so far, over all components.
#[derive(Debug)]
pub struct Places {
    layer: Vec<u32>,
    position: Vec<u32>,
}

impl Places {
    /// No vertex has a place yet.
    pub fn new(n_vertices: usize) -> Self {
        Self {
            layer: vec![NONE; n_vertices],
            position: vec![NONE; n_vertices],
        }
    }

    /// Layer and position of a vertex; [`NONE`] twice where it was not met.
    pub fn of(&self, vertex: u32) -> (u32, u32) {
        (self.layer[vertex as usize], self.position[vertex as usize])
    }

    fn is_visited(&self, vertex: u32) -> bool {
        self.layer[vertex as usize] != NONE
    }
}

/// The layers of the component of `start`; layer 0 is the start vertex alone.
pub fn walk(
    start: u32,
    component: u32,
    rings: &Rings,
    places: &mut Places,
    layer_number_limit: usize,
) -> Result<Vec<Vec<u32>>> {
    places.layer[start as usize] = 0;
    places.position[start as usize] = 0;
    let mut layers = vec![vec![start]];
    loop {
        let index = layers.len();
        if index > layer_number_limit {
            return Err(MeshError::LayerNumberLimit {
                component,
                limit: layer_number_limit,
            });
        }
        let mut next: Vec<u32> = Vec::new();
        for &vertex in layers.last().into_iter().flatten() {
            let ring = rings.ring(vertex)?;
            for v in first_unvisited_run(&ring, places) {
                // A position without a layer marks a vertex that waits for its layer to be complete.
                let position = &mut places.position[v as usize];
                if *position == NONE {
                    *position = next.len() as u32;
                    next.push(v);
                }
            }
        }
        if next.is_empty() {
            return Ok(layers);
        }
        for &v in &next {
            places.layer[v as usize] = index as u32;
        }
        layers.push(next);
    }
}

/// The published rule: of a ring with visited entries only the first run of unvisited ones after the first
/// visited entry is taken. Later runs wait for another vertex, or are lost.
fn first_unvisited_run(ring: &[u32], places: &Places) -> Vec<u32> {
    let Some(first_visited) = ring.iter().position(|&v| places.is_visited(v)) else {
        return ring.to_vec();
    };
    let (before, after) = ring.split_at(first_visited);
    let cyclic = after.iter().chain(before).copied();
    cyclic
        .skip_while(|&v| places.is_visited(v))
        .take_while(|&v| !places.is_visited(v))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ring: &[u32]) -> Vec<u32> {
        let mut places = Places::new(20);
        places.layer[..10].fill(0);
        first_unvisited_run(ring, &places)
    }

    #[test]
    fn only_the_first_run_is_taken() {
        assert_eq!(taken(&[12, 13, 14]), [12, 13, 14]);
        assert_eq!(taken(&[1, 12, 2, 13]), [12]);
        assert_eq!(taken(&[12, 13, 1, 2, 14]), [14, 12, 13]);
        assert!(taken(&[1, 2, 3]).is_empty());
    }
}
