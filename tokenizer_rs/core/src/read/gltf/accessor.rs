//! Arrays of a glTF document: accessors over views over buffers, every number checked before it is used.
//!
//! Rows are looked up where they lie: however many accessors share a buffer, none is copied.

use std::borrow::Cow;

use super::buffers::needs_meshopt;
use super::document::{Accessor, BufferView, Document, RowType};
use crate::{MeshError, Result};

/// Rows that lie in no buffer are zeros; more than this are no mesh.
const MOST_VIRTUAL_ROWS: u64 = 1 << 24;

/// The arrays of one document.
#[derive(Clone, Copy)]
pub struct Arrays<'a> {
    pub document: &'a Document<'a>,
    pub buffers: &'a [Cow<'a, [u8]>],
}

impl<'a> Arrays<'a> {
    /// An accessor of positions.
    pub fn positions(self, index: u32) -> Result<Rows<'a>> {
        let accessor = item(&self.document.accessors, index, "accessor")?;
        let component = Component::named(accessor.component_type)?;
        if accessor.normalized && matches!(component, Component::U32 | Component::F32) {
            return Err(MeshError::Load(
                "an accessor normalises numbers that cannot be; export it again".into(),
            ));
        }
        self.rows(accessor, RowType::Vec3, 3, component)
    }

    /// An accessor of vertex indices, as a list.
    pub fn indices(self, index: u32) -> Result<Vec<u32>> {
        let accessor = item(&self.document.accessors, index, "accessor")?;
        let component = Component::unsigned(accessor.component_type)?;
        let rows = self.rows(accessor, RowType::Scalar, 1, component)?;
        Ok((0..rows.count).map(|row| rows.index(row)).collect())
    }

    /// How many rows an accessor announces, and how many of them its sparse part changes.
    pub fn counts(self, index: u32) -> Result<(u64, u64)> {
        let accessor = item(&self.document.accessors, index, "accessor")?;
        let n_sparse = accessor.sparse.as_ref().map_or(0, |sparse| sparse.count);
        Ok((accessor.count, n_sparse))
    }

    /// Whether an accessor has bytes of its own.
    pub fn is_stored(self, index: u32) -> Result<bool> {
        let accessor = item(&self.document.accessors, index, "accessor")?;
        Ok(accessor.buffer_view.is_some())
    }

    /// The bytes of a whole buffer view.
    pub fn view_bytes(self, index: u32) -> Result<&'a [u8]> {
        self.bytes_of(item(&self.document.buffer_views, index, "buffer view")?)
    }

    fn rows(
        self,
        accessor: &'a Accessor,
        expected: RowType,
        width: usize,
        component: Component,
    ) -> Result<Rows<'a>> {
        if accessor.row_type != expected {
            return Err(MeshError::Load(format!(
                "an accessor is not of type {expected:?}; export it again"
            )));
        }
        let dense = match accessor.buffer_view {
            None if accessor.count > MOST_VIRTUAL_ROWS => {
                return Err(MeshError::Load(format!(
                    "an accessor without buffer view announces {} rows; export it again",
                    accessor.count
                )))
            }
            None => None,
            Some(view) => {
                Some(self.strided(view, accessor.byte_offset, accessor.count, component, width)?)
            }
        };
        let mut rows = Rows {
            count: accessor.count as usize,
            component,
            is_normalized: accessor.normalized,
            dense,
            replacing: Vec::new(),
            values: None,
        };
        if let Some(sparse) = &accessor.sparse {
            let of = &sparse.indices;
            let index_type = Component::unsigned(of.component_type)?;
            let places =
                self.strided(of.buffer_view, of.byte_offset, sparse.count, index_type, 1)?;
            let of = &sparse.values;
            rows.values = Some(self.strided(
                of.buffer_view,
                of.byte_offset,
                sparse.count,
                component,
                width,
            )?);
            rows.replacing = (0..sparse.count as usize)
                .map(|i| (index_type.read_index(places.component(i, 0)), i))
                .collect();
            if let Some(&(last, _)) = rows.replacing.iter().max() {
                if u64::from(last) >= accessor.count {
                    return Err(MeshError::Load(format!(
                        "a sparse accessor of {} rows changes row {last}; export it again",
                        accessor.count
                    )));
                }
            }
            rows.replacing.sort_unstable();
        }
        Ok(rows)
    }

    /// The rows at an accessor's place in its buffer view.
    fn strided(
        self,
        view: u32,
        offset: u64,
        count: u64,
        component: Component,
        width: usize,
    ) -> Result<Strided<'a>> {
        let view = item(&self.document.buffer_views, view, "buffer view")?;
        let bytes = self.bytes_of(view)?;
        let row_bytes = (component.size() * width) as u64;
        let stride = match view.byte_stride {
            0 => row_bytes,
            stride => stride,
        };
        let needed = match count {
            0 => Some(offset),
            _ => (count - 1)
                .checked_mul(stride)
                .and_then(|n| n.checked_add(row_bytes)?.checked_add(offset)),
        };
        if stride < row_bytes || needed.is_none_or(|needed| needed > bytes.len() as u64) {
            return Err(MeshError::Load(format!(
                "an accessor of {count} rows, one every {stride} bytes from byte {offset}, does not fit a \
                 buffer view of {} bytes; export it again",
                bytes.len()
            )));
        }
        // All three are at most the size of a buffer in memory, unless there is a single row.
        Ok(Strided {
            bytes: &bytes[offset as usize..],
            stride: if count > 1 { stride as usize } else { 0 },
            size: component.size(),
        })
    }

    fn bytes_of(self, view: &BufferView) -> Result<&'a [u8]> {
        let buffer = item(self.buffers, view.buffer, "buffer")?;
        if view.extensions.meshopt.is_some() && buffer.is_empty() {
            return Err(needs_meshopt());
        }
        let end = view.byte_offset.checked_add(view.byte_length);
        match end.filter(|&end| end <= buffer.len() as u64) {
            Some(end) => Ok(&buffer[view.byte_offset as usize..end as usize]),
            None => Err(MeshError::Load(format!(
                "a buffer view of {} bytes from byte {} does not fit a buffer of {}; export it again",
                view.byte_length,
                view.byte_offset,
                buffer.len()
            ))),
        }
    }
}

