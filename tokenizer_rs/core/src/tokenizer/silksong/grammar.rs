//! Which tokens may follow in a Silksong sequence (Mesh Silksong, arXiv 2507.02477).
//!
//! ```text
//! C  position  U  ( position  In0 In1*  Out+ )+  U  ...  E  ( C ... | end )
//! ```
//!
//! The end may come once a face is certain; until then the short way to it writes a triangle.

mod closing;

use super::first_face::FirstFace;
use super::vocabulary::{Token, VertexMode, Vocabulary, COMPONENT, COMPONENT_END, LAYER_END};
use super::Conformance;
use crate::tokenizer::grammar::{not_allowed, Grammar, TokenMask};
use crate::Result;

/// Rows of at most this many bits are written by their head alone.
const HEAD_BITS: usize = 8;
/// Most tokens of a component of one triangle, and of a vertex that is being written.
const DETOUR: usize = 16 + 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first component, or after one has ended.
    Between,
    /// Before the position of a vertex, or after so many ids of it.
    Position(usize),
    /// After the position of the single vertex of layer 0.
    Start,
    /// After the position of a vertex of a later layer.
    Vertex,
    /// After in-layer tokens; the least offset that may follow.
    InLayer(usize),
    /// After between-layer tokens; the least column that may follow.
    BetweenLayers(usize),
}

/// The state of one Silksong sequence.
#[derive(Debug, Clone)]
pub struct SilksongGrammar {
    vocabulary: Vocabulary,
    /// The least offset that a row may name outside its head.
    least_offset: usize,
    conformance: Conformance,
    layer_number_limit: usize,
    place: Place,
    n_read: usize,
    layer_index: usize,
    n_layer: usize,
    n_previous: usize,
    /// The ids of the position being written.
    position: [i32; 3],
    /// Whether there is a face, whatever follows.
    has_face: bool,
    first_face: FirstFace,
    /// The least length of the layer that reaches all its offsets.
    n_reached: usize,
}

impl SilksongGrammar {
    /// The state before the first token.
    pub fn new(
        vocabulary: Vocabulary,
        conformance: Conformance,
        layer_number_limit: usize,
    ) -> Self {
        Self {
            vocabulary,
            // At the extended level the offsets that a head covers name a ring instead.
            least_offset: match conformance {
                Conformance::Reference => HEAD_BITS,
                Conformance::Extended => 0,
            },
            conformance,
            layer_number_limit,
            place: Place::Between,
            n_read: 0,
            layer_index: 0,
            n_layer: 0,
            n_previous: 0,
            position: [0; 3],
            has_face: false,
            first_face: FirstFace::default(),
            n_reached: 0,
        }
    }

    fn ids_per_position(&self) -> usize {
        match self.vocabulary.mode() {
            VertexMode::Xyz => 3,
            VertexMode::BlockOffset => 2,
        }
    }

    fn tokens_per_vertex(&self) -> usize {
        self.ids_per_position() + 2
    }

    /// Whether an offset beyond its layer would break the sequence off before there is a face: at the reference
    /// level.
    fn can_break_off(&self) -> bool {
        self.conformance == Conformance::Reference && !self.has_face
    }

    fn may_close_layer(&self) -> bool {
        !self.can_break_off() || self.n_layer >= self.n_reached
    }

    fn may_start_layer(&self) -> bool {
        self.layer_index + 1 < self.layer_number_limit
    }

    fn may_add_vertex(&self) -> bool {
        self.n_layer < self.vocabulary.layer_vertices()
    }

    /// The first offset that a row may name outside its head, and the first that it may not.
    fn offsets(&self, least: usize) -> (i32, i32) {
        let most = self.vocabulary.layer_vertices() - 1 - HEAD_BITS;
        let first = least.max(self.least_offset).min(most);
        (self.vocabulary.offset(first), self.vocabulary.offset(most))
    }
}

