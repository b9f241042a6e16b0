//! What the repair asks of a position, real or on the grid.

use crate::mesh::sorted_order::{in_order, sorted_order};
use crate::mesh::GridPoint;

/// A position with a total order and a test for collinearity.
pub(super) trait Point: Copy + PartialEq {
    /// The indices of positions by y, then z, then x; equal ones ascend. Cost O(n log n).
    fn sorted_order(points: &[Self]) -> Vec<u32>;

    /// The same position, written the one way all equal positions are written.
    fn normalised(&self) -> Self;

    /// Real coordinates; exact.
    fn to_real(self) -> [f64; 3];

    /// Whether a triangle has no area.
    fn are_collinear(a: &Self, b: &Self, c: &Self) -> bool;
}

impl Point for GridPoint {
    fn sorted_order(points: &[Self]) -> Vec<u32> {
        let key = |&[x, y, z]: &Self| [y, z, x].map(in_order);
        let keys: Vec<[u32; 3]> = points.iter().map(key).collect();
        sorted_order(&keys)
    }

    fn normalised(&self) -> Self {
        *self
    }

    fn to_real(self) -> [f64; 3] {
        self.map(f64::from)
    }

    /// Exact: a product of two differences of 32-bit numbers needs 66 bits.
    fn are_collinear(a: &Self, b: &Self, c: &Self) -> bool {
        let between = |p: &Self, axis: usize| i128::from(p[axis]) - i128::from(a[axis]);
        [(0, 1), (1, 2), (2, 0)]
            .into_iter()
            .all(|(i, j)| between(b, i) * between(c, j) == between(b, j) * between(c, i))
    }
}

impl Point for [f64; 3] {
    fn sorted_order(points: &[Self]) -> Vec<u32> {
        let key = |&[x, y, z]: &Self| [y, z, x].map(ordered_bits);
        let mut sorted: Vec<([i64; 3], u32)> = points.iter().map(key).zip(0..).collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(_, point)| point).collect()
    }

    /// Negative zero becomes zero.
    fn normalised(&self) -> Self {
        self.map(|x| x + 0.0)
    }

    fn to_real(self) -> [f64; 3] {
        self
    }

    /// In double precision, whatever the size of the triangle.
    fn are_collinear(a: &Self, b: &Self, c: &Self) -> bool {
        let (u, v) = (direction(a, b), direction(a, c));
        [(0, 1), (1, 2), (2, 0)]
            .into_iter()
            .all(|(i, j)| u[i] * v[j] == u[j] * v[i])
    }
}

/// A whole number that is ordered like the real one; both zeros have the same.
fn ordered_bits(x: f64) -> i64 {
    let bits = (x + 0.0).to_bits() as i64;
    if bits < 0 {
        bits ^ i64::MAX
    } else {
        bits
    }
}

/// From `a` to `b`, the longest coordinate 1: neither overflows nor vanishes. Halving comes first because
/// the difference of two finite numbers need not be finite.
fn direction(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    let half = [0, 1, 2].map(|i| b[i] / 2.0 - a[i] / 2.0);
    let longest = half.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    if longest > 0.0 {
        half.map(|x| x / longest)
    } else {
        half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_keys_are_ordered_like_the_numbers() {
        let ascending = [-1e308, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e308];
        assert!(ascending
            .windows(2)
            .all(|pair| ordered_bits(pair[0]) < ordered_bits(pair[1])));
        assert_eq!(ordered_bits(-0.0), ordered_bits(0.0));
    }

    #[test]
    fn y_decides_before_z_and_z_before_x() {
        let points = [[0, 1, 0], [0, 0, 9], [9, 0, 0], [-1, 0, 0], [0, 0, 9]];
        assert_eq!(Point::sorted_order(&points), [3, 2, 1, 4, 0]);
        let points = points.map(|p| p.map(f64::from));
        assert_eq!(Point::sorted_order(&points), [3, 2, 1, 4, 0]);
    }

    #[test]
    fn collinearity_is_exact_on_the_grid() {
        let far = i32::MAX;
        assert!(Point::are_collinear(
            &[-far, -far, -far],
            &[0, 0, 0],
            &[far, far, far]
        ));
        assert!(!Point::are_collinear(
            &[-far, -far, -far],
            &[0, 0, 1],
            &[far, far, far]
        ));
    }

    #[test]
    fn collinearity_does_not_depend_on_the_size() {
        for size in [1e-300, 1.0, 1e308] {
            let corners = |x: f64| ([-size, 0.0, 0.0], [0.0, 0.0, x * size], [size, 0.0, 0.0]);
            let (a, b, c) = corners(0.0);
            assert!(Point::are_collinear(&a, &b, &c));
            let (a, b, c) = corners(0.25);
            assert!(!Point::are_collinear(&a, &b, &c));
        }
    }
}
