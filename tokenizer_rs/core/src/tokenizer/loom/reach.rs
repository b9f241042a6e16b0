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
            return std::iter::once(0..1 << (3 * bits)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::loom::Scheme;

    /// How many ways there are to write a position.
    fn n_ways(format: &Format, predictions: &Predictions, position: &GridPoint) -> usize {
        let reach = Reach::new(format, predictions);
        let digits = &format.digits;
        let in_slot =
            |slot: &&u32| format.slots.position(**slot, predictions, digits) == Some(*position);
        let full = digits.offset(position, &reach.origin);
        let offsets = [
            Some((Form::Full, full)),
            digits.near_offset(&full).map(|near| (Form::Near, near)),
        ];
        let is_open = |&(form, offset): &(Form, GridPoint)| {
            let mut sofar = [0; 3];
            (0..digits.n_digits(form)).all(|level| {
                let digit = digits.digit(form, level, &offset);
                let runs = reach.digits(format, form, level, &sofar);
                let place = digits.place(form, level, digit);
                sofar = [0, 1, 2].map(|i| sofar[i] + place[i]);
                runs.iter().any(|run| run.contains(&digit))
            })
        };
        let n_slots = reach.slots.iter().filter(in_slot).count();
        n_slots + offsets.iter().flatten().filter(|way| is_open(way)).count()
    }

    #[test]
    fn every_position_has_one_way_to_be_written_and_taken_ones_none() {
        for resolution in [128, 256, 512, 1024] {
            let format = Format::structured(Scheme::Valence, resolution).unwrap();
            let last = resolution as i32 - 1;
            let predictions = Predictions {
                expected: [
                    [40, 50, last - 1],
                    [42, 50, last],
                    [40, 52, last],
                    [9, 50, 60],
                    [41, 50, last - 3],
                ]
                .map(Some),
                taken: [Some([40, 52, last]), Some([9, 50, 60])],
            };
            let mut positions: Vec<GridPoint> = (0..format.slots.len() as u32)
                .step_by(7)
                .filter_map(|slot| format.slots.position(slot, &predictions, &format.digits))
                .collect();
            for i in 0..60 {
                positions.push([i * 13 % resolution as i32, (i * 29) & last, (i * 57) & last]);
                positions.push([40 - i / 2, 50 + i / 3, last - i]);
            }
            for position in positions {
                let is_taken = predictions.taken.contains(&Some(position));
                let n_ways = n_ways(&format, &predictions, &position);
                assert_eq!(n_ways, usize::from(!is_taken), "{position:?}");
            }
        }
    }
}
