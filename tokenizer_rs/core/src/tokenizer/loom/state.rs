//! The state of a sequence: tokens go in one at a time, operations come out and build the surface.
//!
//! Encoder, decoder and grammar all drive this machine, so they agree by construction.

use std::sync::Arc;

use super::digits::Form;
use super::operation::{Offset, Operation};
use super::ring::{Obstacle, Sheet};
use super::surface::{Surface, Target};
use super::vocabulary::{Command, Token, CLASS_VALENCES, GOES_ON, MOST_LOOP, MOST_VALENCE};
use super::{deferred, valence, Format, Scheme};
use crate::mesh::GridPoint;

/// What the tokens so far have begun and not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// A vertex whose valence is known.
    Valence(u32),
    /// A vertex whose digits up to a level are known.
    Digits {
        /// Valence in scheme V, number of faces closed ahead in scheme D.
        class: u32,
        /// The form of the digits.
        form: Form,
        /// Number of digits read.
        n_read: usize,
        /// The offset so far, later digits 0.
        offset: GridPoint,
    },
    /// A command that lacks numbers.
    Numbers {
        /// The command.
        command: Command,
        /// Complete numbers.
        values: [u32; 3],
        /// How many are complete.
        n_values: usize,
        /// Sum of the number tokens of the next one.
        sum: u32,
    },
}

/// The machine.
#[derive(Debug, Clone)]
pub struct LoomState {
    format: Arc<Format>,
    /// What has been built.
    pub surface: Surface,
    /// What is under way.
    pub pending: Pending,
    /// Whether the class of the last vertex said that no face closed ahead follows; scheme D only.
    pub has_stopped_closing: bool,
}

const UNFINISHED: Obstacle = "the position of a vertex lacks a digit";

impl LoomState {
    /// The state before the first token.
    pub fn new(format: Arc<Format>) -> Self {
        Self {
            format,
            surface: Surface::default(),
            pending: Pending::Nothing,
            has_stopped_closing: false,
        }
    }

    /// The same with room for so many vertices and faces, dummies among them.
    pub fn with_room(format: Arc<Format>, n_vertices: usize, n_faces: usize) -> Self {
        Self {
            surface: Surface::with_room(n_vertices, n_faces),
            ..Self::new(format)
        }
    }

    /// The format.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// Takes the next token. After an error the state is of no use.
    pub fn push(&mut self, token: i32) -> Result<(), Obstacle> {
        let token = self
            .format
            .vocabulary
            .token(token)
            .ok_or("there is no such token")?;
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        match (token, pending) {
            (Token::Slot(class, slot), Pending::Nothing | Pending::Valence(_)) => {
                let class = self.class(class, pending)?;
                let position = self
                    .format
                    .slots
                    .position(slot, &self.surface.predictions(), &self.format.digits)
                    .ok_or("the slot has no position on the grid here")?;
                self.add_vertex(position, class)
            }
            (Token::First(class, form, digit), Pending::Nothing | Pending::Valence(_)) => {
                let class = self.class(class, pending)?;
                self.pending = Pending::Digits {
                    class,
                    form,
                    n_read: 1,
                    offset: self.format.digits.place(form, 0, digit),
                };
                Ok(())
            }
            (
                Token::Later(level, digit),
                Pending::Digits {
                    class,
                    form,
                    n_read,
                    offset,
                },
            ) if level == n_read => self.push_digit(class, form, n_read, offset, digit),
            (_, Pending::Digits { .. }) => Err(UNFINISHED),
            (_, Pending::Valence(_)) => {
                Err("a valence is followed by something else than a vertex")
            }
            (Token::Command(command), Pending::Nothing) => self.push_command(command),
            (Token::Number(number), Pending::Numbers { .. }) => self.push_number(pending, number),
            (_, Pending::Numbers { .. }) => Err("a number is missing"),
            (Token::Later(..), _) => Err("a digit stands without the digits before it"),
            (Token::Number(_), _) => Err("a number stands where none is expected"),
        }
    }

    /// Carries out an operation.
    pub fn apply(&mut self, operation: Operation) -> Result<(), Obstacle> {
        self.has_stopped_closing = false;
        if operation == Operation::Leave {
            return self.leave();
        }
        match (operation, self.surface.is_opening(), self.format.scheme) {
            (Operation::Vertex { position, valence }, true, scheme) => {
                let n_free = match scheme {
                    Scheme::Valence if valence < valence::LEAST_VALENCE => {
                        return Err("a vertex has fewer than three edges")
                    }
                    Scheme::Valence => valence - 2,
                    Scheme::Deferred => 0,
                };
                self.surface.open(position, n_free);
                Ok(())
            }
            (_, true, _) => Err("a component starts with three vertices"),
            (_, false, Scheme::Valence) => valence::apply(&mut self.surface, operation),
            (_, false, Scheme::Deferred) => deferred::apply(&mut self.surface, operation),
        }
    }

    /// Whether a split or merge with this third corner is possible.
    pub fn check_target(&self, operation: Operation, target: Target) -> bool {
        match self.format.scheme {
            Scheme::Valence => valence::check(&self.surface, operation, target),
            Scheme::Deferred => deferred::check_target(&self.surface, target),
        }
    }

