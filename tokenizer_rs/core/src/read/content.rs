//! What a file holds, by its first bytes.
//!
//! The commonest damage of downloads is a file that is no mesh: a login page, an error message, a Git LFS
//! pointer. A mesh of another format than the extension says is refused as well, with its true format in
//! the message: reading it silently would leave a `format` column that lies.

use super::Format;
use crate::{MeshError, Result};

const GLB: &str = "a GLB";
const PLY: &str = "a PLY";
const JSON: &str = "a JSON text";
const OBJ: &str = "a text that looks like OBJ";

const SIGNATURES: [(&[u8], &str); 18] = [
    (b"glTF", GLB),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP image, sound)"),
    (b"\x1f\x8b", "gzip data; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"BZh", "bzip2 data; unpack it first"),
    (b"\xfd7zXZ", "xz data; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd data; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"Kaydara FBX", "an FBX scene"),
    (b"BLENDER", "a Blender scene"),
    (b"PXR-USDC", "a USD scene"),
    (
        b"\x00\x05\x16\x07",
        "an AppleDouble resource fork; delete it",
    ),
    (
        b"version https://git-lfs",
        "a Git LFS pointer; run `git lfs pull`",
    ),
];
const TEXT_SIGNATURES: [(&[u8], &str); 4] = [
    (b"<!doctype html", "an HTML page; download it again"),
    (b"<html", "an HTML page; download it again"),
    (b"<?xml", "an XML document"),
    (b"<", "markup; download it again"),
];
const HEAD_BYTES: usize = 2048;
/// A binary STL without facets may be that many zeros.
const EMPTY_STL_BYTES: usize = 84;

/// Refuses with EMPTY_FILE or NOT_A_MESH where the bytes are not what the format begins with.
pub fn check(content: &[u8], format: Format) -> Result<()> {
    if content.is_empty() {
        return Err(MeshError::EmptyFile);
    }
    let expected = match format {
        Format::Glb => Some(GLB),
        Format::Gltf => Some(JSON),
        Format::Ply => Some(PLY),
        Format::Obj | Format::Off | Format::Stl => None,
    };
    let head = &content[..content.len().min(HEAD_BYTES)];
    let found = describe(head);
    if found == expected {
        return Ok(());
    }
    let found = match found {
        Some(found) => found.to_string(),
        None if looks_like_obj(head) => OBJ.to_string(),
        None => format!("the bytes {:02x?}", &head[..head.len().min(4)]),
    };
    let advice = if [GLB, PLY, OBJ].contains(&found.as_str()) {
        "; rename it to its true extension"
    } else {
        ""
    };
    let extension = format.extension();
    Err(MeshError::NotAMesh(format!(
        "named .{extension}, but holds {found}{advice}"
    )))
}

/// What the bytes are, where their beginning says so.
fn describe(head: &[u8]) -> Option<&'static str> {
    if let Some((_, found)) = SIGNATURES.iter().find(|(s, _)| head.starts_with(s)) {
        return Some(found);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start().to_ascii_lowercase();
    if let Some((_, found)) = TEXT_SIGNATURES.iter().find(|(s, _)| text.starts_with(s)) {
        return Some(found);
    }
    match text[..] {
        [b'p', b'l', b'y', b'\n' | b'\r' | b' ', ..] => Some(PLY),
        [b'{' | b'[', ..] => Some(JSON),
        _ if head.len() > EMPTY_STL_BYTES && head.iter().all(|&byte| byte == 0) => {
            Some("zero bytes only; download it again")
        }
        _ => None,
    }
}

fn looks_like_obj(head: &[u8]) -> bool {
    let lines = head.split(|&byte| byte == b'\n' || byte == b'\r');
    lines.filter(|line| line.starts_with(b"v ")).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_content_is_named() {
        for (content, format, found) in [
            (&b"<!DOCTYPE HTML><p>"[..], Format::Glb, "HTML"),
            (b"\xef\xbb\xbf\n <html>", Format::Obj, "HTML"),
            (b"<svg>", Format::Stl, "markup"),
            (b"{\"error\": 404}", Format::Glb, "JSON"),
            (
                b"version https://git-lfs.github.com",
                Format::Ply,
                "git lfs",
            ),
            (b"glTF\x02\x00\x00\x00", Format::Obj, "rename"),
            (b"v 0 0 0\nv 1 0 0\n", Format::Glb, "looks like OBJ"),
            (b"ply\nformat", Format::Off, "rename"),
            (b"PK\x03\x04", Format::Stl, "zip"),
            (b"\x89PNG", Format::Obj, "PNG"),
            (&[0; 200], Format::Glb, "zero bytes"),
            (b"JSON", Format::Glb, "4a"),
        ] {
            let error = check(content, format).unwrap_err();
            assert_eq!(error.code(), "NOT_A_MESH");
            assert!(error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn the_right_content_passes() {
        for (content, format) in [
            (&b"glTF"[..], Format::Glb),
            (b"\xef\xbb\xbf {", Format::Gltf),
            (b"ply\r\n", Format::Ply),
            (b"# comment", Format::Obj),
            (b"OFF 3", Format::Off),
            (b"solid", Format::Stl),
            (&[0; 84], Format::Stl),
        ] {
            check(content, format).unwrap();
        }
        assert_eq!(check(b"", Format::Obj), Err(MeshError::EmptyFile));
    }
}
