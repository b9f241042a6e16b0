//! Makes a mesh edge- and vertex-manifold by duplicating vertices, then orients it.
//!
//! No face is removed and no vertex moves: a vertex whose faces form several fans gets one copy per further
//! fan (Mesh Silksong, arXiv 2507.02477, non-manifold processing).

pub mod cycles;
pub mod link;
pub mod orient;
pub mod partition;
pub mod split;
pub mod union_find;

pub use orient::orient;
pub use split::{repair, Repaired};
