//! Where the next vertex is expected: five predictors from the vertices around the gate.

use crate::mesh::GridPoint;

/// Number of predictors.
pub const N_PREDICTORS: usize = 5;

/// The predictors by name, in the order of their numbers: the parallelogram over the gate, the fourth corner
/// of the quad that ends the fan, the two ends of the gate, and the parallelogram over the next edge.
pub const PREDICTOR_NAMES: [&str; N_PREDICTORS] = ["A", "Q", "P", "G", "E"];

/// The vertices around a gate, each [`super::ring::NONE`] where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSurroundings {
    /// Start of the gate.
    pub p: u32,
    /// End of the gate, the vertex whose fan is being completed.
    pub f: u32,
    /// Third vertex inside the gate.
    pub x: u32,
    /// Successor of `f` in the ring.
    pub s: u32,
    /// Third vertex inside the edge from `f` to `s`.
    pub y: u32,
}

/// What each predictor expects, and the positions that would make a face without area of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Predictions {
    /// Expected position by predictor, possibly outside the grid; none for a component's first vertex.
    pub expected: [Option<GridPoint>; N_PREDICTORS],
    /// Positions of vertices that the new one shares a face with.
    pub taken: [Option<GridPoint>; 2],
}

impl Predictions {
    /// Nothing is known: the first vertex of a component.
    pub const NOTHING: Self = Self {
        expected: [None; N_PREDICTORS],
        taken: [None; 2],
    };

    /// Where the second vertex of a component is expected.
    pub fn second(first: GridPoint) -> Self {
        Self {
            expected: [Some(first); N_PREDICTORS],
            taken: [Some(first), None],
        }
    }

    /// Where the third vertex of a component is expected.
    pub fn third(first: GridPoint, second: GridPoint) -> Self {
        Self {
            expected: [first, second, first, second, second].map(Some),
            taken: [Some(first), Some(second)],
        }
    }

    /// Where the vertex over a gate is expected; `position` gives none for dummies and missing vertices.
    pub fn at_gate(gate: &GateSurroundings, position: impl Fn(u32) -> Option<GridPoint>) -> Self {
        let (real_p, real_f) = (position(gate.p), position(gate.f));
        // Only one end of a gate can be a dummy; the other stands in for it.
        let (Some(p), Some(f)) = (real_p.or(real_f), real_f.or(real_p)) else {
            return Self::NOTHING;
        };
        let (x, s, y) = (position(gate.x), position(gate.s), position(gate.y));
        let parallelogram = |a: GridPoint, b: GridPoint, across: GridPoint| {
            [0, 1, 2].map(|i| a[i] + b[i] - across[i])
        };
        Self {
            expected: [
                Some(x.map_or(p, |x| parallelogram(p, f, x))),
                s.map(|s| parallelogram(p, s, f)),
                Some(p),
                Some(f),
                s.zip(y).map(|(s, y)| parallelogram(f, s, y)),
            ],
            taken: [real_p, real_f],
        }
    }

    /// The position digits are relative to, where there is one.
    pub fn origin(&self) -> Option<GridPoint> {
        self.expected[0]
    }
}
