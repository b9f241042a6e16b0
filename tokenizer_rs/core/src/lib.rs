//! Mesh files and triangle meshes in, token ids out, and back.
//!
//! This crate holds the geometry of Meshloom: reading a mesh file, quantising and cleaning the mesh,
//! repairing what is not manifold, orienting it, and writing it as a sequence of token ids. It knows nothing
//! of Python, of data sets or of training.
//!
//! ```
//! use meshloom_tokenizer_core::{tokenizer::silksong::Silksong, Tokenizer, TriangleMesh};
//!
//! let mesh = TriangleMesh {
//!     vertices: vec![[-0.9, -0.9, -0.9], [0.9, -0.9, -0.9], [0.0, 0.9, -0.9], [0.0, 0.0, 0.9]],
//!     faces: vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]],
//! };
//! let tokenizer = Silksong::default();
//! let encoding = tokenizer.encode(&mesh)?;
//! let decoded = tokenizer.decode(&encoding.tokens)?;
//! assert_eq!(decoded.faces.len(), 4);
//! # Ok::<(), meshloom_tokenizer_core::MeshError>(())
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod batch;
pub mod error;
pub mod files;
pub mod limits;
pub mod measure;
pub mod mesh;
pub mod read;
pub mod repair;
#[cfg(test)]
mod testing;
pub mod tokenizer;

pub use error::MeshError;
pub use limits::Limits;
pub use mesh::TriangleMesh;
pub use tokenizer::Tokenizer;

/// Shorthand for a result whose error is [`MeshError`].
pub type Result<T> = std::result::Result<T, MeshError>;
