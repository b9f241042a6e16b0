//! Real coordinates to grid bins and back (Mesh Silksong, arXiv 2507.02477).

use super::GridPoint;

/// Bin of a coordinate: truncation toward zero, the upper border belongs to the last bin.
pub fn quantize_coordinate(x: f64, resolution: u32) -> i32 {
    let bins = f64::from(resolution);
    // The order of the operations is part of the format: it decides on which side of a bin edge x falls.
    let bin = (x + 1.0) * bins / 2.0;
    (bin as i32).clamp(0, resolution as i32 - 1)
}

/// Centre of a bin.
pub fn dequantize_coordinate(bin: i32, resolution: u32) -> f64 {
    (f64::from(bin) + 0.5) / f64::from(resolution) * 2.0 - 1.0
}

/// Bins of a point.
pub fn quantize(point: &[f64; 3], resolution: u32) -> GridPoint {
    point.map(|x| quantize_coordinate(x, resolution))
}

/// Centre of the bins of a point.
pub fn dequantize(point: &GridPoint, resolution: u32) -> [f64; 3] {
    point.map(|bin| dequantize_coordinate(bin, resolution))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_fall_into_the_first_and_last_bin() {
        assert_eq!(quantize_coordinate(-1.0, 128), 0);
        assert_eq!(quantize_coordinate(1.0, 128), 127);
        assert_eq!(quantize_coordinate(-1.000_000_5, 128), 0);
    }

    #[test]
    fn zero_is_the_lower_edge_of_the_upper_half() {
        assert_eq!(quantize_coordinate(0.0, 128), 64);
        assert_eq!(quantize_coordinate(-1e-9, 128), 63);
    }

    #[test]
    fn a_bin_centre_returns_to_its_bin() {
        for resolution in [7, 128, 1000, 1024] {
            for bin in 0..resolution as i32 {
                assert_eq!(
                    quantize_coordinate(dequantize_coordinate(bin, resolution), resolution),
                    bin
                );
            }
        }
    }
}
