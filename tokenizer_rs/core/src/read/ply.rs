//! PLY, ASCII and binary of both byte orders, polygons of any and of mixed size.
//!
//! An own reader: the crates for PLY build a map of named values for every row, many times the size of the
//! file, and stop at the announced rows whatever follows them.

use super::text::{number, words, Words};
use super::triangles::Triangles;
use super::{LoadedMesh, ReadLimits};
use crate::{MeshError, Result};

const CORNER_NAMES: [&[u8]; 2] = [b"vertex_indices", b"vertex_index"];

/// Reads vertices and faces; polygons are cut into fans, elements of other names are skipped.
///
/// Refused with LOAD where the header is malformed or the data is shorter or longer than it announces.
pub fn read(content: &[u8], limits: &ReadLimits) -> Result<LoadedMesh> {
    let header = read_header(content)?;
    match header.encoding {
        Encoding::Ascii => read_elements(&header.elements, &mut Ascii(words(header.data)), limits),
        Encoding::Binary { is_big_endian } => {
            let rest = header.data;
            read_elements(
                &header.elements,
                &mut Binary {
                    rest,
                    is_big_endian,
                },
                limits,
            )
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Scalar {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Scalar {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"char" | b"int8" => Self::I8,
            b"uchar" | b"uint8" => Self::U8,
            b"short" | b"int16" => Self::I16,
            b"ushort" | b"uint16" => Self::U16,
            b"int" | b"int32" => Self::I32,
            b"uint" | b"uint32" => Self::U32,
            b"int64" => Self::I64,
            b"uint64" => Self::U64,
            b"float" | b"float32" => Self::F32,
            b"double" | b"float64" => Self::F64,
            _ => return None,
        })
    }
}

struct Property<'a> {
    name: &'a [u8],
    /// Type of the count, where the property is a list.
    count: Option<Scalar>,
    value: Scalar,
}

/// One kind of rows.
struct Element<'a> {
    name: &'a [u8],
    n_rows: u64,
    properties: Vec<Property<'a>>,
}

enum Encoding {
    Ascii,
    Binary { is_big_endian: bool },
}

struct Header<'a> {
    elements: Vec<Element<'a>>,
    encoding: Encoding,
    data: &'a [u8],
}

fn read_header(content: &[u8]) -> Result<Header<'_>> {
    let malformed = |line: &[u8], reason: &str| {
        let quoted = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        MeshError::Load(format!("header line {quoted:?}: {reason}"))
    };
    // Old Macintosh files end their lines with `\r` alone, which binary data may follow by `\n`.
    let line_end = match memchr::memchr2(b'\n', b'\r', content) {
        Some(end) if content[end] == b'\r' && content.get(end + 1) != Some(&b'\n') => b'\r',
        _ => b'\n',
    };
    let mut elements: Vec<Element> = Vec::new();
    let mut encoding = None;
    let mut rest = content;
    while let Some(end) = memchr::memchr(line_end, rest) {
        let line = rest[..end].trim_ascii();
        rest = &rest[end + 1..];
        let mut line_words = words(line);
        let keyword = line_words.next();
        let mut word = || line_words.next().unwrap_or_default();
        match keyword {
            Some(b"end_header") => {
                let encoding =
                    encoding.ok_or_else(|| malformed(line, "no format line before it"))?;
                return Ok(Header {
                    elements,
                    encoding,
                    data: rest,
                });
            }
            Some(b"format") => {
                encoding = Some(match &word().to_ascii_lowercase()[..] {
                    b"ascii" => Encoding::Ascii,
                    b"binary_little_endian" => Encoding::Binary {
                        is_big_endian: false,
                    },
                    b"binary_big_endian" => Encoding::Binary {
                        is_big_endian: true,
                    },
                    _ => return Err(malformed(line, "no known format; export it again")),
                });
            }
            Some(b"element") => {
                let name = word();
                let n_rows = number(word())
                    .ok_or_else(|| malformed(line, "no number of rows; export it again"))?;
                let is_read = name == b"vertex" || name == b"face";
                if is_read && elements.iter().any(|element| element.name == name) {
                    return Err(malformed(line, "announced twice; export it again"));
                }
                elements.push(Element {
                    name,
                    n_rows,
                    properties: Vec::new(),
                });
            }
            Some(b"property") => {
                let mut type_name = word();
                let mut count = None;
                let unknown = || malformed(line, "an unknown type; export it again");
                if type_name == b"list" {
                    count = Some(Scalar::named(word()).ok_or_else(unknown)?);
                    type_name = word();
                }
                let value = Scalar::named(type_name).ok_or_else(unknown)?;
                let name = word();
                let element = elements
                    .last_mut()
                    .ok_or_else(|| malformed(line, "a property of no element; export it again"))?;
                element.properties.push(Property { name, count, value });
            }
            _ => {}
        }
    }
    Err(MeshError::Load(
        "no end_header; the file is cut off or damaged".into(),
    ))
}

