//! Fuzz targets: one function over raw bytes for every way in.
//!
//! A target fails by panicking. `.ci/fuzz` runs them under libFuzzer; `tests/regressions.rs` runs them on
//! every input that once failed and on a few random ones.

#![forbid(unsafe_code)]

mod bytes;
mod families;
mod targets;

/// A function that must not panic, hang or use memory beyond its input's worth.
pub type Target = fn(&[u8]);

pub use targets::TARGETS;

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|&(_, run)| run)
}
