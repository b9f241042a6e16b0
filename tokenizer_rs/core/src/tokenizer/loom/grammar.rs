//! Which tokens may follow in a Loom sequence.
//!
//! Whatever is written under this mask decodes to an oriented manifold: a face is allowed only where its edges
//! are new or lie in a ring, positions and offsets only in the one form the encoder uses. In scheme V a valence
//! is allowed only where everything that closes by itself fits together; promises that turn out to be
//! impossible to keep later on are given up by leaving the ring, which is always allowed.

use super::digits::Form;
use super::operation::{Offset, Operation};
use super::reach::Reach;
use super::ring::Sheet;
use super::state::{far_operation, LoomState, Pending};
use super::vocabulary::{
    Command, Vocabulary, CLASS_VALENCES, GOES_ON, MOST_CLOSES, MOST_LOOP, MOST_VALENCE,
};
use super::write::{canonical_offset, is_near};
use super::{valence, Scheme};
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
        for &class in classes {
            for &slot in &reach.slots {
                mask.insert(vocabulary.slot(class, slot));
            }
            for (form, digits) in [(Form::Full, &full), (Form::Near, &near)] {
                for &digit in digits {
                    mask.insert(vocabulary.first(class, form, digit));
                }
            }
        }
    }

    fn insert_opening(&self, mask: &mut TokenMask) {
        if self.scheme() == Scheme::Deferred {
            return self.insert_vertex(mask, &[0]);
        }
        self.insert_valences(mask, valence::Fitting::ANY);
    }

    /// Scheme V: vertices whose valence fits.
    fn insert_valences(&self, mask: &mut TokenMask, fitting: valence::Fitting) {
        let classes: Vec<u32> = (0..self.vocabulary().n_classes())
            .filter(|class| fitting.contains(CLASS_VALENCES.start() + class))
            .collect();
        self.insert_vertex(mask, &classes);
        for &command in self.vocabulary().commands() {
            let fits = match command {
                Command::Valence(valence) => fitting.contains(valence),
                Command::FarValence => fitting.reaches(MOST_VALENCE + 1),
                _ => false,
            };
            if fits {
                self.insert_command(mask, command);
            }
        }
    }

    fn insert_gate(&self, mask: &mut TokenMask) {
        match self.scheme() {
            Scheme::Valence => self.insert_valence_gate(mask),
            Scheme::Deferred => self.insert_deferred_gate(mask),
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

    fn insert_valence_gate(&self, mask: &mut TokenMask) {
        let surface = &self.state.surface;
        self.insert_valences(mask, valence::fitting(surface, false));
        let loops = valence::fitting(surface, true);
        for &command in self.vocabulary().commands() {
            let fits = match command {
                Command::Loop(length) => loops.contains(length),
                Command::FarLoop => loops.reaches(MOST_LOOP + 1),
                _ => false,
            };
            if fits {
                self.insert_command(mask, command);
            }
        }
    }

    fn insert_deferred_gate(&self, mask: &mut TokenMask) {
        let surface = &self.state.surface;
        let Some((_, f)) = surface.gate() else {
            return;
        };
        let is_last = f.is_boundary && surface.active().is_some_and(|ring| ring.len == 2);
        // A face closed ahead of a new vertex needs the edge after f, one more the edge after that.
        let n_classes = if f.is_boundary {
            1
        } else if surface.node(f.next).is_boundary {
            2
        } else {
            MOST_CLOSES + 1
        };
        let classes: Vec<u32> = (0..n_classes).collect();
        self.insert_vertex(mask, &classes);
        if !self.state.has_stopped_closing && self.state.check(Operation::CloseAhead) {
            self.insert_command(mask, Command::CloseAhead);
        }
        if self.state.check(Operation::CloseBehind) {
            self.insert_command(mask, Command::CloseBehind);
        }
        if !is_last && self.state.check(Operation::Boundary) {
            self.insert_command(mask, Command::Boundary);
        }
    }

    /// Splits with a token of their own.
    fn insert_splits(&self, mask: &mut TokenMask) {
        let Some(ring) = self.state.surface.active() else {
            return;
        };
        for &command in self.vocabulary().commands() {
            let Command::Split(offset, n_free) = command else {
                continue;
            };
            let steps = match offset {
                Offset::Ahead(steps) | Offset::Behind(steps) => steps,
            };
            if steps + 1 >= ring.len {
                continue;
            }
            let ahead = match offset {
                Offset::Ahead(steps) => steps,
                Offset::Behind(steps) => ring.len - 1 - steps,
            };
            if canonical_offset(self.scheme(), ahead, ring.len, n_free) == offset
                && self.state.check(Operation::Split { offset, n_free })
            {
                self.insert_command(mask, command);
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
        let n_rings = surface.rings.len() as u32;
        let Some(ring) = surface.active() else {
            return Box::new(std::iter::empty());
        };
        match (command, complete) {
            (Command::Merge, []) => Box::new(
                (0..n_rings.saturating_sub(1))
                    .filter(move |&depth| self.merge_offsets(depth).next().is_some()),
            ),
            (Command::Merge, &[depth]) => self.merge_offsets(depth),
            (Command::Merge, &[depth, offset, ..]) => self.merge_frees(depth, offset),
            (_, []) => Box::new(
                (1..ring.len.saturating_sub(1))
                    .filter(move |&steps| self.split_frees(command, steps).next().is_some()),
            ),
            (_, &[steps, ..]) => self.split_frees(command, steps),
        }
    }

    /// Free edges on the side of `f` for a split that has no token of its own; 0 in scheme D.
    fn split_frees(&self, command: Command, steps: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        let surface = &self.state.surface;
        let Some(ring) = surface.active().filter(|ring| steps < ring.len) else {
            return Box::new(std::iter::empty());
        };
        let is_ahead = command == Command::FarSplitAhead;
        let f = surface.node(ring.gate).next;
        let (from, ahead) = if is_ahead {
            (f, steps)
        } else {
            (ring.gate, ring.len - 1 - steps)
        };
        let node = surface.node(surface.step(from, steps, is_ahead));
        let scheme = self.scheme();
        let is_fitting = move |&n_free: &u32| {
            let offset = canonical_offset(scheme, ahead, ring.len, n_free);
            matches!(offset, Offset::Ahead(_)) == is_ahead
                && !is_near(scheme, offset, n_free)
                && self.state.check(Operation::Split { offset, n_free })
        };
        Box::new((0..self.n_free_choices(node.n_free)).filter(is_fitting))
    }

    fn merge_offsets(&self, depth: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        let rings = &self.state.surface.rings;
        let index = rings.len().checked_sub(depth as usize + 2);
        let len = index.map_or(0, |index| rings[index].len);
        Box::new((0..len).filter(move |&offset| self.merge_frees(depth, offset).next().is_some()))
    }

    fn merge_frees(&self, depth: u32, offset: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        let surface = &self.state.surface;
        let index = surface.rings.len().checked_sub(depth as usize + 2);
        let n_free = index.map_or(0, |index| {
            let f = surface.node(surface.rings[index].gate).next;
            surface.node(surface.step(f, offset, true)).n_free
        });
        let is_fitting = move |&n_free: &u32| {
            self.state.check(Operation::Merge {
                depth,
                offset,
                n_free,
            })
        };
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
            Command::FarValence if self.state.surface.is_opening() => valence::Fitting::ANY,
            Command::FarValence => valence::fitting(&self.state.surface, false),
            Command::FarLoop => valence::fitting(&self.state.surface, true),
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
            + match far_operation(command, [0; 3]) {
                Operation::Loop { .. } if command == Command::FarLoop => MOST_LOOP + 1,
                _ => MOST_VALENCE + 1,
            };
        for number in (0..GOES_ON).filter(|number| fitting.contains(first + number)) {
            mask.insert(vocabulary.number(number));
        }
        if fitting.reaches(first + GOES_ON) && (sum < LARGE_NUMBER || !fitting.contains(first)) {
            mask.insert(vocabulary.number(GOES_ON));
        }
    }

    fn mask(&self) -> TokenMask {
        let mut mask = TokenMask::new(self.vocabulary().size() as usize);
        self.allowed(&mut mask);
        mask
    }
}

impl Grammar for LoomGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        match self.state.pending {
            Pending::Nothing if self.state.surface.is_opening() => self.insert_opening(mask),
            Pending::Nothing => self.insert_gate(mask),
            Pending::Valence(_) => self.insert_vertex(mask, &[0]),
            Pending::Digits {
                form,
                n_read,
                offset,
                ..
            } => {
                let format = self.state.format();
                let reach = Reach::new(format, &self.state.surface.predictions());
                for digit in reach.digits(format, form, n_read, &offset) {
                    mask.insert(self.vocabulary().later(n_read, digit));
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

    fn advance(&mut self, token: i32) -> Result<()> {
        if !self.mask().contains(token) {
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
        let mask = self.mask();
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