/// Numbers one after the other; `None` at the end of the data or at what is no number.
trait Numbers {
    fn next(&mut self, scalar: Scalar) -> Option<f64>;
    /// Whether nothing is left; to be asked last.
    fn is_at_end(&mut self) -> bool;
}

struct Ascii<'a>(Words<'a>);

impl Numbers for Ascii<'_> {
    fn next(&mut self, _: Scalar) -> Option<f64> {
        number(self.0.next()?)
    }

    fn is_at_end(&mut self) -> bool {
        self.0.next().is_none()
    }
}

struct Binary<'a> {
    rest: &'a [u8],
    is_big_endian: bool,
}

impl Binary<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        let mut bytes = *bytes;
        if self.is_big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }
}

impl Numbers for Binary<'_> {
    #[inline]
    fn next(&mut self, scalar: Scalar) -> Option<f64> {
        Some(match scalar {
            Scalar::I8 => f64::from(i8::from_le_bytes(self.bytes()?)),
            Scalar::U8 => f64::from(u8::from_le_bytes(self.bytes()?)),
            Scalar::I16 => f64::from(i16::from_le_bytes(self.bytes()?)),
            Scalar::U16 => f64::from(u16::from_le_bytes(self.bytes()?)),
            Scalar::I32 => f64::from(i32::from_le_bytes(self.bytes()?)),
            Scalar::U32 => f64::from(u32::from_le_bytes(self.bytes()?)),
            // Beyond 2^53 they are rounded, and no index or count either way.
            Scalar::I64 => i64::from_le_bytes(self.bytes()?) as f64,
            Scalar::U64 => u64::from_le_bytes(self.bytes()?) as f64,
            Scalar::F32 => f64::from(f32::from_le_bytes(self.bytes()?)),
            Scalar::F64 => f64::from_le_bytes(self.bytes()?),
        })
    }

    fn is_at_end(&mut self) -> bool {
        self.rest.is_empty()
    }
}

/// What a property is read for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Axis(usize),
    Corners,
    Skipped,
}

fn read_elements(
    elements: &[Element],
    numbers: &mut impl Numbers,
    limits: &ReadLimits,
) -> Result<LoadedMesh> {
    let mut triangles = Triangles::new(limits);
    let mut polygon = Vec::new();
    for element in elements {
        let roles = roles(element)?;
        if roles.is_empty() {
            // Rows of nothing: however many are announced, none has to be read.
            continue;
        }
        for row in 0..element.n_rows {
            let mut point = None;
            for (property, &role) in element.properties.iter().zip(&roles) {
                read_property(property, role, numbers, &mut point, &mut polygon)
                    .ok_or_else(|| too_short(element, row))?;
                if role == Role::Corners {
                    triangles.push_polygon(&polygon)?;
                }
            }
            triangles.vertices.extend(point);
        }
    }
    if !numbers.is_at_end() {
        return Err(MeshError::Load(
            "data is left over behind the announced rows; the counts do not fit".into(),
        ));
    }
    triangles.finish(1)
}

