//! Reads token ids as what they say, one thing after another.

use super::vocabulary::{Token, Vocabulary};
use crate::mesh::GridPoint;
use crate::{MeshError, Result};

/// What the next ids say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A component begins.
    Component,
    /// A layer, or the component, ends.
    LayerEnd,
    /// A vertex.
    Vertex(GridPoint),
    /// In-layer value of the last vertex, as in [`Token::InLayer`].
    InLayer(usize),
    /// Between-layer value of the last vertex: column and window code.
    BetweenLayer(usize, u8),
}

/// The events of a sequence, up to its end or to a position that cannot be read.
///
/// An id that no sequence can have there is an error.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    vocabulary: &'a Vocabulary,
    tokens: &'a [i32],
    at: usize,
    last_block: Option<i32>,
    is_in_component: bool,
    is_in_layer: bool,
}

impl<'a> Events<'a> {
    /// Starts at the first token.
    pub fn new(vocabulary: &'a Vocabulary, tokens: &'a [i32]) -> Self {
        Self {
            vocabulary,
            tokens,
            at: 0,
            last_block: None,
            is_in_component: false,
            is_in_layer: false,
        }
    }

    fn read(&mut self) -> Result<Option<Event>> {
        let position = self.at;
        let fail = |reason| Err(MeshError::InvalidTokens { position, reason });
        let rest = self.tokens.get(position..).unwrap_or_default();
        let token = rest
            .first()
            .map_or(Token::End, |&id| self.vocabulary.token(id));
        if token == Token::End {
            return Ok(None);
        }
        if !self.is_in_component && token != Token::Component {
            return fail("no component has begun");
        }
        let mut n_read = 1;
        let event = match token {
            Token::Component => {
                self.is_in_component = true;
                self.is_in_layer = false;
                Event::Component
            }
            Token::LayerEnd => {
                self.is_in_layer = false;
                Event::LayerEnd
            }
            Token::InLayer(_) | Token::BetweenLayer(..) if !self.is_in_layer => {
                return fail("topology before the first vertex of a layer");
            }
            Token::InLayer(value) => Event::InLayer(value),
            Token::BetweenLayer(column, code) => Event::BetweenLayer(column, code),
            Token::Coordinate(_) => {
                let read = self.vocabulary.read_position(rest, &mut self.last_block);
                let Some((point, n)) = read else {
                    return Ok(None);
                };
                n_read = n;
                self.is_in_layer = true;
                Event::Vertex(point)
            }
            Token::End => return Ok(None),
        };
        self.at += n_read;
        Ok(Some(event))
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
