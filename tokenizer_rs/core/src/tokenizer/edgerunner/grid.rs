//! Real coordinates to grid bins and back, in single precision as published.

use crate::mesh::{GridPoint, TriangleMesh};
use crate::{MeshError, Result};

/// Grid positions of the vertices of a mesh.
///
/// Every operation rounds to single precision and the result is truncated toward zero; beyond the upper
/// border lies the last bin. A coordinate so far below -1 that its bin is negative is an error: it would
/// be written as an operation.
pub fn quantize(mesh: &TriangleMesh, bins: i32) -> Result<Vec<GridPoint>> {
    let quantize_coordinate = |x: f64| {
        let bin = (x as f32 + 1.0) * bins as f32 / 2.0;
        (bin as i32).min(bins - 1)
    };
    let points: Vec<GridPoint> = mesh
        .vertices
        .iter()
        .map(|p| p.map(quantize_coordinate))
        .collect();
    match points.iter().position(|p| p.iter().any(|&bin| bin < 0)) {
        None => Ok(points),
        Some(v) => Err(MeshError::InvalidInput(format!(
            "vertex {v} = {:?} lies below -1; normalise the mesh first",
            mesh.vertices[v]
        ))),
    }
}

/// Centre of a bin, rounded to single precision; bins outside the grid have centres too.
pub fn dequantize_coordinate(bin: i64, bins: i32) -> f64 {
    f64::from(((bin as f64 + 0.5) / f64::from(bins) * 2.0 - 1.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins_of(x: f64, bins: i32) -> Result<i32> {
        let mesh = TriangleMesh {
            vertices: vec![[0.0, x, 0.0]],
            faces: Vec::new(),
        };
        quantize(&mesh, bins).map(|points| points[0][1])
    }

    #[test]
    fn a_little_below_is_the_first_bin_and_more_is_an_error() {
        assert_eq!(bins_of(-1.0009, 512), Ok(0));
        assert_eq!(bins_of(1.2, 512), Ok(511));
        assert_eq!(bins_of(1e300, 512), Ok(511));
        assert_eq!(bins_of(-1.004, 512).unwrap_err().code(), "INVALID_INPUT");
        assert_eq!(bins_of(-1e300, 512).unwrap_err().code(), "INVALID_INPUT");
    }

    #[test]
    fn a_bin_centre_returns_to_its_bin() {
        for bins in [7, 128, 512, 2048, 65_536] {
            for bin in 0..bins {
                let centre = dequantize_coordinate(i64::from(bin), bins);
                assert_eq!(bins_of(centre, bins), Ok(bin));
            }
        }
    }
}
