//! Rows of the between-layer matrix as (column, window code) pairs.

use super::window::{Bits, DECODED, ENCODED, WINDOW};

/// Writes a row, given the ascending columns of its ones.
pub fn encode_row(columns: &[u32], mut emit: impl FnMut(usize, u8)) {
    let mut rest = columns;
    while let Some((&c, after)) = rest.split_first() {
        let bits = after
            .iter()
            .map(|&column| column - c - 1)
            .take_while(|&i| i < WINDOW as u32)
            .fold(0, |bits: Bits, i| bits | 1 << i);
        let entry = &ENCODED[bits as usize];
        emit(c as usize, entry.code);
        // The ones left for a later token are the last of the window.
        rest = &after[(bits & !entry.left).count_ones() as usize..];
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
            let ones: Vec<u32> = (0..12).filter(|&c| pattern >> c & 1 == 1).collect();
            let mut codes = Vec::new();
            encode_row(&ones, |c, code| codes.push((c, code)));
            assert_eq!(decode_row(12, &codes), ones);
        }
    }

    #[test]
    fn a_column_outside_the_row_is_ignored() {
        assert_eq!(decode_row(4, &[(1, 1), (150, 0)]), [1]);
    }
}
