//! OFF and its variants with colours, normals or texture coordinates behind each vertex, ASCII.

use super::text::{decode, line_error, lines, number, point, words};
use super::triangles::Triangles;
use super::{LoadedMesh, ReadLimits};
use crate::{MeshError, Result};

/// Reads an ASCII OFF file; polygons are cut into fans.
///
/// Refused with LOAD where the header is not that of OFF or the counts do not fit the lines.
pub fn read(content: &[u8], limits: &ReadLimits) -> Result<LoadedMesh> {
    let text = decode(content)?;
    let mut rows = lines(&text)
        .map(|(number, line)| (number, without_comment(line)))
        .filter(|(_, line)| !line.is_empty())
        .peekable();
    let Some((header_number, header)) = rows.next() else {
        return Err(no_header(b""));
    };
    let after = after_keyword(header).ok_or_else(|| no_header(header))?;
    // The counts may stand behind the keyword, or on a line of their own.
    let (counts_number, counts) = match after.is_empty() {
        false => (header_number, after),
        true => rows.next().unwrap_or((header_number, b"")),
    };
    let mut numbers = words(counts).map(number::<usize>);
    let (Some(Some(n_vertices)), Some(Some(n_faces))) = (numbers.next(), numbers.next()) else {
        return Err(line_error(
            counts_number,
            counts,
            "no counts of vertices and faces; export it again",
        ));
    };
    let mut triangles = Triangles::new(limits);
    for (line_number, line) in rows.by_ref().take(n_vertices) {
        let point = point(words(line))
            .ok_or_else(|| line_error(line_number, line, "no three numbers; export it again"))?;
        triangles.vertices.push(point);
    }
    let mut polygon = Vec::new();
    let mut n_read = 0;
    for (line_number, line) in rows.by_ref().take(n_faces) {
        read_polygon(line, &mut polygon).ok_or_else(|| {
            line_error(
                line_number,
                line,
                "not a count and as many indices; export it again",
            )
        })?;
        triangles.push_polygon(&polygon)?;
        n_read += 1;
    }
    if triangles.vertices.len() < n_vertices || n_read < n_faces || rows.peek().is_some() {
        return Err(MeshError::Load(format!(
            "announces {n_vertices} vertices and {n_faces} faces, but {} and {n_read} lines are there, and \
             {} behind them; download it again",
            triangles.vertices.len(),
            rows.count()
        )));
    }
    triangles.finish(1)
}

fn without_comment(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    line[..end].trim_ascii()
}

/// What follows `[ST][C][N]OFF`; ModelNet glues the counts to it, as in "OFF8 12 0".
fn after_keyword(header: &[u8]) -> Option<&[u8]> {
    let mut rest = header;
    for prefix in [&b"ST"[..], b"C", b"N"] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let rest = rest.strip_prefix(b"OFF")?;
    let is_apart = rest
        .first()
        .is_none_or(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace());
    is_apart.then(|| rest.trim_ascii())
}

fn no_header(line: &[u8]) -> MeshError {
    line_error(1, line, "not an ASCII OFF header; export it again")
}

fn read_polygon(line: &[u8], polygon: &mut Vec<u32>) -> Option<()> {
    polygon.clear();
    let mut words = words(line);
    let n_corners: usize = number(words.next()?)?;
    for word in words.take(n_corners) {
        polygon.push(number(word)?);
    }
    (polygon.len() == n_corners).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<LoadedMesh> {
        read(text.as_bytes(), &ReadLimits::default())
    }

    const ROWS: &str = "0 0 0 255 0 0\n1 0 0 255 0 0\n0 1 0 255 0 0\n3 0 1 2 0.5 0.5 0.5\n";

    #[test]
    fn every_header() {
        for header in [
            "OFF\n3 1 0",
            "OFF 3 1 0",
            "OFF3 1 0",
            "COFF\n# x\n\n3 1",
            "NOFF # y\n3 1 0",
            "STCNOFF\n3 1 0",
            "\u{feff}OFF\r\n3 1 0",
        ] {
            let loaded = read_text(&format!("{header}\n{ROWS}")).unwrap();
            assert_eq!(loaded.mesh.faces, [[0, 1, 2]], "{header}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in [
            String::new(),
            "# OFF\n".into(),
            ROWS.into(),
            "OFF".into(),
            "OFFX\n3 1 0\n".into(),
            format!("OFF BINARY\n3 1 0\n{ROWS}"),
            format!("4OFF\n3 1 0\n{ROWS}"),
            format!("OFF\n3 -1 0\n{ROWS}"),
            format!("OFF\n3 x\n{ROWS}"),
            format!("OFF\n3 2 0\n{ROWS}"),
            format!("OFF\n2 1 0\n{ROWS}"),
            format!("OFF\n3 1 0\n{ROWS}3 0 1 2\n"),
            "OFF\n999999999999 999999999999 0\n0 0 0\n".into(),
            "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n".into(),
            "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n".into(),
            "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 -2\n".into(),
            "OFF\n3 1 0\n0 0 0\n1 0\n0 1 0\n3 0 1 2\n".into(),
        ] {
            assert_eq!(read_text(&text).unwrap_err().code(), "LOAD", "{text}");
        }
        assert_eq!(
            read_text("OFF\n1 0 0\n0 0 0\n").unwrap_err().code(),
            "NO_TRIANGLES"
        );
    }
}
