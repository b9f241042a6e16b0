//! Which tokens may follow in a Loom sequence.
//!
//! Whatever is written under this mask decodes to an oriented manifold: a face is allowed only where its edges
//! are new or lie in a ring, positions and offsets only in the one form the encoder uses. In scheme V a valence
//! is allowed only where everything that closes by itself fits together; promises that turn out to be
//! impossible to keep later on are given up by leaving the ring, which is always allowed.

use std::ops::Range;

use super::digits::Form;
use super::operation::{Offset, Operation};
use super::reach::Reach;
use super::ring::Sheet;
use super::state::{LoomState, Pending};
use super::surface::Target;
use super::vocabulary::{
    Command, Token, Vocabulary, CLASS_VALENCES, GOES_ON, MOST_CLOSES, MOST_LOOP, MOST_VALENCE,
    VALENCE_SPLIT_FREE,
};
use super::write::{canonical_offset, is_near};
use super::{deferred, valence, Scheme};
use crate::mesh::GridPoint;
use crate::tokenizer::grammar::{not_allowed, Grammar, TokenMask};
use crate::Result;

/// Numbers beyond this are allowed only where nothing smaller does.
const LARGE_NUMBER: u32 = 1 << 16;

/// The state of one Loom sequence.
#[derive(Debug, Clone)]
pub struct LoomGrammar {
    state: LoomState,
    n_read: usize,
}

impl LoomGrammar {
    /// The grammar at the start of a sequence.
    pub fn new(state: LoomState) -> Self {
        Self { state, n_read: 0 }
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.state.format().vocabulary
    }

    fn scheme(&self) -> Scheme {
        self.state.format().scheme
    }

    fn insert_command(&self, mask: &mut TokenMask, command: Command) {
        if let Some(id) = self.vocabulary().command(command) {
            mask.insert(id);
        }
    }

    /// The first tokens of a vertex in the given classes.
    fn insert_vertex(&self, mask: &mut TokenMask, classes: &[u32]) {
        if classes.is_empty() {
            return;
        }
        let format = self.state.format();
        let reach = Reach::new(format, &self.state.surface.predictions());
        let full = reach.digits(format, Form::Full, 0, &[0; 3]);
        let near = if format.digits.has_near() {
            reach.digits(format, Form::Near, 0, &[0; 3])
        } else {
            Vec::new()
        };
        let vocabulary = self.vocabulary();
        let slots = runs(&reach.slots);
        for &class in classes {
            for run in &slots {
                let first = vocabulary.slot(class, run.start);
                mask.insert_range(first, first + run.len() as i32);
            }
            for (form, digits) in [(Form::Full, &full), (Form::Near, &near)] {
                for run in digits {
                    let first = vocabulary.first(class, form, run.start);
                    mask.insert_range(first, first + run.len() as i32);
                }
            }
        }
    }

    /// Classes that the next vertex may have.
    fn classes(&self) -> Vec<u32> {
        let surface = &self.state.surface;
        match (self.scheme(), self.state.pending) {
            (_, Pending::Valence(_)) => vec![0],
            (Scheme::Valence, _) => {
                let fitting = self.fitting(false);
                (0..self.vocabulary().n_classes())
                    .filter(|class| fitting.contains(CLASS_VALENCES.start() + class))
                    .collect()
            }
            (Scheme::Deferred, _) if surface.is_opening() => vec![0],
            (Scheme::Deferred, _) => (0..=deferred::most_closes(surface, MOST_CLOSES)).collect(),
        }
    }

    /// Scheme V: the valences or loop lengths that fit.
    fn fitting(&self, is_loop: bool) -> valence::Fitting {
        if self.state.surface.is_opening() {
            valence::Fitting::ANY
        } else {
            valence::fitting(&self.state.surface, is_loop)
        }
    }

    /// What may come next and is no vertex in a class.
    fn insert_commands(&self, mask: &mut TokenMask) {
        let is_opening = self.state.surface.is_opening();
        if self.scheme() == Scheme::Valence {
            let valences = self.fitting(false);
            let loops = (!is_opening).then(|| self.fitting(true));
            for (id, command) in self.vocabulary().commands() {
                let fits = match command {
                    Command::Valence(valence) => valences.contains(valence),
                    Command::FarValence => valences.reaches(MOST_VALENCE + 1),
                    Command::Loop(length) => loops.is_some_and(|loops| loops.contains(length)),
                    Command::FarLoop => loops.is_some_and(|loops| loops.reaches(MOST_LOOP + 1)),
                    _ => false,
                };
                if fits {
                    mask.insert(id);
                }
            }
        }
        if is_opening {
            return;
        }
        if self.scheme() == Scheme::Deferred {
            self.insert_closings(mask);
        }
        self.insert_command(mask, Command::Leave);
        self.insert_splits(mask);
        for command in [
            Command::FarSplitAhead,
            Command::FarSplitBehind,
            Command::Merge,
        ] {
            if self.numbers(command, &[]).next().is_some() {
                self.insert_command(mask, command);
            }
        }
    }

