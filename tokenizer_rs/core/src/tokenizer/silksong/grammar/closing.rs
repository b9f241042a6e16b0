//! The first face of a sequence is waited for, and the short way to the end writes it where it is missing.

use super::{SilksongGrammar, HEAD_BITS};
use crate::tokenizer::silksong::vocabulary::COMPONENT_END;

impl SilksongGrammar {
    /// Whether the vertices may become those of the first face.
    pub(super) fn is_before_face(&self) -> bool {
        !self.has_face && self.layer_index <= 1
    }

    pub(super) fn take_vertex(&mut self) {
        self.n_layer += 1;
        let ids = &self.position[..self.ids_per_position()];
        if let (true, Some((point, _))) = (
            self.is_before_face(),
            self.vocabulary.read_position(ids, &mut None),
        ) {
            self.first_face.push_vertex(point);
        }
    }

    /// Takes a head, or an offset outside of it.
    pub(super) fn take_in_layer(&mut self, value: usize) {
        let head = value.checked_sub(self.vocabulary.layer_vertices());
        let is_offset = head.is_none() && value >= HEAD_BITS;
        if is_offset {
            self.n_reached = self.n_reached.max(value + 2);
        }
        if self.is_before_face() {
            let bits = head.unwrap_or(0);
            let of_head = (0..HEAD_BITS).filter(|bit| bits >> bit & 1 == 1);
            for offset in of_head.chain(is_offset.then_some(value)) {
                self.first_face.push_link(offset);
            }
        }
    }

    pub(super) fn close_layer(&mut self) {
        if self.is_before_face() && self.layer_index == 1 {
            self.has_face = self.first_face.is_certain();
        }
        self.n_reached = 0;
    }

    /// The id at place `n` of a position that brings the first face nearer.
    pub(super) fn closing_coordinate(&self, n: usize) -> i32 {
        let (first, end) = self.vocabulary.position_ids(n);
        if !self.is_before_face() {
            return first;
        }
        if n + 1 < self.ids_per_position() {
            // Off the line of two vertices above each other.
            let is_above = matches!(self.first_face.points(), [[_, 0, _], _]);
            return first + i32::from(n == 1 && is_above);
        }
        let mut ids = self.position;
        let fits = |id: &i32| {
            ids[n] = *id;
            let position = self.vocabulary.read_position(&ids[..=n], &mut None);
            position.is_some_and(|(point, _)| self.first_face.fits(point))
        };
        (first..end).find(fits).unwrap_or(first)
    }

    pub(super) fn closing_head(&self) -> i32 {
        let is_joined =
            self.is_before_face() && (self.n_layer == 1 || self.first_face.would_be_certain());
        self.vocabulary.head(u8::from(is_joined))
    }

    /// The next token on the way from the end of a vertex of a layer.
    pub(super) fn closing_layer(&self) -> i32 {
        let is_edge = match self.first_face.points() {
            [a, b] => self.is_before_face() && self.may_add_vertex() && a != b,
            _ => false,
        };
        if is_edge || !self.may_close_layer() {
            return self.vocabulary.position_ids(0).0;
        }
        COMPONENT_END
    }
}
