//! Loom: one token carries a new vertex's position and its connectivity together.