impl Grammar for SilksongGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        let vocabulary = &self.vocabulary;
        let columns_from = |mask: &mut TokenMask, least: usize| {
            if least < self.n_previous {
                mask.insert_range(
                    vocabulary.between(least, 0),
                    vocabulary.between(self.n_previous, 0),
                );
            }
        };
        let offsets_from = |mask: &mut TokenMask, least: usize| {
            let (first, end) = self.offsets(least);
            mask.insert_range(first, end);
        };
        match self.place {
            Place::Between => mask.insert(COMPONENT),
            Place::Position(n) => {
                let (first, end) = vocabulary.position_ids(n);
                mask.insert_range(first, end);
            }
            Place::Start => mask.insert(LAYER_END),
            Place::Vertex => mask.insert_range(vocabulary.head(0), vocabulary.head(u8::MAX) + 1),
            Place::InLayer(least) => {
                offsets_from(mask, least);
                columns_from(mask, 0);
            }
            Place::BetweenLayers(least) => {
                columns_from(mask, least);
                if self.may_close_layer() {
                    mask.insert(COMPONENT_END);
                    if self.may_start_layer() {
                        mask.insert(LAYER_END);
                    }
                }
                if self.may_add_vertex() {
                    let (first, end) = vocabulary.position_ids(0);
                    mask.insert_range(first, end);
                }
            }
        }
    }

    fn advance(&mut self, token: i32) -> Result<()> {
        let mut mask = TokenMask::new(self.vocabulary.size() as usize);
        self.allowed(&mut mask);
        if !mask.contains(token) {
            return Err(not_allowed(
                self.n_read,
                "it may not follow the tokens before it",
            ));
        }
        self.place = match (self.vocabulary.token(token), self.place) {
            (Token::Component, _) => {
                self.layer_index = 0;
                self.n_layer = 0;
                self.n_previous = 0;
                self.first_face.clear();
                Place::Position(0)
            }
            (Token::LayerEnd, _) if token == COMPONENT_END => {
                self.close_layer();
                Place::Between
            }
            (Token::LayerEnd, _) => {
                self.close_layer();
                self.n_previous = self.n_layer;
                self.n_layer = 0;
                self.layer_index += 1;
                Place::Position(0)
            }
            (Token::InLayer(value), _) => {
                self.take_in_layer(value);
                let head = value.checked_sub(self.vocabulary.layer_vertices());
                Place::InLayer(head.map_or(value + 1, |_| 0))
            }
            (Token::BetweenLayer(column, _), _) => Place::BetweenLayers(column + 1),
            (Token::Coordinate(_) | Token::End, place) => {
                let n = match place {
                    Place::Position(n) => n + 1,
                    _ => 1,
                };
                self.position[n - 1] = token;
                if n < self.ids_per_position() {
                    Place::Position(n)
                } else {
                    self.take_vertex();
                    if self.layer_index == 0 {
                        Place::Start
                    } else {
                        Place::Vertex
                    }
                }
            }
        };
        self.n_read += 1;
        Ok(())
    }

    fn can_end(&self) -> bool {
        self.place == Place::Between && self.has_face
    }

    fn closing_token(&self) -> Option<i32> {
        match self.place {
            Place::Between if self.has_face => None,
            Place::Between => Some(COMPONENT),
            Place::Position(n) => Some(self.closing_coordinate(n)),
            Place::Start => Some(LAYER_END),
            Place::Vertex => Some(self.closing_head()),
            Place::InLayer(_) => Some(self.vocabulary.between(0, 1)),
            Place::BetweenLayers(_) => Some(self.closing_layer()),
        }
    }

    fn longest_detour(&self) -> usize {
        let most = if self.can_break_off() {
            self.vocabulary.layer_vertices()
        } else {
            0
        };
        DETOUR + most * self.tokens_per_vertex()
    }

    fn detour(&self) -> usize {
        match self.place {
            Place::InLayer(_) => self.longest_detour(),
            _ => DETOUR,
        }
    }

    fn most_tokens_to_end(&self) -> usize {
        let n_missing = if self.can_break_off() {
            self.n_reached.saturating_sub(self.n_layer)
        } else {
            0
        };
        // What is open, and a triangle after it.
        2 * DETOUR + n_missing * self.tokens_per_vertex()
    }

    fn boxed_clone(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