/// Reads one value or list; `None` where the data ends or does not fit.
fn read_property(
    property: &Property,
    role: Role,
    numbers: &mut impl Numbers,
    point: &mut Option<[f64; 3]>,
    polygon: &mut Vec<u32>,
) -> Option<()> {
    let n_values = match property.count {
        None => 1,
        Some(count) => whole(numbers.next(count)?)?,
    };
    polygon.clear();
    for _ in 0..n_values {
        let value = numbers.next(property.value)?;
        match role {
            Role::Axis(axis) => point.get_or_insert_default()[axis] = value,
            Role::Corners => polygon.push(whole(value)?),
            Role::Skipped => {}
        }
    }
    Some(())
}

/// A number as an index or count; `None` where it is none.
fn whole(value: f64) -> Option<u32> {
    let is_whole = value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0;
    is_whole.then_some(value as u32)
}

/// What each property of an element is read for.
fn roles(element: &Element) -> Result<Vec<Role>> {
    let properties = &element.properties;
    let mut roles = vec![Role::Skipped; properties.len()];
    if element.n_rows == 0 {
        return Ok(roles);
    }
    let fail = |what: &str| {
        MeshError::Load(format!(
            "its {} rows have {what}; export it again",
            String::from_utf8_lossy(element.name)
        ))
    };
    match element.name {
        b"vertex" => {
            for (axis, name) in [b"x", b"y", b"z"].into_iter().enumerate() {
                let is_axis = |p: &Property| p.count.is_none() && p.name == name;
                let position = the_only(properties, is_axis)
                    .ok_or_else(|| fail("not one x, one y and one z"))?;
                roles[position] = Role::Axis(axis);
            }
        }
        b"face" => {
            let is_list = |p: &Property| p.count.is_some();
            let position = the_only(properties, |p| is_list(p) && CORNER_NAMES.contains(&p.name))
                .or_else(|| the_only(properties, is_list))
                .ok_or_else(|| fail("not one list named vertex_indices"))?;
            roles[position] = Role::Corners;
        }
        _ => {}
    }
    Ok(roles)
}

/// Position of the one property that is wanted; `None` where there are none or several.
fn the_only(properties: &[Property], is_wanted: impl Fn(&Property) -> bool) -> Option<usize> {
    let mut positions = (0..properties.len()).filter(|&i| is_wanted(&properties[i]));
    let position = positions.next()?;
    positions.next().is_none().then_some(position)
}