/// An element of a list of the document; refused with LOAD where there is none of that index.
pub fn item<'a, T>(items: &'a [T], index: u32, what: &str) -> Result<&'a T> {
    items.get(index as usize).ok_or_else(|| {
        MeshError::Load(format!(
            "refers to {what} {index} of {}; export it again",
            items.len()
        ))
    })
}

/// The number types of glTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    I8,
    U8,
    I16,
    U16,
    U32,
    F32,
}

impl Component {
    fn named(component_type: u32) -> Result<Self> {
        Ok(match component_type {
            5120 => Self::I8,
            5121 => Self::U8,
            5122 => Self::I16,
            5123 => Self::U16,
            5125 => Self::U32,
            5126 => Self::F32,
            _ => {
                return Err(MeshError::Load(format!(
                    "an accessor has the unknown component type {component_type}; export it again"
                )))
            }
        })
    }

    /// A type that indices may have.
    fn unsigned(component_type: u32) -> Result<Self> {
        match Self::named(component_type)? {
            component @ (Self::U8 | Self::U16 | Self::U32) => Ok(component),
            component => Err(MeshError::Load(format!(
                "indices are of type {component:?}, not unsigned; export it again"
            ))),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    /// The index at the start of `bytes`.
    #[inline]
    fn read_index(self, bytes: &[u8]) -> u32 {
        match (self, bytes) {
            (Self::U8, &[a, ..]) => a.into(),
            (Self::U16, &[a, b, ..]) => u16::from_le_bytes([a, b]).into(),
            (_, &[a, b, c, d, ..]) => u32::from_le_bytes([a, b, c, d]),
            _ => u32::MAX,
        }
    }

    /// The number at the start of `bytes`, integers as -1..1 where they are normalised.
    #[inline]
    fn read(self, bytes: &[u8], is_normalized: bool) -> f64 {
        let (value, largest) = match (self, bytes) {
            (Self::F32, &[a, b, c, d, ..]) => {
                return f32::from_le_bytes([a, b, c, d]).into();
            }
            (Self::I8, &[a, ..]) => (f64::from(a as i8), i8::MAX.into()),
            (Self::U8, &[a, ..]) => (f64::from(a), u8::MAX.into()),
            (Self::I16, &[a, b, ..]) => (i16::from_le_bytes([a, b]).into(), i16::MAX.into()),
            (Self::U16, &[a, b, ..]) => (u16::from_le_bytes([a, b]).into(), u16::MAX.into()),
            (Self::U32, &[a, b, c, d, ..]) => (u32::from_le_bytes([a, b, c, d]).into(), 1.0),
            _ => (f64::NAN, 1.0),
        };
        if is_normalized {
            return (value / largest).max(-1.0);
        }
        value
    }
}

/// Rows at equal distances that are known to lie within `bytes`.
#[derive(Debug, Clone, Copy)]
struct Strided<'a> {
    bytes: &'a [u8],
    stride: usize,
    size: usize,
}

impl<'a> Strided<'a> {
    #[inline]
    fn component(&self, row: usize, column: usize) -> &'a [u8] {
        &self.bytes[row * self.stride + column * self.size..]
    }
}

/// The rows of an accessor, sparse ones replaced.
#[derive(Debug)]
pub struct Rows<'a> {
    pub count: usize,
    component: Component,
    is_normalized: bool,
    /// Zeros where there are none.
    dense: Option<Strided<'a>>,
    /// (row, its place among `values`), in order; the last of equal rows holds.
    replacing: Vec<(u32, usize)>,
    values: Option<Strided<'a>>,
}

impl<'a> Rows<'a> {
    /// Position of a row below `count`.
    #[inline]
    pub fn point(&self, row: usize) -> [f64; 3] {
        match self.place(row) {
            None => [0.0; 3],
            Some((rows, row)) => [0, 1, 2].map(|column| {
                self.component
                    .read(rows.component(row, column), self.is_normalized)
            }),
        }
    }

    #[inline]
    fn index(&self, row: usize) -> u32 {
        match self.place(row) {
            None => 0,
            Some((rows, row)) => self.component.read_index(rows.component(row, 0)),
        }
    }

    #[inline]
    fn place(&self, row: usize) -> Option<(&Strided<'a>, usize)> {
        if !self.replacing.is_empty() {
            let after = self.replacing.partition_point(|&(r, _)| r as usize <= row);
            if let Some(&(replaced, i)) = self.replacing[..after].last() {
                if replaced as usize == row {
                    return self.values.as_ref().map(|values| (values, i));
                }
            }
        }
        self.dense.as_ref().map(|dense| (dense, row))
    }
}
