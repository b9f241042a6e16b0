//! Bytes of a document's buffers: from the GLB, from data URIs, or from side files within its folder.

use std::borrow::Cow;
use std::path::{Component, Path};

use base64::prelude::{Engine, BASE64_STANDARD};
use percent_encoding::percent_decode_str;

use super::document::{Buffer, Object};
use crate::read::file::{check_size, read_regular};
use crate::read::ReadLimits;
use crate::{MeshError, Result};

/// The bytes of every buffer, at least as many as it announces; empty where an extension replaces them.
///
/// `n_bytes` have been read already and count against the limit.
pub fn load<'a>(
    buffers: &'a [Object<Buffer>],
    binary: Option<&'a [u8]>,
    n_bytes: usize,
    folder: Option<&Path>,
    limits: &ReadLimits,
) -> Result<Vec<Cow<'a, [u8]>>> {
    let mut loaded = Vec::new();
    let mut n_bytes = n_bytes as u64;
    for (index, buffer) in buffers.iter().enumerate() {
        let content = match buffer.uri.as_deref() {
            None if index == 0 => Cow::Borrowed(binary.unwrap_or_default()),
            None => Cow::Borrowed(&[][..]),
            Some(uri) if uri.starts_with("data:") => Cow::Owned(decode_data_uri(uri)?),
            Some(uri) => {
                let left = limits.max_bytes.saturating_sub(n_bytes);
                let content = read_side_file(uri, folder, left)?;
                n_bytes = n_bytes.saturating_add(content.len() as u64);
                check_size(n_bytes, limits.max_bytes)?;
                Cow::Owned(content)
            }
        };
        if (content.len() as u64) < buffer.byte_length {
            if content.is_empty() && buffer.extensions.meshopt.is_some() {
                return Err(needs_meshopt());
            }
            return Err(MeshError::Load(format!(
                "buffer {index} announces {} bytes, has {}; download it again",
                buffer.byte_length,
                content.len()
            )));
        }
        loaded.push(content);
    }
    Ok(loaded)
}

/// NEEDS_DECODER for buffers that exist in compressed form only.
pub fn needs_meshopt() -> MeshError {
    MeshError::NeedsDecoder("its buffers need EXT_meshopt_compression".into())
}

/// Path of a side file relative to the document's folder; refused with MISSING_SIDE_FILE where it is remote
/// or leaves the folder, LOAD where it is no path at all.
pub fn side_path(uri: &str) -> Result<String> {
    let refuse = |reason: &str| Err(MeshError::MissingSideFile(named(uri, reason)));
    let first_segment = uri.split('/').next().unwrap_or_default();
    if first_segment.contains(':') || uri.starts_with("//") {
        return refuse("is remote");
    }
    let path = percent_decode_str(uri).decode_utf8_lossy().into_owned();
    let is_within = Path::new(&path)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_within || path.contains('\0') || path.starts_with('\\') {
        return refuse("lies outside the file's folder");
    }
    Ok(path)
}

fn read_side_file(uri: &str, folder: Option<&Path>, limit: u64) -> Result<Vec<u8>> {
    let missing = |reason: &str| MeshError::MissingSideFile(named(uri, reason));
    let path = side_path(uri)?;
    let folder = folder.ok_or_else(|| missing("is a side file, and no folder is given"))?;
    let unreadable = |error: std::io::Error| missing(&format!("cannot be read: {error}"));
    // The parent of a bare file name.
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let folder = folder.canonicalize().map_err(unreadable)?;
    let path = folder.join(path).canonicalize().map_err(unreadable)?;
    // A link may lead anywhere.
    if !path.starts_with(&folder) {
        return Err(missing("lies outside the file's folder"));
    }
    read_regular(&path, limit)?.map_err(|reason| missing(&format!("cannot be read: {reason}")))
}

fn named(uri: &str, reason: &str) -> String {
    const QUOTED: usize = 80;
    let uri: String = uri.chars().take(QUOTED).collect();
    format!("its buffer {uri:?} {reason}")
}

fn decode_data_uri(uri: &str) -> Result<Vec<u8>> {
    let damaged = |reason: &str| MeshError::Load(format!("a data URI {reason}; export it again"));
    let (header, data) = uri.split_once(',').unwrap_or((uri, ""));
    if !header.ends_with(";base64") {
        return Err(damaged("that is not base64"));
    }
    let data: Cow<[u8]> = percent_decode_str(data).into();
    BASE64_STANDARD
        .decode(&data)
        .map_err(|error| damaged(&format!("with damaged base64 ({error})")))
}
