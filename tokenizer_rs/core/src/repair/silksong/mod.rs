//! The repair of the published tokenizer, vertex by vertex and bit-exact to it.
//!
//! No face is removed and no vertex moves: a vertex whose faces form several fans gets one copy per further
//! fan (Mesh Silksong, arXiv 2507.02477, non-manifold processing). It refuses what it cannot divide.

pub mod cycles;
pub mod link;
pub mod orient;
pub mod partition;
pub mod split;

pub use orient::orient;
pub use split::{repair, Repaired};