    /// Scheme D: faces closed at the gate, and its boundary.
    fn insert_closings(&self, mask: &mut TokenMask) {
        let surface = &self.state.surface;
        let is_last = surface
            .gate()
            .zip(surface.active())
            .is_some_and(|((_, f), ring)| f.is_boundary && ring.len == 2);
        let is_possible = |operation| deferred::check(surface, operation).is_ok();
        if !self.state.has_stopped_closing && is_possible(Operation::CloseAhead) {
            self.insert_command(mask, Command::CloseAhead);
        }
        if is_possible(Operation::CloseBehind) {
            self.insert_command(mask, Command::CloseBehind);
        }
        if !is_last && is_possible(Operation::Boundary) {
            self.insert_command(mask, Command::Boundary);
        }
    }

    /// Splits with a token of their own.
    fn insert_splits(&self, mask: &mut TokenMask) {
        let surface = &self.state.surface;
        let Some(ring) = surface.active() else {
            return;
        };
        let index = surface.rings.len() - 1;
        let most_free = match self.scheme() {
            Scheme::Valence => VALENCE_SPLIT_FREE,
            Scheme::Deferred => 0,
        };
        for target in surface.targets(index) {
            for n_free in 0..=most_free {
                let offset = canonical_offset(self.scheme(), target.ahead, ring.len, n_free);
                let operation = Operation::Split { offset, n_free };
                if is_near(self.scheme(), offset, n_free)
                    && self.state.check_target(operation, target)
                {
                    self.insert_command(mask, Command::Split(offset, n_free));
                }
            }
        }
    }

    /// The numbers that may come next for a split or merge, after those that are complete. Lazy: to know that
    /// there is one costs little.
    fn numbers<'a>(
        &'a self,
        command: Command,
        complete: &'a [u32],
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let surface = &self.state.surface;
        let Some(active) = surface.rings.len().checked_sub(1) else {
            return Box::new(std::iter::empty());
        };
        let is_merge = command == Command::Merge;
        if let (true, []) = (is_merge, complete) {
            let is_possible = move |&depth: &u32| {
                let mut targets = surface.targets(active - 1 - depth as usize);
                targets.any(|target| self.frees(command, target).next().is_some())
            };
            return Box::new((0..active as u32).filter(is_possible));
        }
        let (index, rest) = match complete {
            [depth, rest @ ..] if is_merge => (active - 1 - *depth as usize, rest),
            _ => (active, complete),
        };
        let len = surface.rings[index].len;
        let is_behind = command == Command::FarSplitBehind;
        let steps = move |target: Target| {
            if is_behind {
                len - 1 - target.ahead
            } else {
                target.ahead
            }
        };
        match *rest {
            [] => Box::new(
                surface
                    .targets(index)
                    .filter(move |&target| self.frees(command, target).next().is_some())
                    .map(steps),
            ),
            [chosen, ..] => {
                let target = surface
                    .targets(index)
                    .find(|&target| steps(target) == chosen);
                match target {
                    Some(target) => self.frees(command, target),
                    None => Box::new(std::iter::empty()),
                }
            }
        }
    }

    /// Free edges on the side of `f` with which a target may be written by a command with numbers; 0 in scheme D.
    fn frees(&self, command: Command, target: Target) -> Box<dyn Iterator<Item = u32> + '_> {
        let surface = &self.state.surface;
        let (scheme, len) = (self.scheme(), surface.rings[target.ring].len);
        let is_fitting = move |&n_free: &u32| {
            let offset = canonical_offset(scheme, target.ahead, len, n_free);
            let operation = if command == Command::Merge {
                Operation::Merge {
                    depth: 0,
                    offset: 0,
                    n_free,
                }
            } else {
                Operation::Split { offset, n_free }
            };
            let is_named_so = match (command, offset) {
                (Command::FarSplitAhead, Offset::Ahead(_))
                | (Command::FarSplitBehind, Offset::Behind(_)) => !is_near(scheme, offset, n_free),
                _ => command == Command::Merge,
            };
            is_named_so && self.state.check_target(operation, target)
        };
        let n_free = surface.node(target.node).n_free;
        Box::new((0..self.n_free_choices(n_free)).filter(is_fitting))
    }

    /// How many numbers of free edges one side of a vertex may get: two of them are taken by the face.
    fn n_free_choices(&self, n_free: u32) -> u32 {
        match self.scheme() {
            Scheme::Valence => n_free.saturating_sub(1),
            Scheme::Deferred => 1,
        }
    }

    fn insert_numbers(&self, mask: &mut TokenMask, command: Command, complete: &[u32], sum: u32) {
        let vocabulary = self.vocabulary();
        let fitting = match command {
            Command::FarValence => self.fitting(false),
            Command::FarLoop => self.fitting(true),
            _ => {
                for number in self.numbers(command, complete) {
                    if let Some(rest) = number.checked_sub(sum) {
                        mask.insert(vocabulary.number(rest.min(GOES_ON)));
                    }
                }
                return;
            }
        };
        let first = sum
            + match command {
                Command::FarLoop => MOST_LOOP + 1,
                _ => MOST_VALENCE + 1,
            };
        for number in (0..GOES_ON).filter(|number| fitting.contains(first + number)) {
            mask.insert(vocabulary.number(number));
        }
        if fitting.reaches(first + GOES_ON) && (sum < LARGE_NUMBER || !fitting.contains(first)) {
            mask.insert(vocabulary.number(GOES_ON));
        }
    }

    /// Digits that may come next.
    fn digits(&self, form: Form, n_read: usize, offset: &GridPoint) -> Vec<Range<u32>> {
        let format = self.state.format();
        let reach = Reach::new(format, &self.state.surface.predictions());
        reach.digits(format, form, n_read, offset)
    }

    /// Whether one token may come next; cheaper than the whole mask for the common ones.
    fn permits(&self, token: i32) -> bool {
        let format = self.state.format();
        match (self.vocabulary().token(token), self.state.pending) {
            (Some(Token::Slot(class, slot)), Pending::Nothing | Pending::Valence(_)) => {
                let predictions = self.state.surface.predictions();
                let position = format.slots.position(slot, &predictions, &format.digits);
                position.is_some_and(|position| {
                    !predictions.taken.contains(&Some(position))
                        && format.slots.find(&predictions, &position) == Some(slot)
                        && self.classes().contains(&class)
                })
            }
            (Some(Token::First(class, form, digit)), Pending::Nothing | Pending::Valence(_)) => {
                let runs = self.digits(form, 0, &[0; 3]);
                self.classes().contains(&class) && runs.iter().any(|run| run.contains(&digit))
            }
            (Some(Token::Slot(..) | Token::First(..)) | None, _) => false,
            _ => {
                let mut mask = TokenMask::new(self.vocabulary().size() as usize);
                self.insert_others(&mut mask);
                mask.contains(token)
            }
        }
    }

    /// Everything that may come next but a vertex in a class.
    fn insert_others(&self, mask: &mut TokenMask) {
        match self.state.pending {
            Pending::Nothing => self.insert_commands(mask),
            Pending::Valence(_) => {}
            Pending::Digits {
                form,
                n_read,
                offset,
                ..
            } => {
                for run in self.digits(form, n_read, &offset) {
                    let first = self.vocabulary().later(n_read, run.start);
                    mask.insert_range(first, first + run.len() as i32);
                }
            }
            Pending::Numbers {
                command,
                values,
                n_values,
                sum,
            } => self.insert_numbers(mask, command, &values[..n_values], sum),
        }
    }
}

