//! Tokens in words.

use super::digits::Form;
use super::operation::Offset;
use super::prediction::PREDICTOR_NAMES;
use super::vocabulary::{Command, Token, CLASS_VALENCES, GOES_ON, MOST_CLOSES};
use super::{Format, Scheme};

impl Format {
    /// What a token stands for, in a few words.
    pub fn describe(&self, token: i32) -> String {
        match self.vocabulary.token(token) {
            None => "no token of this vocabulary".into(),
            Some(Token::Slot(class, slot)) => {
                let slot = self.slots.list()[slot as usize];
                let [x, y, z] = slot.residual;
                let name = PREDICTOR_NAMES[slot.predictor];
                format!(
                    "vertex {}, {name} {x:+} {y:+} {z:+}",
                    self.describe_class(class)
                )
            }
            Some(Token::First(class, form, digit)) => {
                let near = match form {
                    Form::Full => "",
                    Form::Near => "near ",
                };
                let class = self.describe_class(class);
                format!("vertex {class}, first {near}digit {digit}")
            }
            Some(Token::Later(level, digit)) => format!("digit {digit} of level {level}"),
            Some(Token::Number(GOES_ON)) => format!("number, {GOES_ON} more"),
            Some(Token::Number(number)) => format!("number {number}"),
            Some(Token::Command(command)) => describe_command(self.scheme, command),
        }
    }

    fn describe_class(&self, class: u32) -> String {
        match (self.scheme, class) {
            (Scheme::Valence, _) => format!("of valence {}", CLASS_VALENCES.start() + class),
            (Scheme::Deferred, 0) => "that closes nothing".into(),
            (Scheme::Deferred, MOST_CLOSES) => format!("that closes {class} or more faces"),
            (Scheme::Deferred, _) => format!("that closes {class} face"),
        }
    }
}

fn describe_command(scheme: Scheme, command: Command) -> String {
    let place = |offset| match offset {
        Offset::Ahead(steps) => format!("{steps} ahead"),
        Offset::Behind(steps) => format!("{steps} behind"),
    };
    match command {
        Command::Valence(valence) => format!("the next vertex has valence {valence} instead"),
        Command::FarValence => "the next vertex has a large valence; a number follows".into(),
        Command::Loop(length) => format!("boundary loop of {length} edges"),
        Command::FarLoop => "long boundary loop; a number follows".into(),
        Command::Split(offset, n_free) if scheme == Scheme::Valence => {
            format!("split {}, {n_free} free edges", place(offset))
        }
        Command::Split(offset, _) => format!("split {}", place(offset)),
        Command::FarSplitAhead => "split ahead; numbers follow".into(),
        Command::FarSplitBehind => "split behind; numbers follow".into(),
        Command::Merge => "merge of two rings; numbers follow".into(),
        Command::CloseAhead => "face closed ahead".into(),
        Command::CloseBehind => "face closed behind".into(),
        Command::Boundary => "boundary edge".into(),
        Command::Leave => "the rest of the ring is boundary".into(),
    }
}
