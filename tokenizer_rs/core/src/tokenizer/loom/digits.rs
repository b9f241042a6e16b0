//! Positions as digits: blocks inside blocks, relative to where the vertex is expected.
//!
//! The offset of a position is `(position - origin + R / 2) mod R` by axis, and its digits are its bits from
//! the top, so many at a time, of the three axes together. From 256 bins on a position near the origin has a
//! shorter form: its offset less `R / 2 - 32`, as two digits of three bits.

use crate::mesh::GridPoint;
use crate::{MeshError, Result};

/// Bits by axis of the first digit of either form.
pub const FIRST_BITS: u32 = 3;
/// Number of values of a first digit.
pub const N_FIRST: usize = 1 << (3 * FIRST_BITS);
/// Bits of an offset in the near form.
const NEAR_BITS: u32 = 6;

/// The digits of one resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits {
    resolution: i32,
    bits: &'static [u32],
    has_near: bool,
}

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All bits of the offset.
    Full,
    /// Within 32 bins of the origin.
    Near,
}

impl Digits {
    /// The digits of a grid of 128, 256, 512 or 1024 bins per axis.
    pub fn new(resolution: u32) -> Result<Self> {
        let bits: &[u32] = match resolution {
            128 => &[3, 4],
            256 => &[3, 3, 2],
            512 => &[3, 3, 3],
            1024 => &[3, 3, 2, 2],
            _ => {
                return Err(MeshError::InvalidInput(format!(
                    "resolution {resolution}; give 128, 256, 512 or 1024 bins per axis"
                )))
            }
        };
        Ok(Self {
            resolution: resolution as i32,
            bits,
            has_near: resolution > 128,
        })
    }

    /// Bins per axis.
    pub fn resolution(&self) -> u32 {
        self.resolution as u32
    }

    /// Bits by axis of each digit of the full form.
    pub fn bits(&self) -> &'static [u32] {
        self.bits
    }

    /// Whether there is a near form.
    pub fn has_near(&self) -> bool {
        self.has_near
    }

    /// The centre of the grid, which digits are relative to where nothing is expected.
    pub fn centre(&self) -> GridPoint {
        [self.resolution / 2; 3]
    }

    /// Whether a position lies on the grid.
    pub fn is_inside(&self, position: &GridPoint) -> bool {
        position.iter().all(|x| (0..self.resolution).contains(x))
    }

    /// Number of digits of a form.
    pub fn n_digits(&self, form: Form) -> usize {
        match form {
            Form::Full => self.bits.len(),
            Form::Near => 2,
        }
    }

    /// Bits by axis of a digit.
    pub fn digit_bits(&self, form: Form, level: usize) -> u32 {
        match form {
            Form::Full => self.bits[level],
            Form::Near => FIRST_BITS,
        }
    }

    /// Bits by axis that follow a digit: the logarithm of the side of its block.
    pub fn bits_after(&self, form: Form, level: usize) -> u32 {
        match form {
            Form::Full => self.bits[level + 1..].iter().sum(),
            Form::Near => NEAR_BITS - FIRST_BITS * (level as u32 + 1),
        }
    }

    /// The offset of a position in the full form.
    pub fn offset(&self, position: &GridPoint, origin: &GridPoint) -> GridPoint {
        // The number of bins is a power of two.
        [0, 1, 2].map(|i| (position[i] - origin[i] + self.resolution / 2) & (self.resolution - 1))
    }

    /// First offset of the near form, by axis.
    pub fn near_start(&self) -> i32 {
        self.resolution / 2 - (1 << (NEAR_BITS - 1))
    }

    /// Number of offsets of the near form, by axis.
    pub fn near_len(&self) -> i32 {
        1 << NEAR_BITS
    }

    /// The offset in the near form, of one in the full form, where it has one.
    pub fn near_offset(&self, offset: &GridPoint) -> Option<GridPoint> {
        let near = offset.map(|x| x - self.near_start());
        let fits = near.iter().all(|x| (0..self.near_len()).contains(x));
        (self.has_near && fits).then_some(near)
    }

    /// The shorter form of a position, and its offset in that form.
    pub fn form(&self, position: &GridPoint, origin: &GridPoint) -> (Form, GridPoint) {
        let offset = self.offset(position, origin);
        match self.near_offset(&offset) {
            Some(near) => (Form::Near, near),
            None => (Form::Full, offset),
        }
    }

    /// A digit of an offset.
    pub fn digit(&self, form: Form, level: usize, offset: &GridPoint) -> u32 {
        let (bits, after) = (self.digit_bits(form, level), self.bits_after(form, level));
        offset.iter().fold(0, |digit, x| {
            (digit << bits) | ((x >> after) as u32 & ((1 << bits) - 1))
        })
    }

    /// The offset whose digits at one level are these and whose others are 0.
    pub fn place(&self, form: Form, level: usize, digit: u32) -> GridPoint {
        let (bits, after) = (self.digit_bits(form, level), self.bits_after(form, level));
        [2, 1, 0].map(|axis| (((digit >> (bits * axis)) & ((1 << bits) - 1)) << after) as i32)
    }

    /// The position with an offset.
    pub fn position(&self, form: Form, offset: &GridPoint, origin: &GridPoint) -> GridPoint {
        let start = match form {
            Form::Full => 0,
            Form::Near => self.near_start(),
        };
        [0, 1, 2].map(|i| {
            (offset[i] + start + origin[i] - self.resolution / 2).rem_euclid(self.resolution)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_return_from_their_digits() {
        for resolution in [128, 256, 512, 1024] {
            let digits = Digits::new(resolution).unwrap();
            let last = resolution as i32 - 1;
            for origin in [digits.centre(), [0, last, 7], [-last, 2 * last, 300]] {
                for position in [[0, 0, 0], [last; 3], [1, last, 99], [64, 33, 0]] {
                    let (form, offset) = digits.form(&position, &origin);
                    let read = (0..digits.n_digits(form)).fold([0; 3], |sum, level| {
                        let place = digits.place(form, level, digits.digit(form, level, &offset));
                        [0, 1, 2].map(|i| sum[i] + place[i])
                    });
                    assert_eq!(read, offset);
                    assert_eq!(digits.position(form, &offset, &origin), position);
                }
            }
        }
        assert!(Digits::new(100).is_err());
    }

    #[test]
    fn the_near_form_reaches_as_far_as_it_says() {
        let digits = Digits::new(256).unwrap();
        let origin = [100, 100, 100];
        let form = |x| digits.form(&[x, 100, 100], &origin).0;
        assert_eq!(
            [67, 68, 131, 132].map(form),
            [Form::Full, Form::Near, Form::Near, Form::Full]
        );
        let origin = [250, 100, 100];
        assert_eq!(digits.form(&[3, 100, 100], &origin).0, Form::Near);
    }
}
