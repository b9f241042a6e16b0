//! Wavefront OBJ: `v` and `f` statements; everything else is skipped.
//!
//! An own reader, since the crates for OBJ take an index of 0 for the last vertex or drop a line that they
//! cannot read, and build texture and normal tables that nobody asks for here.

use std::borrow::Cow;
use std::collections::HashSet;

use super::text::{decode, line_error, lines, number, point, words};
use super::triangles::Triangles;
use super::{LoadedMesh, ReadLimits};
use crate::Result;

/// Reads vertices and faces; faces below three corners are skipped. Parts are the materials in use.
///
/// Negative indices count back from the last vertex so far. Refused with LOAD at the first statement that
/// cannot be read.
pub fn read(content: &[u8], limits: &ReadLimits) -> Result<LoadedMesh> {
    let text = joined_lines(decode(content)?);
    let mut triangles = Triangles::new(limits);
    let mut polygon = Vec::new();
    let mut materials: HashSet<Option<&[u8]>> = HashSet::new();
    let mut material = None;
    let mut is_new_material = true;
    for (line_number, line) in lines(&text) {
        let mut words = words(line);
        match words.next() {
            Some(b"v") => match point(words) {
                Some(point) => triangles.vertices.push(point),
                None => {
                    return Err(line_error(
                        line_number,
                        line,
                        "no three numbers; export it again",
                    ))
                }
            },
            Some(b"f") => {
                read_polygon(words, triangles.vertices.len(), &mut polygon)
                    .map_err(|reason| line_error(line_number, line, reason))?;
                if polygon.len() < 3 {
                    continue;
                }
                triangles.push_polygon(&polygon)?;
                if is_new_material {
                    materials.insert(material);
                    is_new_material = false;
                }
            }
            Some(keyword @ b"usemtl") => {
                material = Some(line.trim_ascii()[keyword.len()..].trim_ascii());
                is_new_material = true;
            }
            _ => {}
        }
    }
    triangles.finish(materials.len())
}

/// Lines that a backslash continues become one.
fn joined_lines(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', &text).is_none() {
        return text;
    }
    let mut joined = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(position) = memchr::memchr(b'\\', rest) {
        let (before, after) = rest.split_at(position);
        joined.extend_from_slice(before);
        let continued = after
            .strip_prefix(b"\\\r\n")
            .or_else(|| after.strip_prefix(b"\\\n"));
        // Not the line count, but the numbers stay apart.
        joined.push(if continued.is_some() { b' ' } else { b'\\' });
        rest = continued.unwrap_or(&after[1..]);
    }
    joined.extend_from_slice(rest);
    Cow::Owned(joined)
}

/// Fills `polygon` with the corners of one face, from 0; `n_vertices` are defined so far.
fn read_polygon<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    n_vertices: usize,
    polygon: &mut Vec<u32>,
) -> std::result::Result<(), &'static str> {
    polygon.clear();
    for word in words {
        if word[0] == b'#' {
            break;
        }
        let end = word.iter().position(|&byte| byte == b'/');
        let index: i64 =
            number(&word[..end.unwrap_or(word.len())]).ok_or("no indices; export it again")?;
        let from_zero = match index {
            0 => return Err("index 0; OBJ counts from 1"),
            1.. => index - 1,
            _ => i64::try_from(n_vertices)
                .ok()
                .and_then(|n| n.checked_add(index))
                .ok_or("an index before the first vertex; export it again")?,
        };
        polygon
            .push(u32::try_from(from_zero).map_err(|_| "an index to no vertex; export it again")?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<LoadedMesh> {
        read(text.as_bytes(), &ReadLimits::default())
    }

    const SQUARE: &str = "v 0 0 0\nv 1 0 0 0.5 0.5 0.5\nv 1 1 0\nv 0 1 0\n";

    #[test]
    fn polygons_with_and_without_further_indices() {
        let loaded = read_text(&format!(
            "{SQUARE}f 1/1 2//3 3/4/5 # 4\nf 1 2 3 4\nf 1 2\nl 1 2\n"
        ));
        assert_eq!(
            loaded.unwrap().mesh.faces,
            [[0, 1, 2], [0, 1, 2], [2, 3, 0]]
        );
    }

    #[test]
    fn negative_indices_count_from_the_last_vertex_so_far() {
        let loaded = read_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 2 2 2\nf -3 -2 -1\n");
        assert_eq!(loaded.unwrap().mesh.faces, [[0, 1, 2], [1, 2, 3]]);
    }

    #[test]
    fn continued_lines_tabs_and_other_line_ends() {
        for text in [
            "v 0 0 0\nv 1 \\\n0 0\nv 1 1\\\r\n 0\nf 1 2 3\n",
            "v\t0 0 0\r\nv 1 0 0\r\nv 1 1 0\r\nf 1 2 3",
            "v 0 0 0\rv 1 0 0\rv 1 1 0\rf 1 2 3 \r",
        ] {
            let mesh = read_text(text).unwrap().mesh;
            assert_eq!(mesh.vertices[2], [1.0, 1.0, 0.0]);
            assert_eq!(mesh.faces, [[0, 1, 2]]);
        }
    }

    #[test]
    fn materials_in_use_are_counted() {
        let text = "usemtl a\nf 1 2 3\nusemtl b\nusemtl c d\nf 1 2 3\nf 2 3 4\nusemtl a\nf 1 2 4\n";
        assert_eq!(
            read_text(&format!("{SQUARE}{text}")).unwrap().n_geometries,
            2
        );
        assert_eq!(
            read_text(&format!("{SQUARE}f 1 2 3\n{text}"))
                .unwrap()
                .n_geometries,
            3
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for wrong in [
            "v 1 2",
            "v 1 2 x",
            "v 0,5 1 2",
            "f 0 1 2",
            "f 1 2 a",
            "f 1 2 -5",
            "f 1 2 /3",
            "f 1 2 99999999999999999999",
        ] {
            let error = read_text(&format!("{SQUARE}{wrong}\n")).unwrap_err();
            assert_eq!(error.code(), "LOAD");
            assert!(error.to_string().contains("line 5"), "{error}");
        }
        let error = read_text(&format!("{SQUARE}f 1 2 5\n")).unwrap_err();
        assert_eq!(error.code(), "LOAD");
    }

    #[test]
    fn without_faces_there_is_nothing() {
        assert_eq!(read_text(SQUARE).unwrap_err().code(), "NO_TRIANGLES");
        assert_eq!(read_text("# only\n").unwrap_err().code(), "NO_TRIANGLES");
        assert_eq!(
            read_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3")
                .unwrap_err()
                .code(),
            "NON_FINITE"
        );
    }
}
