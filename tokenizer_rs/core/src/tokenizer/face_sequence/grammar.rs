//! Which tokens may follow in a sequence of sorted faces.
//!
//! A sequence is a positive multiple of nine coordinates. A position is one number,
//! `(z * bins + y) * bins + x`; the corners of a face are distinct with the lowest first, and faces ascend in the
//! order of the sequence (equal ones may repeat). That bounds the number of each corner from below given what came
//! before, and as x is written first and weighs least, a coordinate is allowed if some number with it
//! and the coordinates before it is in bounds.

use super::order::Order;
use crate::tokenizer::grammar::{not_allowed, Grammar, TokenMask};
use crate::Result;

/// The numbers of the corners of a face.
type Corners = [i64; 3];

/// The state of one sequence of faces.
#[derive(Debug, Clone)]
pub struct FaceSequenceGrammar {
    order: Order,
    bins: i64,
    /// The face before.
    previous: Option<Corners>,
    /// The face being written; only corners before `corner` are known.
    corners: Corners,
    corner: usize,
    axis: usize,
    /// What the known coordinates of the corner add to its number.
    known: i64,
    n_read: usize,
}

impl FaceSequenceGrammar {
    /// The state before the first token.
    pub fn new(order: Order, bins: u32) -> Self {
        Self {
            order,
            bins: i64::from(bins),
            previous: None,
            corners: [0; 3],
            corner: 0,
            axis: 0,
            known: 0,
            n_read: 0,
        }
    }

    /// What one step of the coordinate adds to the number of its position.
    fn weight(&self) -> i64 {
        self.bins.pow(self.axis as u32)
    }

    /// The lowest and the highest number of the corner, and one between them that it must not have.
    fn bounds(&self) -> (i64, i64, Option<i64>) {
        let highest = self.bins.pow(3) - 1;
        let [v0, v1, _] = self.corners;
        match self.corner {
            // Two distinct corners must find a place above.
            0 => (self.previous.map_or(0, |face| face[0]), highest - 2, None),
            1 => (self.least_second(v0), highest, None),
            _ => (self.least_third(v0, v1), highest, Some(v1)),
        }
    }

    fn least_second(&self, v0: i64) -> i64 {
        match self.previous {
            Some([p0, p1, p2]) if p0 == v0 => match self.order {
                Order::MeshGpt => p1.min(p2),
                Order::MeshXl => p1,
            },
            _ => v0 + 1,
        }
    }

    fn least_third(&self, v0: i64, v1: i64) -> i64 {
        let Some([p0, p1, p2]) = self.previous else {
            return v0 + 1;
        };
        if p0 != v0 {
            return v0 + 1;
        }
        match self.order {
            Order::MeshGpt => {
                let (low, high) = (p1.min(p2), p1.max(p2));
                if v1 == low {
                    high
                } else if v1 < high {
                    low + 1
                } else {
                    low
                }
            }
            Order::MeshXl if p1 == v1 => p2,
            Order::MeshXl => v0 + 1,
        }
    }

    /// Coordinates that some number in bounds goes on from.
    fn coordinates(&self) -> impl Iterator<Item = i32> + '_ {
        let (low, high, excluded) = self.bounds();
        let step = self.weight() * self.bins;
        (0..self.bins).filter_map(move |digit| {
            let known = self.known + digit * self.weight();
            let first = (low - known).max(0).div_euclid(step)
                + i64::from((low - known).max(0).rem_euclid(step) > 0);
            let last = (high - known).div_euclid(step);
            let is_excluded = excluded
                .is_some_and(|number| (low..=high).contains(&number) && number % step == known);
            (last - first + 1 > i64::from(is_excluded)).then_some(digit as i32)
        })
    }
}

