//! Which id stands for what.
//!
//! ```text
//! class 0:  slots (K)  first digits (512)  near digits (512, from 256 bins on)
//! class 1:  ...
//! later digits, one range a level
//! commands
//! numbers (256)
//! ```

use rustc_hash::FxHashMap;

use super::digits::{Digits, Form, N_FIRST};
use super::operation::Offset;
use super::Scheme;

/// Values of a number token; the last one says that 255 are added and another number token follows.
pub const N_NUMBERS: u32 = 256;
/// The number token that goes on.
pub const GOES_ON: u32 = N_NUMBERS - 1;

/// Valences that are classes of scheme V.
pub const CLASS_VALENCES: std::ops::RangeInclusive<u32> = 4..=8;
/// Largest valence with a prefix token of its own, and largest length of a loop with a token of its own.
pub const MOST_VALENCE: u32 = 64;
/// Largest loop with a token of its own.
pub const MOST_LOOP: u32 = 66;
/// Splits of scheme V with a token of their own: so many steps ahead, with so many free edges.
pub const VALENCE_SPLIT_STEPS: std::ops::RangeInclusive<u32> = 2..=12;
/// Most free edges on the side of `f` of such a split.
pub const VALENCE_SPLIT_FREE: u32 = 3;
/// Splits of scheme D with a token of their own, ahead and behind.
pub const DEFERRED_SPLIT_STEPS: std::ops::RangeInclusive<u32> = 1..=30;
/// Classes of scheme D: how often [`super::operation::Operation::CloseAhead`] follows at once, up to this.
pub const MOST_CLOSES: u32 = 2;

/// A token that is neither a digit nor a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// The next vertex has this valence.
    Valence(u32),
    /// The next vertex has a valence given by a number.
    FarValence,
    /// The gate lies on a loop of this length.
    Loop(u32),
    /// The gate lies on a loop whose length is given by a number.
    FarLoop,
    /// A split with its free edges on the side of `f`.
    Split(Offset, u32),
    /// A split ahead; numbers follow.
    FarSplitAhead,
    /// A split behind; numbers follow.
    FarSplitBehind,
    /// A merge; numbers follow.
    Merge,
    /// The third corner is the successor of `f`.
    CloseAhead,
    /// The third corner is the predecessor of `p`.
    CloseBehind,
    /// The gate lies on the boundary.
    Boundary,
    /// The rest of the ring lies on the boundary.
    Leave,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A vertex in a slot: class and slot.
    Slot(u32, u32),
    /// First digit of a vertex: class, form and digit.
    First(u32, Form, u32),
    /// A later digit: its level in the full form, and the digit.
    Later(usize, u32),
    /// Something other than a vertex.
    Command(Command),
    /// A number.
    Number(u32),
}

/// The id ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    scheme: Scheme,
    n_slots: u32,
    n_classes: u32,
    class_len: u32,
    has_near: bool,
    /// First id of each level of later digits, from level 1 on, then of the commands.
    later: Vec<u32>,
    commands: Vec<Command>,
    command_ids: FxHashMap<Command, i32>,
}

impl Vocabulary {
    /// The ids of a scheme with so many slots.
    pub fn new(scheme: Scheme, digits: &Digits, n_slots: usize) -> Self {
        let commands = match scheme {
            Scheme::Valence => valence_commands(),
            Scheme::Deferred => deferred_commands(),
        };
        let n_classes = match scheme {
            Scheme::Valence => CLASS_VALENCES.count() as u32,
            Scheme::Deferred => MOST_CLOSES + 1,
        };
        let n_first = N_FIRST as u32 * (1 + u32::from(digits.has_near()));
        let class_len = n_slots as u32 + n_first;
        let mut later = vec![n_classes * class_len];
        for bits in &digits.bits()[1..] {
            later.push(later[later.len() - 1] + (1 << (3 * bits)));
        }
        let first_command = later[later.len() - 1] as i32;
        Self {
            scheme,
            command_ids: commands.iter().copied().zip(first_command..).collect(),
            n_slots: n_slots as u32,
            n_classes,
            class_len,
            has_near: digits.has_near(),
            later,
            commands,
        }
    }

    /// Number of ids.
    pub fn size(&self) -> u32 {
        self.first_number() + N_NUMBERS
    }

    /// Number of classes.
    pub fn n_classes(&self) -> u32 {
        self.n_classes
    }

    /// Distance between the ids of two classes.
    pub fn class_len(&self) -> u32 {
        self.class_len
    }

