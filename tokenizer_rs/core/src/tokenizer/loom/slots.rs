//! Slots: common places of a vertex relative to a predictor, each one token.

use rustc_hash::FxHashMap;

use super::digits::Digits;
use super::prediction::{Predictions, N_PREDICTORS};
use crate::mesh::GridPoint;

/// Number of a predictor in [`super::prediction::PREDICTOR_NAMES`].
const A: usize = 0;
const Q: usize = 1;
const P: usize = 2;
const G: usize = 3;
const E: usize = 4;

/// A place relative to what a predictor expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The predictor.
    pub predictor: usize,
    /// Position less expected position.
    pub residual: GridPoint,
}

/// An ordered list of slots without repetition; a vertex is written by the first one that gives its position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    list: Vec<Slot>,
    index: FxHashMap<Slot, u32>,
}

/// Sets of residuals, in ascending order of their longest component, then of the sum of the components' sizes,
/// then by components.
enum Shape {
    /// Two components 0, the third at most so far from 0.
    Axis(i32),
    /// One component 0, the others at most so far from 0.
    Plane(i32),
    /// All components in -3..=2.
    Cube,
}

impl Shape {
    fn residuals(&self) -> Vec<GridPoint> {
        let (low, high, least_zeros) = match *self {
            Self::Axis(reach) => (-reach, reach, 2),
            Self::Plane(reach) => (-reach, reach, 1),
            Self::Cube => (-3, 2, 0),
        };
        let mut residuals = Vec::new();
        for x in low..=high {
            for y in low..=high {
                for z in low..=high {
                    let residual = [x, y, z];
                    if residual.iter().filter(|&&c| c == 0).count() >= least_zeros {
                        residuals.push(residual);
                    }
                }
            }
        }
        residuals.sort_by_key(|residual| {
            let sizes = residual.map(i32::abs);
            (
                sizes.iter().copied().max(),
                sizes.iter().sum::<i32>(),
                *residual,
            )
        });
        residuals
    }
}

impl Slots {
    /// The given slots; repeated ones are left out.
    pub fn new(slots: impl IntoIterator<Item = Slot>) -> Self {
        let mut table = Self::default();
        for slot in slots {
            let next = table.list.len() as u32;
            table.index.entry(slot).or_insert_with(|| {
                table.list.push(slot);
                next
            });
        }
        table
    }

    /// The built-in table: simple shapes around the predictors, the first `size` slots of them.
    pub fn structured(resolution: u32, size: usize) -> Self {
        let shapes: Vec<(usize, Shape)> = if resolution <= 128 {
            vec![
                (A, Shape::Axis(16)),
                (Q, Shape::Cube),
                (A, Shape::Cube),
                (P, Shape::Axis(16)),
                (G, Shape::Axis(16)),
                (E, Shape::Plane(4)),
                (P, Shape::Plane(4)),
                (A, Shape::Plane(4)),
            ]
        } else {
            vec![
                (A, Shape::Axis(16)),
                (Q, Shape::Axis(16)),
                (A, Shape::Cube),
                (E, Shape::Axis(16)),
                (Q, Shape::Cube),
                (P, Shape::Axis(32)),
                (G, Shape::Axis(32)),
                (A, Shape::Plane(4)),
                (A, Shape::Plane(8)),
            ]
        };
        let slots = shapes.into_iter().flat_map(|(predictor, shape)| {
            let slot = move |residual| Slot {
                predictor,
                residual,
            };
            shape.residuals().into_iter().map(slot)
        });
        let mut table = Self::new(slots);
        table.list.truncate(size);
        table.index.retain(|_, &mut index| (index as usize) < size);
        table
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The slots in order.
    pub fn list(&self) -> &[Slot] {
        &self.list
    }

    /// The first slot that gives a position.
    pub fn find(&self, predictions: &Predictions, position: &GridPoint) -> Option<u32> {
        let index_at = |predictor: usize| {
            let expected = predictions.expected[predictor]?;
            let residual = [0, 1, 2].map(|i| position[i] - expected[i]);
            self.index
                .get(&Slot {
                    predictor,
                    residual,
                })
                .copied()
        };
        (0..N_PREDICTORS).filter_map(index_at).min()
    }

    /// The position that a slot gives, where its predictor has an opinion and the position is on the grid.
    pub fn position(
        &self,
        slot: u32,
        predictions: &Predictions,
        digits: &Digits,
    ) -> Option<GridPoint> {
        let slot = self.list.get(slot as usize)?;
        let expected = predictions.expected[slot.predictor]?;
        let position = [0, 1, 2].map(|i| expected[i] + slot.residual[i]);
        digits.is_inside(&position).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_begins_with_the_parallelogram() {
        let slots = Slots::structured(128, 2000);
        assert_eq!(
            slots.list()[0],
            Slot {
                predictor: A,
                residual: [0; 3]
            }
        );
        assert_eq!(slots.list()[97].predictor, Q);
        assert_eq!(Slots::structured(128, 560).len(), 560);
        assert_eq!(Slots::structured(128, 560).list(), &slots.list()[..560]);
    }

    #[test]
    fn the_first_slot_wins() {
        let slot = |predictor, residual| Slot {
            predictor,
            residual,
        };
        let slots = Slots::new([slot(Q, [1, 0, 0]), slot(A, [0; 3]), slot(A, [0; 3])]);
        assert_eq!(slots.len(), 2);
        let mut predictions = Predictions::NOTHING;
        predictions.expected[A] = Some([5, 5, 5]);
        assert_eq!(slots.find(&predictions, &[5, 5, 5]), Some(1));
        predictions.expected[Q] = Some([4, 5, 5]);
        assert_eq!(slots.find(&predictions, &[5, 5, 5]), Some(0));
        assert_eq!(slots.find(&predictions, &[5, 5, 6]), None);
    }
}
