//! The id ranges of the three engines.
//!
//! ```text
//! lr_absco   L R BOM          3 ..      + B     coordinates 0 .. B - 1
//! lr         L R BOM          3 ..      + 2 B   residuals  -B .. B - 1
//! clers      C L E R S BOM EOM   9 ..   + 4 B   residuals, ids 7 and 8 stand for none that can occur
//! ```

use crate::{MeshError, Result};

/// Which operations there are and how positions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Left, right and begin; absolute coordinates. The published one.
    #[default]
    LrAbsco,
    /// Left, right and begin; parallelogram residuals.
    Lr,
    /// The operations of EdgeBreaker; parallelogram residuals.
    Clers,
}

impl Engine {
    /// The engine with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "lr_absco" => Ok(Self::LrAbsco),
            "lr" => Ok(Self::Lr),
            "clers" => Ok(Self::Clers),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown engine {name:?}; the engines are: lr_absco, lr, clers"
            ))),
        }
    }

    /// The name of the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::LrAbsco => "lr_absco",
            Self::Lr => "lr",
            Self::Clers => "clers",
        }
    }

    /// Whether positions are written as differences from a prediction.
    pub fn is_relative(self) -> bool {
        self != Self::LrAbsco
    }

    fn operations(self) -> &'static [Operation] {
        use Operation::{Begin, Create, End, EndMesh, Left, Right, Split};
        match self {
            Self::LrAbsco | Self::Lr => &[Left, Right, Begin],
            Self::Clers => &[Create, Left, End, Right, Split, Begin, EndMesh],
        }
    }
}

/// The face type where no neighbour is left: the id of E in clers and of BOM in the others.
pub const END_TYPE: i32 = 2;

/// What the walk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// C: across the edge (tip, end), where the tip was new.
    Create,
    /// L: across the edge (tip, end).
    Left,
    /// E: no neighbour is left.
    End,
    /// R: across the edge (start, tip).
    Right,
    /// S: across (tip, end) first, across (start, tip) later.
    Split,
    /// BOM: a sub-mesh begins with a face of its own.
    Begin,
    /// EOM: a sub-mesh ends.
    EndMesh,
}

impl Operation {
    fn meaning(self) -> &'static str {
        match self {
            Self::Create => "C: next face across (tip, end)",
            Self::Left => "L: next face across (tip, end)",
            Self::End => "E: no next face",
            Self::Right => "R: next face across (start, tip)",
            Self::Split => "S: faces across both edges of the tip",
            Self::Begin => "BOM: a sub-mesh begins",
            Self::EndMesh => "EOM: a sub-mesh ends",
        }
    }
}

/// The id ranges of one tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    engine: Engine,
    bins: i32,
}

impl Vocabulary {
    /// Refuses a resolution outside 2..=65536.
    pub fn new(engine: Engine, resolution: u32) -> Result<Self> {
        if !(2..=65_536).contains(&resolution) {
            return Err(MeshError::InvalidInput(format!(
                "resolution {resolution}; give 2 to 65536 bins per axis"
            )));
        }
        Ok(Self {
            engine,
            bins: resolution as i32,
        })
    }

    /// The published vocabulary: absolute coordinates of 512 bins.
    pub fn standard() -> Self {
        Self {
            engine: Engine::LrAbsco,
            bins: 512,
        }
    }

    /// Operations and coding.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Bins per axis.
    pub fn bins(&self) -> i32 {
        self.bins
    }

    /// Number of ids that can occur, counted from 0.
    pub fn size(&self) -> i32 {
        let (_, end) = self.values();
        self.offset() + end
    }

    /// Id of value 0.
    pub fn offset(&self) -> i32 {
        match self.engine {
            Engine::LrAbsco => 3,
            Engine::Lr => self.bins + 3,
            Engine::Clers => 2 * self.bins + 7,
        }
    }

    /// The first value that can be written, and the first that is too large.
    pub fn values(&self) -> (i32, i32) {
        match self.engine {
            Engine::LrAbsco => (0, self.bins),
            Engine::Lr => (-self.bins, self.bins),
            // A parallelogram reaches one cube's width beyond the cube on either side.
            Engine::Clers => (2 - 2 * self.bins, 2 * self.bins - 1),
        }
    }

    /// Id of a value; the `lr` engine writes -1 for what it has no id for.
    pub fn value(&self, value: i32) -> i32 {
        if self.engine == Engine::Lr && !(-self.bins..self.bins).contains(&value) {
            return -1;
        }
        value + self.offset()
    }

    /// Id of an operation of this engine; -1 for one of another.
    pub fn operation(&self, operation: Operation) -> i32 {
        let operations = self.engine.operations();
        let id = operations.iter().position(|&o| o == operation);
        id.map_or(-1, |id| id as i32)
    }

    /// The operation with this id.
    pub fn operation_of(&self, id: i32) -> Option<Operation> {
        let id = usize::try_from(id).ok()?;
        self.engine.operations().get(id).copied()
    }

    /// What an id stands for, in a few words.
    pub fn describe(&self, id: i32) -> String {
        if let Some(operation) = self.operation_of(id) {
            return operation.meaning().to_string();
        }
        let (first, end) = self.values();
        let value = i64::from(id) - i64::from(self.offset());
        if !(i64::from(first)..i64::from(end)).contains(&value) {
            return "no id of this vocabulary".to_string();
        }
        match self.engine {
            Engine::LrAbsco => format!("coordinate {value}"),
            Engine::Lr | Engine::Clers => format!("residual {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_ids_that_occur() {
        for (engine, size) in [
            (Engine::LrAbsco, 515),
            (Engine::Lr, 1027),
            (Engine::Clers, 2054),
        ] {
            let vocabulary = Vocabulary::new(engine, 512).unwrap();
            assert_eq!(vocabulary.size(), size);
            let (first, end) = vocabulary.values();
            assert_eq!(vocabulary.value(end - 1), size - 1);
            assert_eq!(vocabulary.describe(size), "no id of this vocabulary");
            assert!(vocabulary.operation_of(vocabulary.value(first)).is_none());
        }
    }

    #[test]
    fn residuals_the_lr_engine_cannot_write_become_minus_one() {
        let vocabulary = Vocabulary::new(Engine::Lr, 8).unwrap();
        assert_eq!(
            [-9, -8, 7, 8].map(|value| vocabulary.value(value)),
            [-1, 3, 18, -1]
        );
    }

    #[test]
    fn every_operation_has_its_id_back() {
        for engine in [Engine::LrAbsco, Engine::Lr, Engine::Clers] {
            let vocabulary = Vocabulary::new(engine, 8).unwrap();
            for (id, &operation) in engine.operations().iter().enumerate() {
                assert_eq!(vocabulary.operation(operation), id as i32);
                assert_eq!(vocabulary.operation_of(id as i32), Some(operation));
            }
            assert_eq!(vocabulary.operation_of(-1), None);
            assert_eq!(Engine::from_name(engine.name()), Ok(engine));
        }
    }
}
