//! Text formats: bytes of any encoding as lines and words of ASCII-compatible bytes.

use std::borrow::Cow;

use crate::{MeshError, Result};

/// The text by its byte-order mark, as bytes in which ASCII stands for itself.
///
/// Without a mark, UTF-8 and Latin-1 are not told apart: they differ in names only, and numbers are ASCII in
/// both. Refuses bytes that are no text with NOT_A_MESH.
pub fn decode(content: &[u8]) -> Result<Cow<'_, [u8]>> {
    if let Some(rest) = content.strip_prefix(b"\xef\xbb\xbf") {
        return Ok(Cow::Borrowed(rest));
    }
    // Before UTF-16, whose mark it starts with.
    if let Some(rest) = content.strip_prefix(b"\xff\xfe\x00\x00") {
        return Ok(utf32(rest, u32::from_le_bytes));
    }
    if let Some(rest) = content.strip_prefix(b"\x00\x00\xfe\xff") {
        return Ok(utf32(rest, u32::from_be_bytes));
    }
    if let Some(rest) = content.strip_prefix(b"\xff\xfe") {
        return Ok(utf16(rest, u16::from_le_bytes));
    }
    if let Some(rest) = content.strip_prefix(b"\xfe\xff") {
        return Ok(utf16(rest, u16::from_be_bytes));
    }
    if memchr::memchr(0, content).is_none() {
        return Ok(Cow::Borrowed(content));
    }
    match content {
        [0, 1..=255, ..] => Ok(utf16(content, u16::from_be_bytes)),
        [1..=255, 0, ..] => Ok(utf16(content, u16::from_le_bytes)),
        _ => Err(MeshError::NotAMesh(
            "a text format, but the file holds binary data; download it again".into(),
        )),
    }
}

fn utf16(content: &[u8], number: fn([u8; 2]) -> u16) -> Cow<'static, [u8]> {
    let units = content.as_chunks().0.iter().map(|&pair| number(pair));
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Cow::Owned(text.into_bytes())
}

fn utf32(content: &[u8], number: fn([u8; 4]) -> u32) -> Cow<'static, [u8]> {
    let units = content.as_chunks().0.iter().map(|&four| number(four));
    let text: String = units
        .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Cow::Owned(text.into_bytes())
}

/// Lines with their numbers from 1, ended by `\n`, `\r\n` or `\r`.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let current = rest?;
        let Some(end) = memchr::memchr2(b'\n', b'\r', current) else {
            rest = None;
            return Some(current);
        };
        let after = &current[end + 1..];
        let is_pair = current[end] == b'\r' && after.first() == Some(&b'\n');
        rest = Some(if is_pair { &after[1..] } else { after });
        Some(&current[..end])
    });
    split.enumerate().map(|(i, line)| (i + 1, line))
}

/// Words between blanks of ASCII.
pub fn words(line: &[u8]) -> Words<'_> {
    Words { rest: line }
}

/// The words of a line or of a whole text.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
        let start = self.rest.iter().position(|byte| !is_blank(byte))?;
        let from_start = &self.rest[start..];
        let length = from_start.iter().position(is_blank);
        let (word, rest) = from_start.split_at(length.unwrap_or(from_start.len()));
        self.rest = rest;
        Some(word)
    }
}

/// A word as a number; `nan` and `inf` are numbers here and refused with the finished mesh.
pub fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Three coordinates at the start of `words`.
pub fn point<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<[f64; 3]> {
    let mut coordinate = || number(words.next()?);
    Some([coordinate()?, coordinate()?, coordinate()?])
}

/// LOAD at a line, which is quoted.
pub fn line_error(line_number: usize, line: &[u8], reason: &str) -> MeshError {
    const QUOTED: usize = 60;
    let line = line.trim_ascii();
    let quoted = String::from_utf8_lossy(&line[..line.len().min(QUOTED)]);
    MeshError::Load(format!("line {line_number}: {quoted:?}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(mark: &[u8], units: &[&[u8]]) -> Vec<u8> {
        [mark, &units.concat()].concat()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        for content in [
            encoded(b"\xef\xbb\xbf", &[b"v", b"1"]),
            encoded(b"\xff\xfe", &[b"v\0", b"1\0"]),
            encoded(b"\xfe\xff", &[b"\0v", b"\x001"]),
            encoded(b"", &[b"v\0", b"1\0"]),
            encoded(b"", &[b"\0v", b"\x001"]),
            encoded(b"\xff\xfe\0\0", &[b"v\0\0\0", b"1\0\0\0"]),
            encoded(b"\0\0\xfe\xff", &[b"\0\0\0v", b"\0\0\x001"]),
        ] {
            assert_eq!(decode(&content).unwrap().as_ref(), b"v1");
        }
        assert_eq!(decode(b"v \xe9").unwrap().as_ref(), b"v \xe9");
    }

    #[test]
    fn binary_data_is_no_text() {
        assert_eq!(decode(b"ab\0c").unwrap_err().code(), "NOT_A_MESH");
        assert_eq!(decode(b"\0\0c").unwrap_err().code(), "NOT_A_MESH");
    }

    #[test]
    fn all_three_line_ends() {
        let found: Vec<_> = lines(b"a\nb\r\nc\r\rd").collect();
        let expected: [(usize, &[u8]); 5] = [(1, b"a"), (2, b"b"), (3, b"c"), (4, b""), (5, b"d")];
        assert_eq!(found, expected);
    }

    #[test]
    fn words_and_numbers() {
        let found: Vec<_> = words(b" v\t1.5  -2e1 ").collect();
        assert_eq!(found, [&b"v"[..], b"1.5", b"-2e1"]);
        assert_eq!(point(words(b"1.5 -2e1 .5 7")), Some([1.5, -20.0, 0.5]));
        assert_eq!(point(words(b"1 2")), None);
        assert_eq!(number::<f64>(b"1,5"), None);
        assert_eq!(number::<i64>(b"1.5"), None);
    }
}
