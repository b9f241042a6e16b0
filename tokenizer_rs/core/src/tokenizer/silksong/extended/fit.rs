//! Finds a walk within the limits for every component, and cuts those that have none.

use super::cut::cut_in_two;
use super::ring_table::RingTable;
use super::walk::Walk;
use crate::mesh::components::{components, yzx, Components, Surfaces};
use crate::mesh::half_edge::{HalfEdges, NONE};
use crate::mesh::spokes::Spokes;
use crate::mesh::{Face, GridMesh, GridPoint};
use crate::{Limits, MeshError, Result};

/// A mesh whose components can be written.
#[derive(Debug, Clone, Default)]
pub struct FittedMesh {
    /// Positions; copies made by cuts come last.
    pub vertices: Vec<GridPoint>,
    /// Oriented faces.
    pub faces: Vec<Face>,
    /// Components after the cuts.
    pub parts: Components,
    /// Neighbours of every vertex.
    pub rings: RingTable,
    /// For each component the vertex its walk starts at; nothing where it has too few faces.
    pub starts: Vec<Option<u32>>,
    /// Number of cuts.
    pub n_cuts: usize,
}

/// Cuts components in two until each has a start vertex whose layers are neither too many nor too long.
///
/// Components with too few faces are left alone.
pub fn fit(mesh: GridMesh, limits: &Limits) -> Result<FittedMesh> {
    let GridMesh {
        mut vertices,
        mut faces,
    } = mesh;
    let mut is_valid: Option<Vec<bool>> = None;
    let mut n_cuts = 0;
    loop {
        let spokes = Spokes::new(vertices.len(), faces.iter());
        let parts = components(&vertices, &faces, Surfaces::of_fans(&spokes, &faces))?;
        let is_valid = match &is_valid {
            Some(is_valid) => is_valid,
            None => is_valid.insert(valid_faces(&parts, faces.len(), limits)?),
        };
        let rings = RingTable::new(&spokes, &parts.face_order);
        let mut rank = vec![NONE; vertices.len()];
        let mut starts = Vec::with_capacity(parts.len());
        let mut too_large = Vec::new();
        for c in 0..parts.len() {
            let first = parts.faces(c)[0] as usize;
            if !is_valid[first] {
                starts.push(None);
                continue;
            }
            let lowest = lowest_corner(&faces[first], &vertices);
            match find_start(lowest, c as u32, &rings, &mut rank, limits) {
                Ok(start) => starts.push(Some(start)),
                Err(error) if parts.faces(c).len() < 2 => return Err(error),
                Err(_) => too_large.push(c),
            }
        }
        if too_large.is_empty() {
            return Ok(FittedMesh {
                vertices,
                faces,
                parts,
                rings,
                starts,
                n_cuts,
            });
        }
        n_cuts += too_large.len();
        let half_edges = HalfEdges::new(vertices.len(), &faces);
        for c in too_large {
            cut_in_two(
                parts.faces(c),
                &half_edges.opposite,
                &mut faces,
                &mut vertices,
            );
        }
    }
}

/// Which faces belong to components that are large enough; refuses too many of them.
fn valid_faces(parts: &Components, n_faces: usize, limits: &Limits) -> Result<Vec<bool>> {
    let mut is_valid = vec![false; n_faces];
    let mut found = 0;
    for c in 0..parts.len() {
        let component = parts.faces(c);
        if component.len() >= limits.min_component_faces {
            found += component.len();
            component.iter().for_each(|&f| is_valid[f as usize] = true);
        }
    }
    if found > limits.max_faces {
        return Err(MeshError::TooManyFaces {
            found,
            limit: limits.max_faces,
        });
    }
    if found == 0 {
        return Err(MeshError::NoValidComponent {
            min_faces: limits.min_component_faces,
        });
    }
    Ok(is_valid)
}

/// The lowest corner (y, then z, then x) of a face.
fn lowest_corner(face: &Face, vertices: &[GridPoint]) -> u32 {
    let mut corners = *face;
    corners.sort_by_key(|&v| yzx(&vertices[v as usize]));
    corners[0]
}

/// The given start, or the far end of a walk from there, or the far end of a walk from that, or the middle of
/// the last walk: the first whose layers fit.
fn find_start(
    first: u32,
    component: u32,
    rings: &RingTable,
    rank: &mut [u32],
    limits: &Limits,
) -> Result<u32> {
    let mut start = first;
    let mut error = None;
    for attempt in 0..4 {
        let walk = Walk::new(start, rings, rank);
        walk.forget(rank);
        let checked = check_layers(&walk, component, limits);
        match checked {
            Ok(()) => return Ok(start),
            Err(found) => error = error.or(Some(found)),
        }
        let at = if attempt < 2 {
            walk.vertices.len() - 1
        } else {
            walk.layer_starts[walk.n_layers() / 2]
        };
        start = walk.vertices[at];
    }
    error.map_or(Ok(first), Err)
}

/// Refuses walks of too many or too long layers.
pub fn check_layers(walk: &Walk, component: u32, limits: &Limits) -> Result<()> {
    if walk.n_layers() > limits.layer_number {
        return Err(MeshError::LayerNumberLimit {
            component,
            limit: limits.layer_number,
        });
    }
    if walk.longest_layer() > limits.layer_vertices {
        return Err(MeshError::LayerVertexLimit {
            found: walk.longest_layer(),
            limit: limits.layer_vertices,
        });
    }
    Ok(())
}
