//! Which tokens may follow in an EdgeRunner sequence.
//!
//! ```text
//! lr_absco, lr   ( BOM c*9 ( (L|R) c*3 )* )+
//! clers          ( BOM c*9 chain EOM )+        chain = ( (C|L|R) c*3 )* ( S c*3 chain c*3 chain | E )
//! ```
//!
//! An E that does not end a sub-mesh is followed by the vertex of a step to the right of the face that waits;
//! it stands between the two chains of an S. Only values that stay on the grid are allowed, so that what is
//! decoded lies in `[-1, 1]`.

use super::vocabulary::{Engine, Operation, Vocabulary};
use crate::mesh::GridPoint;
use crate::tokenizer::grammar::{not_allowed, Grammar, TokenMask};
use crate::Result;

type Corners = [GridPoint; 3];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a sub-mesh.
    Between,
    /// Inside the vertices of a first face: how many are complete, how many ids of the next.
    Begin(usize, usize),
    /// At an operation.
    Operation,
    /// Inside the vertex of a step: whether it goes right, how many ids of it.
    Step(bool, usize),
    /// After the E that ends a sub-mesh.
    Ended,
}

/// The state of one EdgeRunner sequence.
#[derive(Debug, Clone)]
pub struct EdgeRunnerGrammar {
    vocabulary: Vocabulary,
    place: Place,
    n_read: usize,
    has_submesh: bool,
    /// The last face.
    corners: Corners,
    /// What the next vertex is written relative to.
    base: GridPoint,
    /// The coordinates of the next vertex that are known.
    point: GridPoint,
    waiting: Vec<Corners>,
}

impl EdgeRunnerGrammar {
    /// The state before the first token.
    pub fn new(vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary,
            place: Place::Between,
            n_read: 0,
            has_submesh: false,
            corners: Corners::default(),
            base: GridPoint::default(),
            point: GridPoint::default(),
            waiting: Vec::new(),
        }
    }

    fn is_clers(&self) -> bool {
        self.vocabulary.engine() == Engine::Clers
    }

    /// The ids that keep an axis of the next vertex on the grid.
    fn coordinate_ids(&self, axis: usize) -> (i32, i32) {
        let (first, end) = self.vocabulary.values();
        let base = self.base[axis];
        let offset = self.vocabulary.offset();
        (
            first.max(-base) + offset,
            end.min(self.vocabulary.bins() - base) + offset,
        )
    }

    /// 1 where corner `n` of a first face that is cut short steps aside, so that the face has an area.
    fn aside(&self, n: usize, axis: usize) -> i32 {
        let is_turn = matches!((n, axis), (1, 0) | (2, 1));
        i32::from(is_turn && self.corners[0][axis] == 0)
    }

    fn begin_step(&mut self, is_right: bool) {
        if self.vocabulary.engine().is_relative() {
            let [v0, v1, v2] = self.corners;
            let (kept, across) = if is_right { (v1, v2) } else { (v2, v1) };
            self.base = [0, 1, 2].map(|axis| v0[axis] + kept[axis] - across[axis]);
        }
        self.place = Place::Step(is_right, 0);
    }

    fn take_operation(&mut self, operation: Operation) {
        match operation {
            Operation::Begin => {
                self.base = GridPoint::default();
                self.place = Place::Begin(0, 0);
            }
            Operation::EndMesh => self.place = Place::Between,
            Operation::End => match self.waiting.pop() {
                Some(corners) => {
                    self.corners = corners;
                    self.begin_step(true);
                }
                None => self.place = Place::Ended,
            },
            Operation::Split => {
                self.waiting.push(self.corners);
                self.begin_step(false);
            }
            Operation::Create | Operation::Left => self.begin_step(false),
            Operation::Right => self.begin_step(true),
        }
    }

    fn take_coordinate(&mut self, axis: usize, token: i32) {
        self.point[axis] = token - self.vocabulary.offset() + self.base[axis];
        self.place = match (self.place, axis) {
            (Place::Begin(n, _), 2) => {
                self.corners[n] = self.point;
                if self.vocabulary.engine().is_relative() {
                    self.base = self.point;
                }
                if n == 2 {
                    self.has_submesh = true;
                    Place::Operation
                } else {
                    Place::Begin(n + 1, 0)
                }
            }
            (Place::Step(is_right, _), 2) => {
                let [v0, v1, v2] = self.corners;
                let (second, third) = if is_right { (v1, v0) } else { (v0, v2) };
                self.corners = [self.point, second, third];
                Place::Operation
            }
            (Place::Begin(n, _), _) => Place::Begin(n, axis + 1),
            (Place::Step(is_right, _), _) => Place::Step(is_right, axis + 1),
            (place, _) => place,
        };
    }

    /// Tokens from an operation to the end of the sub-mesh.
    fn operations_to_end(&self) -> usize {
        if self.is_clers() {
            4 * self.waiting.len() + 2
        } else {
            0
        }
    }
}

