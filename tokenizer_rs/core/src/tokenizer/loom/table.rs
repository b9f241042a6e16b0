//! Slot tables as JSON files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::prediction::PREDICTOR_NAMES;
use super::slots::{Slot, Slots};
use super::{Scheme, FORMAT_NAME};
use crate::{MeshError, Result};

const KIND: &str = "slots";
/// More slots than a vocabulary can use.
pub const MOST_SLOTS: usize = 1 << 14;
const MAX_FILE_BYTES: u64 = 1 << 22;

/// A slot table and what it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotTable {
    /// The scheme.
    pub scheme: Scheme,
    /// Bins per axis.
    pub resolution: u32,
    /// The slots in order.
    pub slots: Slots,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    format: String,
    kind: String,
    scheme: String,
    resolution: u32,
    /// Predictor by name, and residual.
    slots: Vec<(String, [i32; 3])>,
}

fn invalid(what: String) -> MeshError {
    MeshError::InvalidInput(format!(
        "slot table: {what}; give a table as this library learns and saves them"
    ))
}

impl SlotTable {
    /// The built-in table of a scheme and resolution, made by rule.
    pub fn structured(scheme: Scheme, resolution: u32) -> Result<Self> {
        super::digits::Digits::new(resolution)?;
        let n_slots = super::n_structured_slots(scheme, resolution);
        Ok(Self {
            scheme,
            resolution,
            slots: Slots::structured(resolution, n_slots),
        })
    }

    /// The table as JSON text.
    pub fn to_json(&self) -> Result<String> {
        let row = |slot: &Slot| (PREDICTOR_NAMES[slot.predictor].to_string(), slot.residual);
        let file = TableFile {
            format: FORMAT_NAME.into(),
            kind: KIND.into(),
            scheme: self.scheme.name().into(),
            resolution: self.resolution,
            slots: self.slots.list().iter().map(row).collect(),
        };
        serde_json::to_string(&file)
            .map(|text| text + "\n")
            .map_err(|error| invalid(format!("it cannot be written: {error}")))
    }

    /// A table from JSON text.
    ///
    /// # Errors
    /// `INVALID_INPUT` where the text is no slot table of this format.
    pub fn from_json(text: &str) -> Result<Self> {
        let file: TableFile = serde_json::from_str(text)
            .map_err(|error| invalid(format!("the text is none: {error}")))?;
        if file.format != FORMAT_NAME || file.kind != KIND {
            return Err(invalid(format!(
                "{:?} of {:?}; this library reads {KIND:?} of {FORMAT_NAME:?}",
                file.kind, file.format
            )));
        }
        if file.slots.len() > MOST_SLOTS {
            return Err(invalid(format!(
                "{} slots, more than {MOST_SLOTS}",
                file.slots.len()
            )));
        }
        super::digits::Digits::new(file.resolution)?;
        let n_given = file.slots.len();
        let slots = file
            .slots
            .into_iter()
            .map(|(name, residual)| slot(&name, residual, file.resolution))
            .collect::<Result<Vec<_>>>()?;
        let slots = Slots::new(slots);
        if slots.len() < n_given {
            return Err(invalid("a slot is there twice".into()));
        }
        Ok(Self {
            scheme: Scheme::from_name(&file.scheme)?,
            resolution: file.resolution,
            slots,
        })
    }

    /// Writes the table to a file.
    pub fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_json()?)
            .map_err(|error| invalid(format!("{} cannot be written: {error}", path.display())))
    }

    /// Reads the table of a file.
    ///
    /// # Errors
    /// `INVALID_INPUT` as for [`SlotTable::from_json`], or where the file cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
            .map_err(|error| invalid(format!("{} cannot be read: {error}", path.display())))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(invalid(format!("{} is too large", path.display())));
        }
        Self::from_json(&text)
    }

    /// Refuses a table made for another scheme or resolution.
    pub fn check_made_for(&self, scheme: Scheme, resolution: u32) -> Result<()> {
        if (self.scheme, self.resolution) == (scheme, resolution) {
            return Ok(());
        }
        Err(invalid(format!(
            "it is made for scheme {:?} at {} bins and the tokenizer is {:?} at {resolution}",
            self.scheme.name(),
            self.resolution,
            scheme.name()
        )))
    }
}

fn slot(name: &str, residual: [i32; 3], resolution: u32) -> Result<Slot> {
    let predictor = PREDICTOR_NAMES
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| invalid(format!("there is no predictor {name:?}")))?;
    if residual.iter().any(|x| x.unsigned_abs() >= resolution) {
        return Err(invalid(format!(
            "the residual {residual:?} leaves the grid from anywhere"
        )));
    }
    Ok(Slot {
        predictor,
        residual,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_returns_from_its_text() {
        for (scheme, resolution) in [(Scheme::Valence, 128), (Scheme::Deferred, 1024)] {
            let table = SlotTable::structured(scheme, resolution).unwrap();
            assert_eq!(
                SlotTable::from_json(&table.to_json().unwrap()).unwrap(),
                table
            );
            table.check_made_for(scheme, resolution).unwrap();
            table.check_made_for(scheme, 512).unwrap_err();
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = r#"{"format":"loom-1","kind":"slots","scheme":"valence","resolution":128,"slots":[["A",[0,0,1]]]}"#;
        assert_eq!(SlotTable::from_json(good).unwrap().slots.len(), 1);
        for (old, new) in [
            ("loom-1", "loom-2"),
            ("\"slots\",", "\"merges\","),
            ("valence", "both"),
            ("128", "100"),
            ("\"A\"", "\"B\""),
            ("[0,0,1]", "[0,0,128]"),
            ("[0,0,1]]", "[0,0,1]],[\"A\",[0,0,1]]"),
            ("128,", "128,\"more\":1,"),
        ] {
            let bad = good.replacen(old, new, 1);
            assert_ne!(bad, good);
            let error = SlotTable::from_json(&bad).unwrap_err();
            assert_eq!(error.code(), "INVALID_INPUT", "{bad}");
        }
    }
}
