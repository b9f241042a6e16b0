//! Loom: one token carries a new vertex's position and its connectivity together.
//!
//! The surface grows from one face by faces over the gate of an active ring. A new vertex is one token where it
//! lies in a slot, a common place relative to a predictor; its class says how the surface closes around it.
//! `docs/loom-1.md` specifies the format.

pub mod decode;
mod deferred;
mod describe;
pub mod digits;
pub mod encode;
mod fans;
pub mod grammar;
pub mod learn;
pub mod operation;
pub mod prediction;
pub mod reach;
mod ring;
pub mod slots;
pub mod state;
mod surface;
pub mod table;
mod trial;
mod valence;
pub mod vocabulary;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use digits::Digits;
use grammar::LoomGrammar;
use slots::Slots;
use state::LoomState;
use table::SlotTable;
use vocabulary::Vocabulary;

use crate::mesh::GridMesh;
use crate::repair::{RepairOptions, Repairs};
use crate::tokenizer::{self, Grammar};
use crate::{MeshError, Result, Tokenizer, TriangleMesh};

/// Name and version of the format; every change of what tokens mean changes it.
pub const FORMAT_NAME: &str = "loom-1";

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

/// Size of the built-in slot table; the vocabularies stay within 10,000 ids.
pub fn n_structured_slots(scheme: Scheme, resolution: u32) -> usize {
    match (scheme, resolution) {
        (Scheme::Valence, ..=128) => 560,
        (Scheme::Valence, 256) => 740,
        (Scheme::Valence, _) => 650,
        (Scheme::Deferred, _) => 1230,
    }
}

/// The Loom tokenizer.
#[derive(Debug, Clone)]
pub struct Loom {
    format: Arc<Format>,
}

impl Loom {
    /// A tokenizer for 128, 256, 512 or 1024 bins per axis with the built-in slot table.
    pub fn structured(scheme: Scheme, resolution: u32) -> Result<Self> {
        let format = Arc::new(Format::structured(scheme, resolution)?);
        Ok(Self { format })
    }

    /// A tokenizer with a slot table that was learned for this scheme and resolution.
    pub fn with_table(scheme: Scheme, resolution: u32, table: SlotTable) -> Result<Self> {
        table.check_made_for(scheme, resolution)?;
        let format = Arc::new(Format::new(scheme, resolution, table.slots)?);
        Ok(Self { format })
    }

    /// Everything that encoder and decoder must agree about.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// The slot table, to be saved.
    pub fn table(&self) -> SlotTable {
        SlotTable {
            scheme: self.format.scheme,
            resolution: self.resolution(),
            slots: self.format.slots.clone(),
        }
    }

    /// Tokens of a mesh that is on the grid and repaired: edge- and vertex-manifold, oriented, and no two faces
    /// with the same three positions. What is not manifold is an error.
    pub fn encode_repaired(&self, mesh: GridMesh) -> Result<tokenizer::Encoding> {
        if mesh.faces.is_empty() {
            return Err(MeshError::NoValidComponent { min_faces: 1 });
        }
        let written = encode::write(&self.format, &mesh)?;
        let decoded = match written.decoded {
            Some(decoded) => Ok(decoded),
            None => decode::read(&self.format, &written.tokens),
        };
        let exact = decoded
            .is_ok_and(|decoded| encode::same_triangles(&decoded, &mesh, &written.face_order));
        Ok(tokenizer::Encoding {
            tokens: written.tokens,
            mesh,
            face_order: written.face_order,
            exact,
            statistics: written.statistics.counts(),
        })
    }

    /// The mesh on the grid written as `tokens`.
    pub fn decode_on_grid(&self, tokens: &[i32]) -> Result<GridMesh> {
        decode::read(&self.format, tokens)
    }
}

impl Tokenizer for Loom {
    fn encode_sharing(&self, repairs: &Repairs) -> Result<tokenizer::Encoding> {
        let repaired = repairs.on_grid(self.resolution(), &RepairOptions::default())?;
        self.encode_repaired(repaired.mesh.clone())
    }

    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        let mesh = self.decode_on_grid(tokens)?;
        Ok(mesh.to_triangle_mesh(self.resolution()))
    }

    fn resolution(&self) -> u32 {
        self.format.digits.resolution()
    }

    fn vocab_size(&self) -> u32 {
        self.format.vocabulary.size()
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(LoomGrammar::new(LoomState::new(self.format.clone())))
    }

    fn describe(&self, token: i32) -> String {
        self.format.describe(token)
    }
}