impl Grammar for LoomGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        if matches!(self.state.pending, Pending::Nothing | Pending::Valence(_)) {
            self.insert_vertex(mask, &self.classes());
        }
        self.insert_others(mask);
    }

    fn advance(&mut self, token: i32) -> Result<()> {
        if !self.permits(token) {
            return Err(not_allowed(
                self.n_read,
                "it may not follow the tokens before it",
            ));
        }
        let refused = |reason| not_allowed(self.n_read, reason);
        self.state.push(token).map_err(refused)?;
        self.n_read += 1;
        Ok(())
    }

    fn can_end(&self) -> bool {
        let surface = &self.state.surface;
        self.state.pending == Pending::Nothing && surface.is_complete() && !surface.faces.is_empty()
    }

    fn closing_token(&self) -> Option<i32> {
        if self.can_end() {
            return None;
        }
        if self.state.pending == Pending::Nothing && !self.state.surface.is_opening() {
            return self.vocabulary().command(Command::Leave);
        }
        let mut mask = TokenMask::new(self.vocabulary().size() as usize);
        self.allowed(&mut mask);
        let first = mask.iter().next();
        first
    }

    fn boxed_clone(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }

    fn tokens_to_end(&self) -> usize {
        // Every open ring is left by one token.
        if self.state.pending == Pending::Nothing && !self.state.surface.is_opening() {
            return self.state.surface.rings.len();
        }
        let mut state = self.clone();
        let mut n_tokens = 0;
        while let Some(token) = state.closing_token() {
            if state.advance(token).is_err() {
                break;
            }
            n_tokens += 1;
        }
        n_tokens
    }
}

/// Ascending numbers as ranges.
fn runs(numbers: &[u32]) -> Vec<Range<u32>> {
    numbers
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| run[0]..run[run.len() - 1] + 1)
        .collect()
}
