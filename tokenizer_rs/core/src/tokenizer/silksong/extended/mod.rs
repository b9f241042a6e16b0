//! The extended level: the vocabulary and grammar of Mesh Silksong (arXiv 2507.02477), every mesh taken, and
//! decoded to its own faces.
//!
//! # Encoding
//!
//! 1. The mesh is quantised and repaired by [`crate::repair`]: vertices are duplicated until every edge has at
//!    most two faces and every vertex one fan; one-sided loops are cut. No valence or orientability limit.
//! 2. A component starts at the lowest corner (y, then z, then x) of its lowest face. Layer 1 is the ring of the
//!    start vertex, counter-clockwise. Every further vertex follows the first vertex of the layer before that it
//!    is joined to, its parent; vertices of one parent come in the order of the parent's ring, read
//!    counter-clockwise from the parent's parent. Layers are then graph distances, so every edge lies inside a
//!    layer or between two consecutive ones, and is written.
//! 3. Where layers are too long or too many, other starts are tried: far ends, a middle. Where none fits, the
//!    component is cut in two along edges; both halves keep every triangle.
//!
//! # Decoding
//!
//! The decoder closes the ring of one vertex after another, in sequence order. What it knows of a ring: the edges;
//! the faces found around earlier vertices, which are final; and the order of the neighbours that have
//! the vertex as parent. A face `(v, a, b)` is taken at its first vertex, and only if none of its directed edges has
//! a face. So faces agree in direction, and the direction itself comes from layer 1. [`ring_search`] lists the
//! rings a vertex can have: closed rings before open ones, then by sequence number. The first is right but for
//! about one vertex in a thousand, mostly at three-cornered holes, which look like faces.
//!
//! # Options
//!
//! Such a vertex has an option, the number of its ring in that list. The options are written with ids that the
//! published tokenizer reserves and never writes: the extra in-layer offsets 0 to 7, which the head covers. Offset
//! `d` after the head of a vertex sets bit `d` of its option; absent bits are 0. The start vertex has no
//! row; its option, 0 or 1, is bit 7 of the first row of layer 1, which keeps bits 0 to 6. An option that does
//! not exist counts as 0.
//!
//! # Certainty
//!
//! The encoder replays every component as the decoder will and compares the result face by face. Where it differs
//! (an option that does not fit its bits) it tries a few other starts. Sequences that no encoder writes,
//! such as those of a model, decode too: rings with more gaps are tried, then what fits is joined, and vertices
//! whose faces form several fans are split.

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

#[cfg(test)]
mod tests;

/// In-layer offsets below this one name bits of an option instead of an edge.
pub const OPTION_BITS: usize = 8;
/// Bit of the option of the first vertex of layer 1 that is the option of the start vertex.
pub const START_BIT: usize = 7;
