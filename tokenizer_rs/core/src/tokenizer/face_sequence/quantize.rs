//! Real coordinates to bins by the rule of MeshGPT's open implementations.

use crate::mesh::{GridPoint, TriangleMesh};

/// Grid positions of the vertices of a mesh in `[-1, 1]`, in single precision: the nearest bin centre, on a
/// border between two bins the even one.
pub fn quantize(mesh: &TriangleMesh, bins: u32) -> Vec<GridPoint> {
    let quantize_coordinate = |x: f64| {
        let bin = ((x as f32 + 1.0) / 2.0 * bins as f32 - 0.5).round_ties_even();
        (bin as i32).clamp(0, bins as i32 - 1)
    };
    mesh.vertices
        .iter()
        .map(|p| p.map(quantize_coordinate))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::quantize::dequantize_coordinate;

    fn bin_of(x: f64, bins: u32) -> i32 {
        let mesh = TriangleMesh {
            vertices: vec![[x; 3]],
            faces: Vec::new(),
        };
        quantize(&mesh, bins)[0][0]
    }

    #[test]
    fn borders_between_bins_go_to_the_even_one() {
        assert_eq!([-1.0, 0.0, 1.0].map(|x| bin_of(x, 128)), [0, 64, 127]);
        assert_eq!(
            [-1.0 + 2.0 / 128.0, -1.0 + 4.0 / 128.0].map(|x| bin_of(x, 128)),
            [0, 2]
        );
    }

    #[test]
    fn a_bin_centre_returns_to_its_bin() {
        for bins in [7, 128, 1024] {
            for bin in 0..bins as i32 {
                assert_eq!(bin_of(dequantize_coordinate(bin, bins), bins), bin);
            }
        }
    }
}
