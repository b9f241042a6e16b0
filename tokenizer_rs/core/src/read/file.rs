//! Bytes of regular files, never more than wanted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::{MeshError, Result};

/// Refuses more bytes than the limit.
pub fn check_size(found: u64, limit: u64) -> Result<()> {
    if found > limit {
        return Err(MeshError::TooLarge { found, limit });
    }
    Ok(())
}

/// The bytes of a regular file of at most `limit` bytes; the inner error says why it cannot be read.
pub fn read_regular(path: &Path, limit: u64) -> Result<std::result::Result<Vec<u8>, String>> {
    let (file, size) = match open_regular(path) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error.to_string())),
    };
    check_size(size, limit)?;
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // A file may grow while it is read, so its size alone is no bound.
    if let Err(error) = file.take(limit.saturating_add(1)).read_to_end(&mut content) {
        return Ok(Err(error.to_string()));
    }
    check_size(content.len() as u64, limit)?;
    Ok(Ok(content))
}

fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe would wait for its other end.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((file, metadata.len()))
}
