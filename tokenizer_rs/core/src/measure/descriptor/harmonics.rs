//! Sums of spherical harmonics over weighted directions.

/// Degrees from 0.
pub const DEGREES: usize = 9;

/// Pairs of a degree and an order from 0 to it, one row each.
const ROWS: usize = DEGREES * (DEGREES + 1) / 2;

/// So many directions go through the recursion side by side, for the processor's vector registers.
const LANES: usize = 8;

/// So many blocks of lanes are added one after the other to a sum before it is stored.
const BLOCKS: usize = 2;

type Lanes = [f64; LANES];

/// A unit vector with a weight in each of some distributions.
#[derive(Debug, Clone, Copy)]
pub struct Direction<const N: usize> {
    pub vector: [f64; 3],
    pub weights: [f64; N],
}

/// Coefficients of one distribution: real and imaginary parts.
#[derive(Debug, Clone, Copy)]
pub struct Coefficients([[f64; 2]; ROWS]);

impl Default for Coefficients {
    fn default() -> Self {
        Self([[0.0; 2]; ROWS])
    }
}

impl Coefficients {
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self
            .0
            .as_flattened_mut()
            .iter_mut()
            .zip(other.0.as_flattened())
        {
            *sum += more;
        }
    }

    /// Length of the coefficients of each degree, scaled so that all weight in one direction gives the weight
    /// itself in every degree.
    pub fn lengths(&self) -> [f64; DEGREES] {
        std::array::from_fn(|degree| {
            let rows = &self.0[row(degree, 0)..=row(degree, degree)];
            let squares = rows.iter().enumerate().map(|(order, [real, imaginary])| {
                let both_signs = if order > 0 { 2.0 } else { 1.0 };
                both_signs * (real * real + imaginary * imaginary)
            });
            (squares.sum::<f64>() / (2 * degree + 1) as f64).sqrt()
        })
    }
}

/// Coefficients of each distribution, by Legendre's recursion over the degrees.
///
/// The wider registers of newer processors are used where there are any. They change no bit: every lane is a sum of
/// its own, and no product is fused with its sum.
pub fn coefficients<const N: usize>(directions: &[Direction<N>]) -> [Coefficients; N] {
    let sums = pulp::Arch::new().dispatch(LaneSummation(directions));
    sums.map(|rows| Coefficients(rows.map(|parts| parts.map(|lanes| lanes.iter().sum()))))
}

/// Real and imaginary parts of a distribution's coefficients, lane by lane.
type LaneSums = [[Lanes; 2]; ROWS];

/// What is compiled for each kind of processor, with all that it calls.
struct LaneSummation<'a, const N: usize>(&'a [Direction<N>]);

impl<const N: usize> pulp::WithSimd for LaneSummation<'_, N> {
    type Output = [LaneSums; N];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let recursion = Recursion::new();
        let mut sums = [[[[0.0; LANES]; 2]; ROWS]; N];
        for directions in self.0.chunks(BLOCKS * LANES) {
            let mut vectors = [[[0.0; LANES]; BLOCKS]; 3];
            let mut weights = [[[0.0; LANES]; BLOCKS]; N];
            for (i, direction) in directions.iter().enumerate() {
                let (block, lane) = (i / LANES, i % LANES);
                for (of_axis, x) in vectors.iter_mut().zip(direction.vector) {
                    of_axis[block][lane] = x;
                }
                for (of_distribution, weight) in weights.iter_mut().zip(direction.weights) {
                    of_distribution[block][lane] = weight;
                }
            }
            add_blocks(&recursion, &vectors, &weights, &mut sums);
        }
        sums
    }
}

fn row(degree: usize, order: usize) -> usize {
    degree * (degree + 1) / 2 + order
}

/// Factors of the recursion for normalised Legendre functions, by degree and order.
struct Recursion {
    rise: [[f64; DEGREES]; DEGREES],
    fall: [[f64; DEGREES]; DEGREES],
    diagonal: [f64; DEGREES],
}

