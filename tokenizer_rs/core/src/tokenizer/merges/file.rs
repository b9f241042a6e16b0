//! Merges as a JSON file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{invalid, Merges};
use crate::Result;

const FORMAT: &str = "meshloom-merges";
const VERSION: u32 = 1;
/// No set of merges within the limits is longer.
const MAX_FILE_BYTES: u64 = 1 << 22;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MergesFile {
    format: String,
    version: u32,
    base_vocab_size: u32,
    merges: Vec<[i32; 2]>,
}

impl Merges {
    /// The merges as JSON text.
    pub fn to_json(&self) -> Result<String> {
        let file = MergesFile {
            format: FORMAT.into(),
            version: VERSION,
            base_vocab_size: self.base_vocab_size(),
            merges: self.pairs().to_vec(),
        };
        serde_json::to_string(&file)
            .map(|text| text + "\n")
            .map_err(|error| invalid(format!("cannot be written: {error}")))
    }

    /// Merges from JSON text.
    ///
    /// # Errors
    /// `INVALID_MERGES` where the text is no such file, is of another version, or names impossible merges.
    pub fn from_json(text: &str) -> Result<Self> {
        let file: MergesFile = serde_json::from_str(text)
            .map_err(|error| invalid(format!("the text is no file of merges: {error}")))?;
        if file.format != FORMAT || file.version != VERSION {
            return Err(invalid(format!(
                "format {:?} version {}; this library reads {FORMAT:?} version {VERSION}",
                file.format, file.version
            )));
        }
        Self::new(file.base_vocab_size, file.merges)
    }

    /// Writes the merges to a file.
    pub fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_json()?)
            .map_err(|error| invalid(format!("{} cannot be written: {error}", path.display())))
    }

    /// Reads the merges of a file.
    ///
    /// # Errors
    /// `INVALID_MERGES` as for [`Merges::from_json`], or where the file cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let unreadable = |error| invalid(format!("{} cannot be read: {error}", path.display()));
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(invalid(format!(
                "{} is larger than {MAX_FILE_BYTES} bytes",
                path.display()
            )));
        }
        Self::from_json(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_return_from_their_text() {
        let merges = Merges::new(5, vec![[0, 4], [5, 5]]).unwrap();
        let text = merges.to_json().unwrap();
        assert_eq!(
            text,
            "{\"format\":\"meshloom-merges\",\"version\":1,\"base_vocab_size\":5,\"merges\":[[0,4],[5,5]]}\n"
        );
        assert_eq!(Merges::from_json(&text).unwrap(), merges);
    }

    #[test]
    fn the_largest_set_fits_the_file_limit() {
        let longest_pair = format!("[{0},{0}],", super::super::MAX_BASE_VOCAB_SIZE * 2);
        assert!((longest_pair.len() * super::super::MAX_MERGES) as u64 + 1000 < MAX_FILE_BYTES);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "[]",
            "{\"format\":\"meshloom-merges\",\"version\":2,\"base_vocab_size\":5,\"merges\":[]}",
            "{\"format\":\"merges\",\"version\":1,\"base_vocab_size\":5,\"merges\":[]}",
            "{\"format\":\"meshloom-merges\",\"version\":1,\"base_vocab_size\":5,\"merges\":[[0,1,2]]}",
            "{\"format\":\"meshloom-merges\",\"version\":1,\"base_vocab_size\":-5,\"merges\":[]}",
            "{\"format\":\"meshloom-merges\",\"version\":1,\"base_vocab_size\":5,\"merges\":[[0,5]]}",
        ] {
            assert_eq!(Merges::from_json(text).unwrap_err().code(), "INVALID_MERGES");
        }
    }
}
