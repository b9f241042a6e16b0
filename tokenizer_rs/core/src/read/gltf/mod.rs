//! glTF 2.0, as a text (.gltf) or with its buffer in one file (.glb): the container.
//!
//! `document` is the JSON, `buffers` its bytes, `accessor` the arrays in them, `scene` the triangles and
//! `draco` those that are compressed. An own reader: the `gltf` crate indexes its buffers unchecked where a
//! document lies, asks for parts that no triangle needs, and walks scenes by recursion.

mod accessor;
mod buffers;
mod document;
mod draco;
mod scene;

#[cfg(test)]
pub mod tests;

use std::path::Path;

use super::{LoadedMesh, ReadLimits};
use crate::{MeshError, Result};
use document::Document;

const HEADER_BYTES: usize = 12;
const JSON_CHUNK: &[u8; 4] = b"JSON";
const BINARY_CHUNK: &[u8; 4] = b"BIN\0";

/// Reads a GLB; refused with LOAD where it is cut off or of another version.
pub fn read_glb(content: &[u8], folder: Option<&Path>, limits: &ReadLimits) -> Result<LoadedMesh> {
    let (Some(version), Some(announced)) = (number_at(content, 4), number_at(content, 8)) else {
        return Err(MeshError::Load(format!(
            "{} bytes, less than the header of a GLB; download it again",
            content.len()
        )));
    };
    if version != 2 {
        return Err(MeshError::Load(format!(
            "glTF container version {version}, only 2 can be read; convert it"
        )));
    }
    if announced as usize > content.len() {
        return Err(MeshError::Load(format!(
            "announces {announced} bytes, has {}; download it again",
            content.len()
        )));
    }
    let mut text = None;
    let mut binary = None;
    let mut rest = &content[HEADER_BYTES..];
    while let (Some(size), Some(kind)) = (number_at(rest, 0), rest.get(4..8)) {
        let data = &rest[8..];
        let Some((chunk, after)) = data.split_at_checked(size as usize) else {
            return Err(MeshError::Load(format!(
                "a chunk announces {size} bytes, {} are there; download it again",
                data.len()
            )));
        };
        // Chunks of other kinds are extensions, to be ignored.
        if kind == JSON_CHUNK {
            text = text.or(Some(chunk));
        } else if kind == BINARY_CHUNK {
            binary = binary.or(Some(chunk));
        }
        rest = after;
    }
    let text =
        text.ok_or_else(|| MeshError::Load("a GLB without a JSON chunk; export it again".into()))?;
    read_document(text, binary, content.len(), folder, limits)
}

/// Reads a glTF text.
pub fn read_gltf(content: &[u8], folder: Option<&Path>, limits: &ReadLimits) -> Result<LoadedMesh> {
    read_document(content, None, content.len(), folder, limits)
}

/// Paths of the side files that a glTF text names, relative to its folder and within it; empty where the
/// text cannot be read.
pub fn side_files(content: &[u8]) -> Vec<String> {
    let text = document::text_of(content);
    let Ok(document) = Document::parse(&text) else {
        return Vec::new();
    };
    let uris = document.buffers.iter().filter_map(|b| b.uri.as_deref());
    uris.filter_map(|uri| buffers::side_path(uri).ok())
        .collect()
}

fn read_document(
    text: &[u8],
    binary: Option<&[u8]>,
    n_bytes: usize,
    folder: Option<&Path>,
    limits: &ReadLimits,
) -> Result<LoadedMesh> {
    let text = document::text_of(text);
    let document = Document::parse(&text)?;
    document.check_decodable()?;
    let buffers = buffers::load(&document.buffers, binary, n_bytes, folder, limits)?;
    scene::read(&document, &buffers, limits)
}

fn number_at(content: &[u8], position: usize) -> Option<u32> {
    let bytes = content.get(position..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}