impl Recursion {
    fn new() -> Self {
        let mut found = Self {
            rise: [[0.0; DEGREES]; DEGREES],
            fall: [[0.0; DEGREES]; DEGREES],
            diagonal: [1.0; DEGREES],
        };
        let square = |n: usize| (n * n) as f64;
        for degree in 1..DEGREES {
            let of_double = (2 * degree) as f64;
            found.diagonal[degree] =
                found.diagonal[degree - 1] * ((of_double + 1.0) / of_double).sqrt();
            for order in 0..degree {
                let rise = (4.0 * square(degree) - 1.0) / (square(degree) - square(order));
                let before = square(degree - 1);
                let fall = (before - square(order)) / (4.0 * before - 1.0);
                found.rise[degree][order] = rise.sqrt();
                found.fall[degree][order] = fall.max(0.0).sqrt(); // 0 for the last order
            }
        }
        found
    }
}

#[inline(always)]
fn add_blocks<const N: usize>(
    recursion: &Recursion,
    [x, y, z]: &[[Lanes; BLOCKS]; 3],
    weights: &[[Lanes; BLOCKS]; N],
    sums: &mut [LaneSums; N],
) {
    // Powers of x + iy, the harmonics' part along the equator, with each weight: all degrees of an order share it.
    let mut powers = weights.map(|weight| [weight, [[0.0; LANES]; BLOCKS]]);
    for order in 0..DEGREES {
        let mut before = [[0.0; LANES]; BLOCKS];
        let mut legendre = [[recursion.diagonal[order]; LANES]; BLOCKS];
        for degree in order..DEGREES {
            let row = row(degree, order);
            for (sums, powers) in sums.iter_mut().zip(&powers) {
                for (sum, power) in sums[row].iter_mut().zip(powers) {
                    for lane in 0..LANES {
                        let mut total = sum[lane];
                        for block in 0..BLOCKS {
                            total += power[block][lane] * legendre[block][lane];
                        }
                        sum[lane] = total;
                    }
                }
            }
            if degree + 1 < DEGREES {
                let rise = recursion.rise[degree + 1][order];
                let fall = recursion.fall[degree + 1][order];
                for block in 0..BLOCKS {
                    for lane in 0..LANES {
                        let now = legendre[block][lane];
                        let next = rise * (z[block][lane] * now - fall * before[block][lane]);
                        before[block][lane] = now;
                        legendre[block][lane] = next;
                    }
                }
            }
        }
        for [real, imaginary] in &mut powers {
            for block in 0..BLOCKS {
                for lane in 0..LANES {
                    let (re, im) = (real[block][lane], imaginary[block][lane]);
                    real[block][lane] = re * x[block][lane] - im * y[block][lane];
                    imaginary[block][lane] = re * y[block][lane] + im * x[block][lane];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(vector: [f64; 3], weight: f64) -> Direction<2> {
        Direction {
            vector,
            weights: [weight, 2.0 * weight],
        }
    }

    #[test]
    fn one_direction_gives_its_weight_in_every_degree() {
        for vector in [
            [0.0, 0.0, 1.0],
            [0.6, -0.8, 0.0],
            [2.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0],
        ] {
            let [first, second] = coefficients(&[direction(vector, 0.25)]);
            for (length, twice) in first.lengths().iter().zip(second.lengths()) {
                assert!((length - 0.25).abs() < 1e-14 && (twice - 0.5).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn two_directions_add_up_by_the_angle_between_them() {
        // The squared length of a degree is the sum over all pairs of its Legendre polynomial.
        let directions = [[1.0, 0.0, 0.0], [0.28, 0.96, 0.0]].map(|d| direction(d, 0.5));
        let found = coefficients(&directions)[0].lengths();
        let x: f64 = 0.28;
        let polynomials = [
            1.0,
            x,
            (3.0 * x * x - 1.0) / 2.0,
            (5.0 * x.powi(3) - 3.0 * x) / 2.0,
        ];
        for (length, polynomial) in found.iter().zip(polynomials) {
            assert!((length * length - (1.0 + polynomial) / 2.0).abs() < 1e-14);
        }
    }

    #[test]
    fn blocks_do_not_matter() {
        let many: Vec<Direction<2>> = (0..21)
            .map(|i| f64::from(i) * 0.3)
            .map(|angle| direction([angle.cos() * 0.6, angle.sin() * 0.6, 0.8], 1.0))
            .collect();
        let whole = coefficients(&many)[0].lengths();
        let mut parts = Coefficients::default();
        many.chunks(5)
            .for_each(|part| parts.add(&coefficients(part)[0]));
        for (length, of_parts) in whole.iter().zip(parts.lengths()) {
            assert!((length - of_parts).abs() < 1e-12);
        }
    }
}