    /// The commands with their ids, in ascending order.
    pub fn commands(&self) -> impl Iterator<Item = (i32, Command)> + '_ {
        (self.first_command() as i32..).zip(self.commands.iter().copied())
    }

    fn first_command(&self) -> u32 {
        self.later[self.later.len() - 1]
    }

    fn first_number(&self) -> u32 {
        self.first_command() + self.commands.len() as u32
    }

    /// Id of a slot.
    pub fn slot(&self, class: u32, slot: u32) -> i32 {
        (class * self.class_len + slot) as i32
    }

    /// Id of a first digit.
    pub fn first(&self, class: u32, form: Form, digit: u32) -> i32 {
        let near = match form {
            Form::Full => 0,
            Form::Near => N_FIRST as u32,
        };
        (class * self.class_len + self.n_slots + near + digit) as i32
    }

    /// Id of a digit at level 1 or later; the near form shares level 1.
    pub fn later(&self, level: usize, digit: u32) -> i32 {
        (self.later[level - 1] + digit) as i32
    }

    /// Id of a command, if it has one.
    pub fn command(&self, command: Command) -> Option<i32> {
        self.command_ids.get(&command).copied()
    }

    /// Id of a number below [`N_NUMBERS`].
    pub fn number(&self, number: u32) -> i32 {
        (self.first_number() + number) as i32
    }

    /// Appends a number of any size.
    pub fn push_number(&self, mut number: u32, tokens: &mut Vec<i32>) {
        while number >= GOES_ON {
            tokens.push(self.number(GOES_ON));
            number -= GOES_ON;
        }
        tokens.push(self.number(number));
    }

    /// How many numbers follow a command.
    pub fn n_numbers(&self, command: Command) -> usize {
        let n_free = usize::from(self.scheme == Scheme::Valence);
        match command {
            Command::FarValence | Command::FarLoop => 1,
            Command::FarSplitAhead | Command::FarSplitBehind => 1 + n_free,
            Command::Merge => 2 + n_free,
            _ => 0,
        }
    }

    /// What an id stands for; nothing for one outside the vocabulary.
    pub fn token(&self, id: i32) -> Option<Token> {
        let id = u32::try_from(id).ok().filter(|&id| id < self.size())?;
        if id >= self.first_number() {
            return Some(Token::Number(id - self.first_number()));
        }
        if id >= self.first_command() {
            let command = self.commands[(id - self.first_command()) as usize];
            return Some(Token::Command(command));
        }
        if id >= self.later[0] {
            let level = self.later.partition_point(|&first| first <= id);
            return Some(Token::Later(level, id - self.later[level - 1]));
        }
        let (class, rest) = (id / self.class_len, id % self.class_len);
        Some(match rest.checked_sub(self.n_slots) {
            None => Token::Slot(class, rest),
            Some(digit) if digit < N_FIRST as u32 => Token::First(class, Form::Full, digit),
            Some(digit) => Token::First(class, Form::Near, digit - N_FIRST as u32),
        })
    }

    /// Whether vertices near the origin have a form of their own.
    pub fn has_near(&self) -> bool {
        self.has_near
    }
}

fn valence_commands() -> Vec<Command> {
    let is_class = |valence: &u32| CLASS_VALENCES.contains(valence);
    let valences = (3..=MOST_VALENCE).filter(|valence| !is_class(valence));
    let splits = VALENCE_SPLIT_STEPS.flat_map(|steps| {
        (0..=VALENCE_SPLIT_FREE).map(move |n_free| Command::Split(Offset::Ahead(steps), n_free))
    });
    valences
        .map(Command::Valence)
        .chain([Command::FarValence])
        .chain((3..=MOST_LOOP).map(Command::Loop))
        .chain([Command::FarLoop])
        .chain(splits)
        .chain([
            Command::FarSplitAhead,
            Command::FarSplitBehind,
            Command::Merge,
            Command::Leave,
        ])
        .collect()
}

fn deferred_commands() -> Vec<Command> {
    let splits = |offset: fn(u32) -> Offset| {
        DEFERRED_SPLIT_STEPS.map(move |steps| Command::Split(offset(steps), 0))
    };
    [
        Command::CloseAhead,
        Command::CloseBehind,
        Command::Boundary,
        Command::Leave,
    ]
    .into_iter()
    .chain(splits(Offset::Ahead))
    .chain(splits(Offset::Behind))
    .chain([
        Command::FarSplitAhead,
        Command::FarSplitBehind,
        Command::Merge,
    ])
    .collect()
}