impl Grammar for EdgeRunnerGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        let id = |operation| self.vocabulary.operation(operation);
        match self.place {
            Place::Between => mask.insert(id(Operation::Begin)),
            Place::Begin(_, axis) | Place::Step(_, axis) => {
                let (first, end) = self.coordinate_ids(axis);
                mask.insert_range(first, end);
            }
            Place::Operation if self.is_clers() => {
                mask.insert_range(id(Operation::Create), id(Operation::Begin));
            }
            Place::Operation => mask.insert_range(id(Operation::Left), id(Operation::Begin) + 1),
            Place::Ended => mask.insert(id(Operation::EndMesh)),
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
        match (self.vocabulary.operation_of(token), self.place) {
            (Some(operation), _) => self.take_operation(operation),
            (None, Place::Begin(_, axis) | Place::Step(_, axis)) => {
                self.take_coordinate(axis, token);
            }
            (None, _) => {}
        }
        self.n_read += 1;
        Ok(())
    }

    fn can_end(&self) -> bool {
        let place = if self.is_clers() {
            Place::Between
        } else {
            Place::Operation
        };
        self.has_submesh && self.place == place
    }

    fn closing_token(&self) -> Option<i32> {
        match self.place {
            _ if self.can_end() => None,
            Place::Between => Some(self.vocabulary.operation(Operation::Begin)),
            Place::Begin(n, axis) => Some(self.coordinate_ids(axis).0 + self.aside(n, axis)),
            Place::Step(_, axis) => Some(self.coordinate_ids(axis).0),
            Place::Operation => Some(self.vocabulary.operation(Operation::End)),
            Place::Ended => Some(self.vocabulary.operation(Operation::EndMesh)),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }

    fn tokens_to_end(&self) -> usize {
        match self.place {
            _ if self.can_end() => 0,
            Place::Between => 10 + self.operations_to_end(),
            Place::Begin(n, axis) => 9 - 3 * n - axis + self.operations_to_end(),
            Place::Step(_, axis) => 3 - axis + self.operations_to_end(),
            Place::Operation => self.operations_to_end(),
            Place::Ended => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EdgeRunner;
    use super::*;
    use crate::testing::random_sequence;
    use crate::tokenizer::edgerunner::Sort;
    use crate::Tokenizer;

    #[test]
    fn random_walks_that_end_properly_decode_onto_the_grid() {
        let mut seed = 1;
        for engine in [Engine::LrAbsco, Engine::Lr, Engine::Clers] {
            for length in 0..80 {
                let tokenizer = EdgeRunner::new(16, engine, Sort::Stable, false).unwrap();
                let tokens = random_sequence(&tokenizer, length, &mut seed);
                let mesh = tokenizer.decode(&tokens).unwrap();
                mesh.check_range().unwrap();
                assert!(!mesh.faces.is_empty());
            }
        }
    }

    #[test]
    fn the_shortest_sequence_has_an_area() {
        for engine in [Engine::LrAbsco, Engine::Lr, Engine::Clers] {
            for bins in [16, 128] {
                let tokenizer = EdgeRunner::new(bins, engine, Sort::Stable, false).unwrap();
                let mesh = tokenizer
                    .decode(&random_sequence(&tokenizer, 0, &mut 1))
                    .unwrap();
                let [a, b, c] = mesh.faces[0].map(|v| mesh.vertices[v as usize]);
                assert!(b[0] > a[0] && c[1] > a[1] && b[1] == a[1] && c[0] == a[0]);
            }
        }
    }

    #[test]
    fn a_token_out_of_place_is_refused_and_changes_nothing() {
        let vocabulary = Vocabulary::new(Engine::Clers, 8).unwrap();
        let mut state = EdgeRunnerGrammar::new(vocabulary);
        assert_eq!(state.advance(0).unwrap_err().code(), "INVALID_TOKENS");
        // The first vertex is absolute: value -1 would lie below the grid.
        state.advance(5).unwrap();
        state.advance(vocabulary.value(-1)).unwrap_err();
        for _ in 0..9 {
            state.advance(vocabulary.value(0)).unwrap();
        }
        state.advance(6).unwrap_err();
        state.advance(2).unwrap();
        assert!(!state.can_end());
        state.advance(6).unwrap();
        assert!(state.can_end());
    }
}
