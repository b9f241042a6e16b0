//! The id ranges: three control ids, topology, coordinates.
//!
//! ```text
//! 0 C  component begins      3 ..                 extra in-layer offsets   (one per layer vertex)
//! 1 U  layer ends            + layer_vertices     in-layer heads           (256)
//! 2 E  component ends        + 256                between-layer codes      (26 per layer vertex)
//!                            + 26 layer_vertices  coordinates
//! ```

use super::window::N_CODES;
use crate::mesh::GridPoint;
use crate::{Limits, MeshError, Result};

/// A component begins.
pub const COMPONENT: i32 = 0;
/// A layer ends and another follows.
pub const LAYER_END: i32 = 1;
/// The last layer of a component ends.
pub const COMPONENT_END: i32 = 2;
const N_CONTROL: i32 = 3;
const N_HEADS: i32 = 256;

const N_BLOCKS: i32 = 512;
const N_OFFSETS: i32 = 4096;
const BLOCK_RESOLUTION: u32 = 128;

/// How the position of a vertex is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VertexMode {
    /// Three ids: x, y, z.
    Xyz,
    /// Two ids: one of 8x8x8 blocks, one of 16x16x16 offsets in it. For 128 bins only.
    BlockOffset,
}

impl VertexMode {
    /// The mode with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "xyz" => Ok(Self::Xyz),
            "block_offset" => Ok(Self::BlockOffset),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown vertex mode {name:?}; the modes are: xyz, block_offset"
            ))),
        }
    }

    /// The name of the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xyz => "xyz",
            Self::BlockOffset => "block_offset",
        }
    }
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A component begins.
    Component,
    /// A layer ends; the decoder treats both ends alike.
    LayerEnd,
    /// In-layer value: below the number of layer vertices an offset, above a head.
    InLayer(usize),
    /// Between-layer value: column and window code.
    BetweenLayer(usize, u8),
    /// Coordinate value, counted from the first coordinate id.
    Coordinate(i32),
    /// Not an id of this vocabulary: the sequence is over.
    End,
}

/// The id ranges of one tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    resolution: u32,
    mode: VertexMode,
    layer_vertices: i32,
}

impl Vocabulary {
    /// Refuses a resolution the mode cannot write.
    pub fn new(resolution: u32, mode: VertexMode, layer_vertices: usize) -> Result<Self> {
        if !(2..=65_536).contains(&resolution) {
            return Err(MeshError::InvalidInput(format!(
                "resolution {resolution}; give 2 to 65536 bins per axis"
            )));
        }
        if mode == VertexMode::BlockOffset && resolution != BLOCK_RESOLUTION {
            return Err(MeshError::InvalidInput(format!(
                "resolution {resolution} with block_offset; use {BLOCK_RESOLUTION} bins or vertex mode xyz"
            )));
        }
        Ok(Self {
            resolution,
            mode,
            layer_vertices: layer_vertices as i32,
        })
    }

    /// The published vocabulary: 128 bins, blocks and offsets.
    pub fn standard(limits: &Limits) -> Self {
        Self {
            resolution: BLOCK_RESOLUTION,
            mode: VertexMode::BlockOffset,
            layer_vertices: limits.layer_vertices as i32,
        }
    }

    /// Bins per axis.
    pub fn resolution(&self) -> u32 {
        self.resolution
    }

    /// How positions are written.
    pub fn mode(&self) -> VertexMode {
        self.mode
    }

    /// Most vertices in a layer.
    pub fn layer_vertices(&self) -> usize {
        self.layer_vertices as usize
    }

    /// Number of ids.
    pub fn size(&self) -> u32 {
        let coordinates = match self.mode {
            VertexMode::Xyz => self.resolution as i32,
            VertexMode::BlockOffset => N_BLOCKS + N_OFFSETS,
        };
        (self.first_coordinate() + coordinates) as u32
    }

    fn first_head(&self) -> i32 {
        N_CONTROL + self.layer_vertices
    }

    fn first_between(&self) -> i32 {
        self.first_head() + N_HEADS
    }

    fn first_coordinate(&self) -> i32 {
        self.first_between() + self.layer_vertices * i32::from(N_CODES)
    }

    /// Id of an in-layer head.
    pub fn head(&self, bits: u8) -> i32 {
        self.first_head() + i32::from(bits)
    }

    /// Id of an extra in-layer offset.
    pub fn offset(&self, offset: usize) -> i32 {
        N_CONTROL + offset as i32
    }

    /// Id of a between-layer column and window code.
    pub fn between(&self, column: usize, code: u8) -> i32 {
        self.first_between() + column as i32 * i32::from(N_CODES) + i32::from(code)
    }

