//! The extended level.

pub mod component;
pub mod cut;
pub mod decode;
pub mod encode;
pub mod fit;
pub mod layered_graph;
pub mod replay;
pub mod ring_search;
pub mod ring_table;
pub mod walk;

/// In-layer ids below this one name bits of an option instead of an edge.
pub const OPTION_BITS: usize = 8;
/// Bit of the option of the first vertex of layer 1 that is the option of the start vertex.
pub const START_BIT: usize = 7;
