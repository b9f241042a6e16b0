//! Tokens to mesh.

use std::sync::Arc;

use super::fans::split_fans;
use super::ring::NONE;
use super::state::LoomState;
use super::surface::Surface;
use super::Format;
use crate::mesh::GridMesh;
use crate::{MeshError, Result};

/// The mesh that tokens describe. A sequence that ends early gives what is complete of it, with the rest of the
/// open rings as boundary; an id outside the vocabulary ends it.
pub fn read(format: &Arc<Format>, tokens: &[i32]) -> Result<GridMesh> {
    let mut state = LoomState::new(format.clone());
    let ids = 0..format.vocabulary.size() as i32;
    let tokens = tokens.iter().take_while(|token| ids.contains(token));
    for (position, &token) in tokens.enumerate() {
        state
            .push(token)
            .map_err(|reason| MeshError::InvalidTokens { position, reason })?;
    }
    Ok(mesh_of(&state.surface))
}

/// The faces without a dummy corner, and their vertices in the order in which they came.
pub fn mesh_of(surface: &Surface) -> GridMesh {
    let mut vertices = Vec::with_capacity(surface.n_vertices());
    let numbers: Vec<u32> = (0..surface.n_vertices() as u32)
        .map(|v| match surface.position(v) {
            Some(position) => {
                vertices.push(position);
                vertices.len() as u32 - 1
            }
            None => NONE,
        })
        .collect();
    let faces = surface
        .faces
        .iter()
        .map(|face| face.map(|v| numbers[v as usize]))
        .filter(|face| !face.contains(&NONE))
        .collect();
    let mesh = GridMesh { vertices, faces };
    if surface.is_complete() && !surface.was_left_open {
        mesh
    } else {
        split_fans(&mesh)
    }
}
