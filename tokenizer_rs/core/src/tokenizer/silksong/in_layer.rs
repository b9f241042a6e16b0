//! Rows of the in-layer matrix as token values.
//!
//! A row is read cyclically from the entry after the diagonal: `h[d] = S[i][(i + 1 + d) mod n]`. Eight entries
//! go into one head; entries of long rows that neither this head nor, by symmetry, that of another row
//! covers follow as bare offsets.

/// Entries in a head.
pub const HEAD: usize = 8;

/// The head bits and the extra offsets of a row, given the ascending offsets `d` of its ones.
pub fn encode_row(n: usize, offsets: &[usize]) -> (u8, Vec<usize>) {
    let m = n.saturating_sub(1);
    let bits = offsets
        .iter()
        .filter(|&&d| d < HEAD.min(m))
        .fold(0, |bits, &d| bits | 1 << d);
    let extra = if m > 2 * HEAD {
        offsets
            .iter()
            .copied()
            .filter(|&d| (HEAD..m - HEAD).contains(&d))
            .collect()
    } else {
        Vec::new()
    };
    (bits, extra)
}

/// The offsets of the ones of row, ascending; nothing if an extra offset lies outside the row.
///
/// `values[0]` is the head, or a bare offset used as head bits; at least one value is needed.
pub fn decode_row(n: usize, values: &[usize], layer_vertices: usize) -> Option<Vec<usize>> {
    let m = n.saturating_sub(1);
    let (&head, extra) = values.split_first()?;
    let bits = if head >= layer_vertices {
        head - layer_vertices
    } else {
        head
    };
    let mut offsets: Vec<usize> = (0..HEAD.min(m)).filter(|d| bits >> d & 1 == 1).collect();
    for &d in extra {
        if d >= m {
            return None;
        }
        offsets.push(d);
    }
    offsets.sort_unstable();
    offsets.dedup();
    Some(offsets)
}

/// A square 0/1 matrix with few ones, as sorted columns per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InLayer {
    rows: Vec<Vec<u32>>,
}

impl InLayer {
    /// Reads one row per item, makes the matrix symmetric and sets the diagonal.
    pub fn decode(rows: &[Vec<usize>], layer_vertices: usize) -> Option<Self> {
        let n = rows.len();
        let mut matrix: Vec<Vec<u32>> = (0..n as u32).map(|i| vec![i]).collect();
        for (i, values) in rows.iter().enumerate() {
            for d in decode_row(n, values, layer_vertices)? {
                let j = (i + 1 + d) % n;
                matrix[i].push(j as u32);
                matrix[j].push(i as u32);
            }
        }
        for row in &mut matrix {
            row.sort_unstable();
            row.dedup();
        }
        Some(Self { rows: matrix })
    }

    /// Ascending columns of a row, the diagonal among them.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.rows[i]
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether two vertices of the layer are joined.
    pub fn linked(&self, i: u32, j: u32) -> bool {
        self.rows
            .get(i as usize)
            .is_some_and(|row| row.binary_search(&j).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_leave_their_last_entries_to_the_other_head() {
        assert_eq!(
            encode_row(20, &[0, 7, 8, 10, 11, 18]),
            (0b1000_0001, vec![8, 10])
        );
        assert_eq!(encode_row(4, &[0, 2]), (0b101, vec![]));
        assert_eq!(encode_row(1, &[]), (0, vec![]));
    }

    #[test]
    fn a_row_needs_a_value_and_offsets_inside_it() {
        assert_eq!(decode_row(4, &[200 + 0b1101], 200), Some(vec![0, 2]));
        assert_eq!(decode_row(4, &[0b101], 200), Some(vec![0, 2]));
        assert_eq!(decode_row(4, &[], 200), None);
        assert_eq!(decode_row(4, &[200, 3], 200), None);
    }
}
