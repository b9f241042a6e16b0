//! What a mesh is like, and how much information its tokens carry.

pub mod entropy;
pub mod nominal;
pub mod topology;

pub use entropy::AdaptiveCoder;
pub use nominal::nominal_bits;
pub use topology::{measure, Topology};
