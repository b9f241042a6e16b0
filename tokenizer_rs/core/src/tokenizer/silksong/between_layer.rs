//! Rows of the between-layer matrix as (column, window code) pairs.

use super::window::{Bits, DECODED, ENCODED, WINDOW};

/// Writes a row of 0/1 entries. `row` is used up: it is zero afterwards.
///
/// The row must be followed by [`WINDOW`] zeros, so that a window may reach beyond its end.
pub fn encode_row(row: &mut [bool], mut emit: impl FnMut(usize, u8)) {
    for c in 0..row.len().saturating_sub(WINDOW) {
        if !row[c] {
            continue;
        }
        row[c] = false;
        let window = &mut row[c + 1..=c + WINDOW];
        let bits = window
            .iter()
            .rev()
            .fold(0, |bits: Bits, &one| bits << 1 | Bits::from(one));
        let entry = &ENCODED[bits as usize];
        for (i, one) in window.iter_mut().enumerate() {
            *one = entry.left >> i & 1 == 1;
        }
        emit(c, entry.code);
    }
}

/// The ascending columns below `n_columns` of a row written as `codes`; a later pair overwrites an earlier one.
pub fn decode_row(n_columns: usize, codes: &[(usize, u8)]) -> Vec<u32> {
    // Columns beyond the reach of every pair stay zero, so the row need not be longer than that.
    let reach = codes
        .iter()
        .filter(|(c, _)| *c < n_columns)
        .map(|(c, _)| c + 1 + WINDOW)
        .max();
    let mut row = vec![false; reach.unwrap_or(0)];
    for &(c, code) in codes {
        let Some(&bits) = DECODED.get(code as usize).filter(|_| c < n_columns) else {
            continue;
        };
        row[c] = true;
        for i in 0..WINDOW {
            row[c + 1 + i] = bits >> i & 1 == 1;
        }
    }
    (0..row.len().min(n_columns))
        .filter(|&c| row[c])
        .map(|c| c as u32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_row_returns() {
        for pattern in 1_u32..1 << 12 {
            let mut row: Vec<bool> = (0..12).map(|c| pattern >> c & 1 == 1).collect();
            let ones: Vec<u32> = (0..12).filter(|&c| row[c as usize]).collect();
            row.resize(12 + WINDOW, false);
            let mut codes = Vec::new();
            encode_row(&mut row, |c, code| codes.push((c, code)));
            assert_eq!(decode_row(12, &codes), ones);
        }
    }

    #[test]
    fn a_column_outside_the_row_is_ignored() {
        assert_eq!(decode_row(4, &[(1, 1), (150, 0)]), [1]);
    }
}