    /// Valence or number of closed faces that a class id stands for.
    fn class(&self, class: u32, pending: Pending) -> Result<u32, Obstacle> {
        match (self.format.scheme, pending) {
            (Scheme::Valence, Pending::Valence(valence)) if class == 0 => Ok(valence),
            (_, Pending::Valence(_)) => Err("a vertex has two valences"),
            (Scheme::Valence, _) => Ok(CLASS_VALENCES.start() + class),
            (Scheme::Deferred, _) => Ok(class),
        }
    }

    fn push_digit(
        &mut self,
        class: u32,
        form: Form,
        n_read: usize,
        offset: GridPoint,
        digit: u32,
    ) -> Result<(), Obstacle> {
        let digits = &self.format.digits;
        let place = digits.place(form, n_read, digit);
        let offset = [0, 1, 2].map(|i| offset[i] + place[i]);
        if n_read + 1 < digits.n_digits(form) {
            self.pending = Pending::Digits {
                class,
                form,
                n_read: n_read + 1,
                offset,
            };
            return Ok(());
        }
        let position = digits.position(form, &offset, &self.origin());
        self.add_vertex(position, class)
    }

    /// What digits are relative to.
    pub fn origin(&self) -> GridPoint {
        let expected = self.surface.predictions().origin();
        expected.unwrap_or_else(|| self.format.digits.centre())
    }

    fn add_vertex(&mut self, position: GridPoint, class: u32) -> Result<(), Obstacle> {
        if self.format.scheme == Scheme::Valence {
            return self.apply(Operation::Vertex {
                position,
                valence: class,
            });
        }
        self.apply(Operation::Vertex {
            position,
            valence: 0,
        })?;
        for _ in 0..class {
            self.apply(Operation::CloseAhead)?;
        }
        self.has_stopped_closing = class < super::vocabulary::MOST_CLOSES;
        Ok(())
    }

    fn push_command(&mut self, command: Command) -> Result<(), Obstacle> {
        if self.format.vocabulary.n_numbers(command) > 0 {
            self.pending = Pending::Numbers {
                command,
                values: [0; 3],
                n_values: 0,
                sum: 0,
            };
            return Ok(());
        }
        match command {
            Command::Valence(valence) => {
                self.pending = Pending::Valence(valence);
                Ok(())
            }
            Command::Loop(length) => self.apply(Operation::Loop { length }),
            Command::Split(offset, n_free) => self.apply(Operation::Split { offset, n_free }),
            Command::CloseAhead => self.apply(Operation::CloseAhead),
            Command::CloseBehind => self.apply(Operation::CloseBehind),
            Command::Boundary => self.apply(Operation::Boundary),
            _ => self.apply(Operation::Leave),
        }
    }

    fn push_number(&mut self, pending: Pending, number: u32) -> Result<(), Obstacle> {
        let Pending::Numbers {
            command,
            mut values,
            mut n_values,
            sum,
        } = pending
        else {
            return Err("a number stands where none is expected");
        };
        let mut sum = sum
            .checked_add(number)
            .filter(|&sum| sum < 1 << 30)
            .ok_or("a number is too large")?;
        if number < GOES_ON {
            values[n_values] = sum;
            n_values += 1;
            sum = 0;
        }
        if n_values < self.format.vocabulary.n_numbers(command) {
            self.pending = Pending::Numbers {
                command,
                values,
                n_values,
                sum,
            };
            return Ok(());
        }
        if command == Command::FarValence {
            self.pending = Pending::Valence(MOST_VALENCE + 1 + values[0]);
            return Ok(());
        }
        self.apply(far_operation(command, values))
    }

    fn leave(&mut self) -> Result<(), Obstacle> {
        let ring = self.surface.rings.pop().ok_or("no ring is open")?;
        let mut at = ring.gate;
        for _ in 0..ring.len {
            let node = self.surface.node(at);
            let before = self.surface.node(node.previous);
            let has_gap = !before.is_boundary && !node.is_boundary;
            if self.surface.is_on_boundary(node.vertex) && has_gap {
                self.surface.was_left_open = true;
            }
            self.surface.set_on_boundary(node.vertex);
            at = node.next;
        }
        if self.format.scheme == Scheme::Valence {
            self.surface.was_left_open = true;
            if let Some(next) = self.surface.rings.pop() {
                let next = valence::real_gate(&self.surface, next);
                self.surface.rings.push(next);
            }
        }
        Ok(())
    }
}

/// The operation of a command with numbers.
pub fn far_operation(command: Command, [first, second, third]: [u32; 3]) -> Operation {
    match command {
        Command::FarSplitAhead => Operation::Split {
            offset: Offset::Ahead(first),
            n_free: second,
        },
        Command::FarSplitBehind => Operation::Split {
            offset: Offset::Behind(first),
            n_free: second,
        },
        Command::Merge => Operation::Merge {
            depth: first,
            offset: second,
            n_free: third,
        },
        _ => Operation::Loop {
            length: MOST_LOOP + 1 + first,
        },
    }
}
