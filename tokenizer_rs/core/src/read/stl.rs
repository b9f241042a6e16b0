//! STL, binary and ASCII: told apart by the size, since binary files also start with "solid".
//!
//! An own reader: `stl_io` welds vertices and decides by the first five bytes.

use super::text::{decode, line_error, lines, point, words};
use super::triangles::Triangles;
use super::{LoadedMesh, ReadLimits};
use crate::{MeshError, Result};

const HEADER_BYTES: usize = 84;
/// Normal, three corners of single precision, and two bytes that nobody agrees on.
const FACET_BYTES: usize = 50;
const NORMAL_BYTES: usize = 12;

/// Reads an STL file; each facet has three vertices of its own. Parts are the solids.
///
/// Refused with LOAD where the count of a binary file does not fit its size, or an ASCII file ends within a
/// facet.
pub fn read(content: &[u8], limits: &ReadLimits) -> Result<LoadedMesh> {
    let (facets, rest) = content
        .get(HEADER_BYTES..)
        .unwrap_or_default()
        .as_chunks::<FACET_BYTES>();
    let announced = content
        .get(80..HEADER_BYTES)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes);
    if announced.is_some_and(|n| n as usize == facets.len()) && rest.is_empty() {
        return read_binary(facets, limits);
    }
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let is_ascii = text
        .trim_ascii_start()
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case(b"solid"));
    if is_ascii && memchr::memchr(0, content).is_none() {
        return read_ascii(content, limits);
    }
    Err(MeshError::Load(match announced {
        None => format!(
            "{} bytes, less than the header of a binary STL; download it again",
            content.len()
        ),
        Some(n) => format!(
            "announces {n} facets, has {} and {} bytes; download it again",
            facets.len(),
            rest.len()
        ),
    }))
}

fn read_binary(facets: &[[u8; FACET_BYTES]], limits: &ReadLimits) -> Result<LoadedMesh> {
    let mut triangles = Triangles::new(limits);
    for facet in facets {
        let mut numbers = facet[NORMAL_BYTES..]
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f64::from(f32::from_le_bytes(bytes)));
        let mut corner = [[0.0; 3]; 3];
        for coordinate in corner.as_flattened_mut() {
            *coordinate = numbers.next().unwrap_or(f64::NAN);
        }
        push_facet(&mut triangles, &corner)?;
    }
    triangles.finish(1)
}

/// Reads the facets of all solids; `endsolid` may be absent.
fn read_ascii(content: &[u8], limits: &ReadLimits) -> Result<LoadedMesh> {
    let text = decode(content)?;
    let mut triangles = Triangles::new(limits);
    let mut corners = Vec::with_capacity(3);
    let mut is_within_facet = false;
    let mut n_solids = 0;
    let mut is_new_solid = true;
    for (line_number, line) in lines(&text) {
        let fail = |reason| Err(line_error(line_number, line, reason));
        let mut words = words(line);
        let keyword = words.next().unwrap_or_default();
        if keyword.eq_ignore_ascii_case(b"vertex") {
            match point(words) {
                Some(point) if corners.len() < 3 => corners.push(point),
                Some(_) => return fail("a fourth corner; it is cut off or damaged"),
                None => return fail("not a vertex; it is cut off or damaged"),
            }
        } else if keyword.eq_ignore_ascii_case(b"facet") {
            if is_within_facet {
                return fail("a facet within a facet; it is cut off or damaged");
            }
            is_within_facet = true;
            n_solids += usize::from(is_new_solid);
            is_new_solid = false;
        } else if keyword.eq_ignore_ascii_case(b"endfacet") {
            match corners[..] {
                [a, b, c] if is_within_facet => push_facet(&mut triangles, &[a, b, c])?,
                _ => return fail("a facet without three corners; it is cut off or damaged"),
            }
            corners.clear();
            is_within_facet = false;
        } else if keyword.eq_ignore_ascii_case(b"solid") {
            is_new_solid = true;
        }
    }
    if is_within_facet || !corners.is_empty() {
        return Err(MeshError::Load(format!(
            "ends within facet {}; download it again",
            triangles.faces.len() + 1
        )));
    }
    triangles.finish(n_solids)
}

fn push_facet(triangles: &mut Triangles, corners: &[[f64; 3]; 3]) -> Result<()> {
    // The limit on triangles keeps three times as many vertices within 32 bits.
    let first = triangles.vertices.len() as u32;
    triangles.push_triangle([first, first + 1, first + 2])?;
    triangles.vertices.extend_from_slice(corners);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(content: &[u8]) -> Result<LoadedMesh> {
        read(content, &ReadLimits::default())
    }

    fn binary(header: &[u8], n_announced: u32, corners: &[f32]) -> Vec<u8> {
        let mut content = vec![b' '; 80];
        content[..header.len()].copy_from_slice(header);
        content.extend(n_announced.to_le_bytes());
        for facet in corners.chunks(9) {
            content.extend([0; NORMAL_BYTES]);
            content.extend(facet.iter().flat_map(|x| x.to_le_bytes()));
            content.extend([7, 7]);
        }
        content
    }

    const CORNERS: [f32; 9] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.5];
    const FACET: &str =
        "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nVERTEX 1 0 0\nvertex 0 1 .5\nendloop\nendfacet\n";

    #[test]
    fn binary_even_if_it_says_solid() {
        let mesh = read_bytes(&binary(b"solid", 1, &CORNERS)).unwrap().mesh;
        assert_eq!(mesh.faces, [[0, 1, 2]]);
        assert_eq!(mesh.vertices[2], [0.0, 1.0, 0.5]);
    }

    #[test]
    fn ascii_with_several_solids() {
        let text = format!("solid a\n{FACET}{FACET}endsolid\nsolid b\nendsolid\nsolid c\n{FACET}");
        let loaded = read_bytes(text.as_bytes()).unwrap();
        assert_eq!(loaded.mesh.faces.len(), 3);
        assert_eq!(loaded.mesh.vertices[8], [0.0, 1.0, 0.5]);
        assert_eq!(loaded.n_geometries, 2);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let whole = binary(b"", 1, &CORNERS);
        for content in [
            b"x".to_vec(),
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"x"].concat(),
            binary(b"", 2, &CORNERS),
            binary(b"", 0, &CORNERS),
            binary(b"", u32::MAX, &CORNERS),
            format!("solid\n{FACET}facet\nvertex 0 0 0\n").into_bytes(),
            b"solid\nfacet\nvertex 0 0\nendfacet\n".to_vec(),
            b"solid\nfacet\nvertex 0 0 0\nendfacet\n".to_vec(),
            b"solid\nfacet\nfacet\n".to_vec(),
            b"solid\nvertex 0 0 0\n".to_vec(),
            format!("solid\n{}", FACET.replace("endloop", "vertex 0 0 0")).into_bytes(),
        ] {
            assert_eq!(read_bytes(&content).unwrap_err().code(), "LOAD");
        }
    }

    #[test]
    fn nothing_to_show() {
        assert_eq!(
            read_bytes(b"solid\nendsolid\n").unwrap_err().code(),
            "NO_TRIANGLES"
        );
        assert_eq!(
            read_bytes(&binary(b"", 0, &[])).unwrap_err().code(),
            "NO_TRIANGLES"
        );
        assert_eq!(
            read_bytes(&binary(b"", 1, &[f32::NAN; 9]))
                .unwrap_err()
                .code(),
            "NON_FINITE"
        );
    }
}