fn too_short(element: &Element, n_read: u64) -> MeshError {
    MeshError::Load(format!(
        "announces {} rows of {}, but after {n_read} the data ends or does not fit; download it again",
        element.n_rows,
        String::from_utf8_lossy(element.name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERTICES: &str =
        "element vertex 4\nproperty float x\nproperty float y\nproperty float z\nproperty uchar red\n";
    const FACES: &str =
        "element face 2\nproperty list uchar int vertex_indices\nproperty short flag\n";

    fn read_bytes(content: &[u8]) -> Result<LoadedMesh> {
        read(content, &ReadLimits::default())
    }

    fn header(encoding: &str, elements: &str) -> String {
        format!("ply\nformat {encoding} 1.0\ncomment x\n{elements}end_header\n")
    }

    /// A triangle and a quad of both byte orders.
    fn binary(is_big_endian: bool) -> Vec<u8> {
        let mut data = Vec::new();
        let ordered = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if is_big_endian {
                bytes.reverse();
            }
            bytes
        };
        for point in [
            [0.0_f32, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [1.0, 1.0, 0.0],
            [0.0, 1.0, 0.25],
        ] {
            for x in point {
                data.extend(ordered(&x.to_le_bytes()));
            }
            data.push(9);
        }
        for polygon in [&[0_i32, 1, 3][..], &[0, 1, 2, 3]] {
            data.push(polygon.len() as u8);
            for corner in polygon {
                data.extend(ordered(&corner.to_le_bytes()));
            }
            data.extend([1, 2]);
        }
        data
    }

    fn binary_file(is_big_endian: bool) -> Vec<u8> {
        let encoding = ["binary_little_endian", "binary_big_endian"][usize::from(is_big_endian)];
        let mut content = header(encoding, &format!("{VERTICES}{FACES}")).into_bytes();
        content.extend(binary(is_big_endian));
        content
    }

    const ASCII: &str = "0 0 0 9\n1 0 0 9\n1 1 0 9\n0 1 0.25 9\n3 0 1 3 1\n4 0 1 2 3 1\n";

    #[test]
    fn all_encodings_give_the_same_mesh() {
        let text = header("ascii", &format!("{VERTICES}{FACES}")) + ASCII;
        let mesh = read_bytes(text.as_bytes()).unwrap();
        assert_eq!(mesh.mesh.faces, [[0, 1, 3], [0, 1, 2], [2, 3, 0]]);
        assert_eq!(mesh.mesh.vertices[3], [0.0, 1.0, 0.25]);
        assert_eq!(read_bytes(&binary_file(false)), Ok(mesh.clone()));
        assert_eq!(read_bytes(&binary_file(true)), Ok(mesh.clone()));
        assert_eq!(
            read_bytes(text.replace('\n', "\r").as_bytes()),
            Ok(mesh.clone())
        );
        assert_eq!(read_bytes(text.replace('\n', "\r\n").as_bytes()), Ok(mesh));
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let content = binary_file(false);
        for length in 0..content.len() {
            assert_eq!(read_bytes(&content[..length]).unwrap_err().code(), "LOAD");
        }
        let longer = [&content[..], b"x"].concat();
        assert_eq!(read_bytes(&longer).unwrap_err().code(), "LOAD");
    }

    #[test]
    fn malformed_files_are_refused() {
        let points = "element vertex 3\nproperty float x\nproperty float y\nproperty float z\n";
        let face = "element face 1\nproperty list uchar int vertex_indices\n";
        let rows = "0 0 0 1 0 0 0 1 0";
        for (elements, data) in [
            (format!("{points}{face}"), format!("{rows} 3 0 1 3")),
            (format!("{points}{face}"), format!("{rows} 3 0 1 -1")),
            (format!("{points}{face}"), format!("{rows} 3 0 1 1.5")),
            (format!("{points}{face}"), format!("{rows} -3 0 1 2")),
            (format!("{points}{face}"), format!("{rows} 99 0 1 2")),
            (format!("{points}{face}"), format!("{rows} 3 0 1 x")),
            (format!("{points}{face}"), format!("{rows} 3 0 1 2 3")),
            (format!("{points}{face}"), "0 0 0".into()),
            (format!("{points}{points}{face}"), rows.into()),
            (points.replace("float x", "float w") + face, rows.into()),
            (points.replace("float y", "float x") + face, rows.into()),
            (points.replace("float", "half"), rows.into()),
            (points.replace(" 3\n", " -3\n"), rows.into()),
            (points.replace(" 3\n", " 99999999999999999\n"), rows.into()),
            (format!("property float x\n{points}"), rows.into()),
            (
                format!("{points}element face 1\nproperty int a\n"),
                format!("{rows} 1"),
            ),
            (
                format!("{points}{face}property list int int vertex_index\n"),
                format!("{rows} 3 0 1 2 3 0 1 2"),
            ),
        ] {
            let text = header("ascii", &elements) + &data;
            assert_eq!(
                read_bytes(text.as_bytes()).unwrap_err().code(),
                "LOAD",
                "{text}"
            );
        }
        let no_format = header("ascii", "").replace("format", "comment");
        assert_eq!(read_bytes(no_format.as_bytes()).unwrap_err().code(), "LOAD");
        let unknown = header("binary", "");
        assert_eq!(read_bytes(unknown.as_bytes()).unwrap_err().code(), "LOAD");
    }

    #[test]
    fn rows_of_nothing_cost_nothing() {
        let text = header("ascii", "element nothing 18446744073709551615\n");
        assert_eq!(
            read_bytes(text.as_bytes()).unwrap_err().code(),
            "NO_TRIANGLES"
        );
    }

    #[test]
    fn points_alone_are_no_mesh() {
        let points = VERTICES.replace('4', "1");
        let text = header("ascii", &points) + "nan 0 0 1";
        assert_eq!(
            read_bytes(text.as_bytes()).unwrap_err().code(),
            "NO_TRIANGLES"
        );
    }
}