    /// Appends the ids of a position.
    pub fn push_position(&self, p: &GridPoint, tokens: &mut Vec<i32>) {
        let first = self.first_coordinate();
        match self.mode {
            VertexMode::Xyz => tokens.extend(p.map(|x| first + x)),
            VertexMode::BlockOffset => {
                let block = p.map(|x| x / 16);
                let offset = p.map(|x| x % 16);
                tokens.push(first + block[0] * 64 + block[1] * 8 + block[2]);
                tokens.push(first + N_BLOCKS + offset[0] * 256 + offset[1] * 16 + offset[2]);
            }
        }
    }

    /// The ids that may stand at place `n` of a position, as first and one past the last.
    pub fn position_ids(&self, n: usize) -> (i32, i32) {
        let first = self.first_coordinate();
        let (low, high) = match (self.mode, n) {
            (VertexMode::Xyz, _) => (0, self.resolution as i32),
            (VertexMode::BlockOffset, 0) => (0, N_BLOCKS),
            (VertexMode::BlockOffset, _) => (N_BLOCKS, N_BLOCKS + N_OFFSETS),
        };
        (first + low, first + high)
    }

    /// What an id stands for, in a few words.
    pub fn describe(&self, id: i32) -> String {
        match self.token(id) {
            Token::Component => "component begins".into(),
            Token::LayerEnd if id == LAYER_END => "layer ends".into(),
            Token::LayerEnd => "component ends".into(),
            Token::InLayer(value) if value < self.layer_vertices() => {
                format!(
                    "linked with the vertex {} places on in its layer",
                    value + 1
                )
            }
            Token::InLayer(value) => {
                format!(
                    "linked in its layer, bits {:08b}",
                    value - self.layer_vertices()
                )
            }
            Token::BetweenLayer(column, code) => {
                format!("linked with vertex {column} of the layer before, window {code}")
            }
            Token::Coordinate(value) if self.mode == VertexMode::Xyz => {
                format!("coordinate {value}")
            }
            Token::Coordinate(value) if value < N_BLOCKS => format!("block {value}"),
            Token::Coordinate(value) => format!("offset {}", value - N_BLOCKS),
            Token::End => "no token of this vocabulary".into(),
        }
    }

    /// What an id stands for.
    pub fn token(&self, id: i32) -> Token {
        match id {
            COMPONENT => Token::Component,
            LAYER_END | COMPONENT_END => Token::LayerEnd,
            _ if id < 0 || id >= self.size() as i32 => Token::End,
            _ if id < self.first_between() => Token::InLayer((id - N_CONTROL) as usize),
            _ if id < self.first_coordinate() => {
                let value = id - self.first_between();
                let codes = i32::from(N_CODES);
                Token::BetweenLayer((value / codes) as usize, (value % codes) as u8)
            }
            _ => Token::Coordinate(id - self.first_coordinate()),
        }
    }

    /// Reads the position at the start of `ids`: the position and how many ids it took.
    ///
    /// A lone offset re-uses `last_block`. Nothing if the ids are cut short or are no position.
    pub fn read_position(
        &self,
        ids: &[i32],
        last_block: &mut Option<i32>,
    ) -> Option<(GridPoint, usize)> {
        let value = |i: usize| match self.token(*ids.get(i)?) {
            Token::Coordinate(value) => Some(value),
            _ => None,
        };
        match self.mode {
            VertexMode::Xyz => Some(([value(0)?, value(1)?, value(2)?], 3)),
            VertexMode::BlockOffset => {
                let mut used = 1;
                let mut offset = value(0)?;
                if offset < N_BLOCKS {
                    *last_block = Some(offset);
                    offset = value(1)?;
                    used = 2;
                }
                let block = (*last_block)?;
                let offset = offset - N_BLOCKS;
                if offset < 0 {
                    return None;
                }
                let point = [
                    block / 64 * 16 + offset / 256,
                    block / 8 % 8 * 16 + offset / 16 % 16,
                    block % 8 * 16 + offset % 16,
                ];
                Some((point, used))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_published_ones() {
        let limits = Limits::default();
        assert_eq!(Vocabulary::standard(&limits).size(), 10_267);
        assert_eq!(
            Vocabulary::new(1024, VertexMode::Xyz, 200).unwrap().size(),
            1024 + 5659
        );
        assert!(Vocabulary::new(256, VertexMode::BlockOffset, 200).is_err());
    }

    #[test]
    fn positions_return() {
        for mode in [VertexMode::Xyz, VertexMode::BlockOffset] {
            let vocabulary = Vocabulary::new(128, mode, 200).unwrap();
            for p in [[3, 3, 3], [124, 3, 3], [17, 127, 0], [64, 15, 16]] {
                let mut ids = Vec::new();
                vocabulary.push_position(&p, &mut ids);
                assert_eq!(
                    vocabulary.read_position(&ids, &mut None),
                    Some((p, ids.len()))
                );
                ids.pop();
                assert_eq!(vocabulary.read_position(&ids, &mut None), None);
            }
        }
    }
}
