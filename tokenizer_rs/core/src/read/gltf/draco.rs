//! Primitives compressed by `KHR_draco_mesh_compression`, by the `draco-core` crate: pure Rust without unsafe
//! code, its allocations bounded by the input and by limits.

use draco_core::{DataType, DecodeLimits, DecoderBuffer, ErrorKind, Mesh, MeshDecoder, PointIndex};

use super::accessor::Arrays;
use super::document::DracoPrimitive;
use crate::read::ReadLimits;
use crate::{MeshError, Result};

/// Points and flat triangle corners of a compressed primitive, of at most `max_faces` triangles.
pub fn decode(
    primitive: &DracoPrimitive,
    arrays: Arrays,
    max_faces: usize,
    limits: &ReadLimits,
) -> Result<(Vec<[f64; 3]>, Vec<u32>)> {
    let bytes = arrays.view_bytes(primitive.buffer_view)?;
    let mut buffer = DecoderBuffer::new(bytes).with_limits(
        DecodeLimits::default()
            .with_max_points(max_faces as u64 * 3)
            .with_max_faces(max_faces as u64)
            .with_max_decoded_bytes(limits.max_bytes),
    );
    let mut mesh = Mesh::new();
    MeshDecoder::new()
        .decode(&mut buffer, &mut mesh)
        .map_err(|error| match error.kind() {
            ErrorKind::LimitExceeded => MeshError::TooManyTriangles {
                limit: limits.max_triangles,
            },
            _ => malformed(&error.to_string()),
        })?;
    let corners = mesh.faces().iter().flatten().map(|point| point.0);
    Ok((points(&mesh, primitive)?, corners.collect()))
}

fn points(mesh: &Mesh, primitive: &DracoPrimitive) -> Result<Vec<[f64; 3]>> {
    let attribute = primitive
        .attributes
        .position
        .and_then(|id| mesh.attribute_by_unique_id(id))
        .ok_or_else(|| malformed("it has no positions"))?;
    if attribute.data_type() != DataType::Float32 || attribute.num_components() != 3 {
        return Err(malformed("its positions are not three floats"));
    }
    // What is missing would be read as zero.
    let n_points = mesh.num_points();
    let n_stored = attribute.buffer().data().len() / size_of::<[f32; 3]>();
    let n_values = attribute.size().min(n_stored);
    let is_missing = |point| attribute.mapped_index(PointIndex(point)).0 as usize >= n_values;
    if (0..n_points as u32).any(is_missing) {
        return Err(malformed("a point has no position"));
    }
    let values = attribute.read_f32s(n_points, 3);
    let (rows, _) = values.as_chunks::<3>();
    Ok(rows.iter().map(|row| row.map(f64::from)).collect())
}

fn malformed(reason: &str) -> MeshError {
    MeshError::Load(format!(
        "a primitive compressed by Draco is malformed: {reason}; export it again"
    ))
}