impl Grammar for FaceSequenceGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        self.coordinates().for_each(|digit| mask.insert(digit));
    }

    fn advance(&mut self, token: i32) -> Result<()> {
        if !self.coordinates().any(|digit| digit == token) {
            return Err(not_allowed(
                self.n_read,
                "no face in order has this coordinate here",
            ));
        }
        self.known += i64::from(token) * self.weight();
        self.n_read += 1;
        self.axis = (self.axis + 1) % 3;
        if self.axis == 0 {
            self.corners[self.corner] = std::mem::take(&mut self.known);
            self.corner = (self.corner + 1) % 3;
            if self.corner == 0 {
                self.previous = Some(self.corners);
            }
        }
        Ok(())
    }

    fn can_end(&self) -> bool {
        self.n_read > 0 && self.n_read.is_multiple_of(9)
    }

    fn closing_token(&self) -> Option<i32> {
        if self.can_end() {
            return None;
        }
        // A third corner off the row of the first: faces of a short way have an area.
        let row = (self.corners[0] / self.bins % self.bins) as i32;
        let is_turn = self.corner == 2 && self.axis == 1;
        self.coordinates()
            .find(|&digit| !is_turn || digit != row)
            .or_else(|| self.coordinates().next())
    }

    fn boxed_clone(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }

    fn tokens_to_end(&self) -> usize {
        if self.can_end() {
            0
        } else {
            9 - self.n_read % 9
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: u32 = 2;

    fn number(point: &[i32]) -> i32 {
        (point[2] * BINS as i32 + point[1]) * BINS as i32 + point[0]
    }

    /// What the faces of a sequence are sorted by; nothing if a corner is out of place.
    fn face_key(order: Order, tokens: &[i32]) -> Option<[i32; 3]> {
        let mut corners = [0, 1, 2].map(|i| number(&tokens[3 * i..3 * i + 3]));
        let [a, b, c] = corners;
        if a >= b || a >= c || b == c {
            return None;
        }
        if order == Order::MeshGpt {
            corners.sort_unstable();
        }
        Some(corners)
    }

    /// All continuations of `first` by one face of 2 x 2 x 2 positions.
    fn faces_allowed_after(order: Order, first: &[i32]) -> Vec<Vec<i32>> {
        let mut start = FaceSequenceGrammar::new(order, BINS);
        first
            .iter()
            .for_each(|&token| start.advance(token).unwrap());
        let mut open = vec![(start, Vec::new())];
        for _ in 0..9 {
            let mut longer = Vec::new();
            for (state, tokens) in &open {
                let mut mask = TokenMask::new(BINS as usize);
                state.allowed(&mut mask);
                assert!(!mask.is_empty(), "no way on from {first:?} {tokens:?}");
                for token in mask.iter() {
                    let mut next = state.clone();
                    next.advance(token).unwrap();
                    longer.push((next, [tokens.as_slice(), &[token]].concat()));
                }
            }
            open = longer;
        }
        assert!(open.iter().all(|(state, _)| state.can_end()));
        open.into_iter().map(|(_, tokens)| tokens).collect()
    }

    #[test]
    fn exactly_the_faces_in_order_are_allowed() {
        for order in [Order::MeshGpt, Order::MeshXl] {
            let all: Vec<Vec<i32>> = (0..512)
                .map(|bits| (0..9).map(|i| bits >> i & 1).collect::<Vec<i32>>())
                .filter(|tokens| face_key(order, tokens).is_some())
                .collect();
            assert_eq!(all.len(), 8 * 7 * 6 / 3);
            assert_eq!(faces_allowed_after(order, &[]).len(), all.len());
            for first in &all {
                let expected = all
                    .iter()
                    .filter(|face| face_key(order, face) >= face_key(order, first))
                    .count();
                assert_eq!(faces_allowed_after(order, first).len(), expected);
            }
        }
    }

    #[test]
    fn the_shortest_sequence_has_an_area() {
        for order in [Order::MeshGpt, Order::MeshXl] {
            for bins in [2, 128] {
                let mut state = FaceSequenceGrammar::new(order, bins);
                let mut tokens = Vec::new();
                while let Some(token) = state.closing_token() {
                    state.advance(token).unwrap();
                    tokens.push(token);
                }
                assert_eq!(tokens, [0, 0, 0, 0, 0, 1, 0, 1, 0]);
            }
        }
    }

    #[test]
    fn every_state_is_a_short_way_from_an_end() {
        let mut state = FaceSequenceGrammar::new(Order::MeshGpt, 128);
        assert_eq!(state.tokens_to_end(), 9);
        state.advance(127).unwrap();
        while let Some(token) = state.closing_token() {
            state.advance(token).unwrap();
        }
        assert_eq!(state.n_read, 9);
        assert!(state.can_end());
        assert_eq!(state.advance(128).unwrap_err().code(), "INVALID_TOKENS");
    }
}
