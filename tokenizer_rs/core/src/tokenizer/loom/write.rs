//! Operations as tokens.

use super::operation::{Offset, Operation};
use super::prediction::Predictions;
use super::vocabulary::{
    Command, CLASS_VALENCES, DEFERRED_SPLIT_STEPS, MOST_LOOP, MOST_VALENCE, VALENCE_SPLIT_FREE,
    VALENCE_SPLIT_STEPS,
};
use super::{Format, Scheme};
use crate::mesh::GridPoint;

impl Format {
    /// Appends the tokens of a vertex in a class; says whether it lies in a slot.
    pub fn push_position(
        &self,
        predictions: &Predictions,
        position: &GridPoint,
        class: u32,
        tokens: &mut Vec<i32>,
    ) -> bool {
        if let Some(slot) = self.slots.find(predictions, position) {
            tokens.push(self.vocabulary.slot(class, slot));
            return true;
        }
        let origin = predictions.origin().unwrap_or_else(|| self.digits.centre());
        let (form, offset) = self.digits.form(position, &origin);
        let first = self.digits.digit(form, 0, &offset);
        tokens.push(self.vocabulary.first(class, form, first));
        for level in 1..self.digits.n_digits(form) {
            let digit = self.digits.digit(form, level, &offset);
            tokens.push(self.vocabulary.later(level, digit));
        }
        false
    }

    /// Appends the tokens of a vertex with a valence; says whether it lies in a slot.
    pub fn push_vertex(
        &self,
        predictions: &Predictions,
        position: &GridPoint,
        valence: u32,
        tokens: &mut Vec<i32>,
    ) -> bool {
        if CLASS_VALENCES.contains(&valence) {
            let class = valence - CLASS_VALENCES.start();
            return self.push_position(predictions, position, class, tokens);
        }
        if valence <= MOST_VALENCE {
            self.push_command(Command::Valence(valence), &[], tokens);
        } else {
            self.push_command(Command::FarValence, &[valence - MOST_VALENCE - 1], tokens);
        }
        self.push_position(predictions, position, 0, tokens)
    }

    /// Appends the tokens of an operation that is not a vertex. Splits must be in canonical form, see
    /// [`canonical_offset`].
    pub fn push_operation(&self, operation: Operation, tokens: &mut Vec<i32>) {
        match operation {
            Operation::Vertex { .. } => {}
            Operation::Loop { length } if length <= MOST_LOOP => {
                self.push_command(Command::Loop(length), &[], tokens);
            }
            Operation::Loop { length } => {
                self.push_command(Command::FarLoop, &[length - MOST_LOOP - 1], tokens);
            }
            Operation::CloseAhead => self.push_command(Command::CloseAhead, &[], tokens),
            Operation::CloseBehind => self.push_command(Command::CloseBehind, &[], tokens),
            Operation::Boundary => self.push_command(Command::Boundary, &[], tokens),
            Operation::Leave => self.push_command(Command::Leave, &[], tokens),
            Operation::Split { offset, n_free } if is_near(self.scheme, offset, n_free) => {
                self.push_command(Command::Split(offset, n_free), &[], tokens);
            }
            Operation::Split { offset, n_free } => {
                let (command, steps) = match offset {
                    Offset::Ahead(steps) => (Command::FarSplitAhead, steps),
                    Offset::Behind(steps) => (Command::FarSplitBehind, steps),
                };
                self.push_command(command, &[steps, n_free], tokens);
            }
            Operation::Merge {
                depth,
                offset,
                n_free,
            } => self.push_command(Command::Merge, &[depth, offset, n_free], tokens),
        }
    }

    fn push_command(&self, command: Command, numbers: &[u32], tokens: &mut Vec<i32>) {
        tokens.extend(self.vocabulary.command(command));
        // Scheme D has no free edges and leaves the last number out.
        for &number in numbers.iter().take(self.vocabulary.n_numbers(command)) {
            self.vocabulary.push_number(number, tokens);
        }
    }
}

/// Whether a split has a token of its own.
pub fn is_near(scheme: Scheme, offset: Offset, n_free: u32) -> bool {
    match (scheme, offset) {
        (Scheme::Valence, Offset::Ahead(steps)) => {
            VALENCE_SPLIT_STEPS.contains(&steps) && n_free <= VALENCE_SPLIT_FREE
        }
        (Scheme::Valence, Offset::Behind(_)) => false,
        (Scheme::Deferred, Offset::Ahead(steps) | Offset::Behind(steps)) => {
            DEFERRED_SPLIT_STEPS.contains(&steps)
        }
    }
}

/// How the node `ahead` steps after `f`, in a ring of `len` nodes, is named: ahead where that has a token of
/// its own in scheme V, else by the shorter way, ahead if both are equal.
pub fn canonical_offset(scheme: Scheme, ahead: u32, len: u32, n_free: u32) -> Offset {
    let behind = len - 1 - ahead;
    let prefers_ahead = scheme == Scheme::Valence && is_near(scheme, Offset::Ahead(ahead), n_free);
    if prefers_ahead || ahead <= behind {
        Offset::Ahead(ahead)
    } else {
        Offset::Behind(behind)
    }
}
