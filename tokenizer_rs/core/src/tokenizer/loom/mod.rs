//! Loom: one token carries a new vertex's position and its connectivity together.
//!
//! The surface grows from one face by faces over the gate of an active ring. A new vertex is one token where it
//! lies in a slot, a common place relative to a predictor; its class says how the surface closes around it.
//! `docs/loom-1.md` specifies the format.

pub mod decode;
mod deferred;
pub mod digits;
pub mod encode;
mod fans;
pub mod operation;
pub mod prediction;
mod ring;
pub mod slots;
pub mod state;
mod surface;
mod trial;
mod valence;
pub mod vocabulary;
mod walk;
mod write;

use digits::Digits;
use slots::Slots;
use vocabulary::Vocabulary;

use crate::{MeshError, Result};

/// How connectivity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// V: a vertex brings its valence, and what is complete closes by itself.
    #[default]
    Valence,
    /// D: a vertex brings how many faces close at once; all others are announced.
    Deferred,
}

impl Scheme {
    /// The scheme with this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "valence" => Ok(Self::Valence),
            "deferred" => Ok(Self::Deferred),
            _ => Err(MeshError::InvalidInput(format!(
                "unknown scheme {name:?}; the schemes are: valence, deferred"
            ))),
        }
    }

    /// The name of the scheme.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valence => "valence",
            Self::Deferred => "deferred",
        }
    }
}

/// Everything that encoder and decoder must agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// How connectivity is written.
    pub scheme: Scheme,
    /// How positions are written.
    pub digits: Digits,
    /// The common places.
    pub slots: Slots,
    /// The ids.
    pub vocabulary: Vocabulary,
}

impl Format {
    /// The format of a scheme at a resolution with a slot table.
    pub fn new(scheme: Scheme, resolution: u32, slots: Slots) -> Result<Self> {
        let digits = Digits::new(resolution)?;
        let vocabulary = Vocabulary::new(scheme, &digits, slots.len());
        Ok(Self {
            scheme,
            digits,
            slots,
            vocabulary,
        })
    }

    /// The format with the built-in slot table.
    pub fn structured(scheme: Scheme, resolution: u32) -> Result<Self> {
        let n_slots = n_structured_slots(scheme, resolution);
        Self::new(scheme, resolution, Slots::structured(resolution, n_slots))
    }
}

/// Size of the built-in slot table: as large as a vocabulary of 10,000 ids allows, or a little less.
pub fn n_structured_slots(scheme: Scheme, resolution: u32) -> usize {
    match (scheme, resolution) {
        (Scheme::Valence, ..=128) => 560,
        (Scheme::Valence, 256) => 740,
        (Scheme::Valence, _) => 650,
        (Scheme::Deferred, _) => 1230,
    }
}
