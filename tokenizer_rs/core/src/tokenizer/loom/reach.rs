//! Which tokens may give the position of the next vertex: each position has one way to be written.
//!
//! A slot is left out where an earlier one gives the same position, and a digit where every position in its
//! block has a shorter form or belongs to a corner of the new face.

use std::ops::Range;

use super::digits::Form;
use super::prediction::Predictions;
use super::Format;
use crate::mesh::GridPoint;

/// The positions that slots give at one place, and those that no vertex may have there.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Slots that may be written, in ascending order.
    pub slots: Vec<u32>,
    /// Their positions, and the corners of the new face.
    points: Vec<GridPoint>,
    origin: GridPoint,
}

/// A set of positions of the grid, by open addressing.
struct Points {
    keys: Vec<u32>,
}

impl Points {
    fn with_room_for(n: usize) -> Self {
        Self {
            keys: vec![u32::MAX; (2 * n).next_power_of_two()],
        }
    }

    /// Adds a position; says whether it is new.
    fn insert(&mut self, point: &GridPoint) -> bool {
        let key = point.iter().fold(0, |key, &x| (key << 10) | x as u32);
        let mut at = (u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
        loop {
            at &= self.keys.len() - 1;
            if self.keys[at] == key {
                return false;
            }
            if self.keys[at] == u32::MAX {
                self.keys[at] = key;
                return true;
            }
            at += 1;
        }
    }
}

impl Reach {
    /// What may be written where these positions are expected. Cost of one look at every slot.
    pub fn new(format: &Format, predictions: &Predictions) -> Self {
        let mut seen = Points::with_room_for(format.slots.len() + 2);
        let mut points = Vec::with_capacity(format.slots.len() + 2);
        for taken in predictions.taken.iter().flatten() {
            if seen.insert(taken) {
                points.push(*taken);
            }
        }
        let mut slots = Vec::with_capacity(format.slots.len());
        for (index, slot) in (0_u32..).zip(format.slots.list()) {
            let Some(expected) = predictions.expected[slot.predictor] else {
                continue;
            };
            let position = [0, 1, 2].map(|i| expected[i] + slot.residual[i]);
            if format.digits.is_inside(&position) && seen.insert(&position) {
                points.push(position);
                slots.push(index);
            }
        }
        Self {
            slots,
            points,
            origin: predictions
                .origin()
                .unwrap_or_else(|| format.digits.centre()),
        }
    }

    /// The digits that may follow at a level, after digits that give this offset so far, as ranges.
    pub fn digits(
        &self,
        format: &Format,
        form: Form,
        level: usize,
        sofar: &GridPoint,
    ) -> Vec<Range<u32>> {
        let digits = &format.digits;
        let (bits, after) = (
            digits.digit_bits(form, level),
            digits.bits_after(form, level),
        );
        let volume = 1_i64 << (3 * after);
        let is_near_excluded = form == Form::Full && digits.has_near();
        if !is_near_excluded && (self.points.len() as i64) < volume {
            return vec![0..1 << (3 * bits)];
        }
        let mut n_excluded = vec![0_i64; 1 << (3 * bits)];
        for point in &self.points {
            let full = digits.offset(point, &self.origin);
            let offset = match (form, digits.near_offset(&full)) {
                (Form::Full, None) => full,
                (Form::Near, Some(near)) => near,
                _ => continue,
            };
            if (0..3).all(|i| offset[i] >> (bits + after) == sofar[i] >> (bits + after)) {
                n_excluded[digits.digit(form, level, &offset) as usize] += 1;
            }
        }
        if is_near_excluded {
            for (digit, n_excluded) in (0_u32..).zip(&mut n_excluded) {
                let place = digits.place(form, level, digit);
                let start = [0, 1, 2].map(|i| sofar[i] + place[i]);
                *n_excluded +=
                    near_volume(start, 1 << after, digits.near_start(), digits.near_len());
            }
        }
        let mut runs = Vec::new();
        let mut first = 0;
        for (digit, _) in (0_u32..).zip(&n_excluded).filter(|(_, &n)| n >= volume) {
            runs.push(first..digit);
            first = digit + 1;
        }
        runs.push(first..n_excluded.len() as u32);
        runs.retain(|run| !run.is_empty());
        runs
    }
}

/// Number of offsets that a block and the near region have in common.
fn near_volume(start: GridPoint, side: i32, near_start: i32, near_len: i32) -> i64 {
    start
        .iter()
        .map(|&x| {
            let common = (x + side).min(near_start + near_len) - x.max(near_start);
            i64::from(common.max(0))
        })
        .product()
}
