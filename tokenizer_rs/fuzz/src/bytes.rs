//! Raw bytes as what the library takes.

use meshloom_tokenizer_core::mesh::GridMesh;
use meshloom_tokenizer_core::TriangleMesh;

/// Token ids around a vocabulary: two bytes each, a little beyond both of its ends.
pub fn tokens(data: &[u8], vocab_size: u32) -> Vec<i32> {
    let span = i64::from(vocab_size) + 4;
    data.chunks_exact(2)
        .map(|pair| (i64::from(u16::from_le_bytes([pair[0], pair[1]])) % span) as i32 - 2)
        .collect()
}

/// A mesh of few positions on a small grid, so that its faces meet in every possible way.
///
/// The first byte says how many vertices there are, three bytes follow for each, then three for each face.
pub fn grid_mesh(data: &[u8], resolution: i32) -> GridMesh {
    let Some((&count, rest)) = data.split_first() else {
        return GridMesh::default();
    };
    let n_vertices = usize::from(count % 32) + 3;
    let (positions, corners) = rest.split_at(rest.len().min(3 * n_vertices));
    let vertices: Vec<[i32; 3]> = positions
        .chunks_exact(3)
        .map(|p| [p[0], p[1], p[2]].map(|x| i32::from(x) % resolution))
        .collect();
    if vertices.is_empty() {
        return GridMesh::default();
    }
    let faces = corners
        .chunks_exact(3)
        .map(|f| [f[0], f[1], f[2]].map(|v| u32::from(v) % vertices.len() as u32))
        .collect();
    GridMesh { vertices, faces }
}

/// The same with real coordinates, some of them hostile.
pub fn triangle_mesh(data: &[u8]) -> TriangleMesh {
    let mut mesh = grid_mesh(data, 128).to_triangle_mesh(128);
    if data.first().is_some_and(|&byte| byte >= 240) {
        let odd = [f64::NAN, f64::INFINITY, 1e300, -1.0, 1.0, 5e-324];
        for (i, vertex) in mesh.vertices.iter_mut().enumerate() {
            vertex[i % 3] = odd[i % odd.len()];
        }
    }
    mesh
}
