//! The 26 codes for the five entries that follow a 1 in a between-layer row.
//!
//! A window is a run-length pattern. Patterns with too many runs are cut: what stands behind the cut is left
//! for a later token. The seven shapes, with the run borders that are their parameters:
//!
//! ```text
//! 1  11111       3  1 to b1, then 0            6  0 to b1, then 1
//! 2  00000       4  1 to b1, 0 to b2, then 1   7  0 to b1, 1 to b2, then 0
//!                5  1 to b1, 0 to b2, 1 to b3, then 0
//! ```

/// Entries in a window.
pub const WINDOW: usize = 5;
/// Number of codes.
pub const N_CODES: u8 = 26;

/// Window bits; bit `i` is entry `i`.
pub type Bits = u8;

/// How a window is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowCode {
    /// Shape, 1 to 7.
    pub shape: u8,
    /// Run borders.
    pub borders: [u8; 3],
    /// How many borders the shape has.
    pub n_borders: usize,
    /// First entry left for a later token, if any.
    pub cut: Option<u8>,
    /// The code.
    pub code: u8,
    /// Entries left for later tokens.
    pub left: Bits,
}

/// Number of subsets of `k` out of `n`.
const fn choose(n: u8, k: u8) -> u8 {
    if k == 0 {
        1
    } else if n < k {
        0
    } else {
        choose(n - 1, k - 1) + choose(n - 1, k)
    }
}

/// Writes a window.
pub const fn encode_window(bits: Bits) -> WindowCode {
    const W: u8 = WINDOW as u8;
    // Positions where the value changes; three at most belong to the pattern, the rest is cut.
    let leading = bits & 1;
    let most = if leading == 1 { 3 } else { 2 };
    let mut borders = [0_u8; 3];
    let mut n_borders = 0;
    let mut cut = None;
    let mut at = 1;
    while at < W {
        if (bits >> at) & 1 != (bits >> (at - 1)) & 1 {
            if n_borders == most {
                cut = Some(at);
                break;
            }
            borders[n_borders] = at;
            n_borders += 1;
        }
        at += 1;
    }
    let (shape, base) = match (leading, n_borders) {
        (1, 0) => (1, 0),
        (0, 0) => (2, 1),
        (1, 1) => (3, 2),
        (1, 2) => (4, 6),
        (1, _) => (5, 12),
        (_, 1) => (6, 16),
        _ => (7, 20),
    };
    // Lexicographic rank of the borders among the subsets of {1, 2, 3, 4}.
    let mut rank = 0;
    let mut previous = 0;
    let mut i = 0;
    while i < n_borders {
        let mut skipped = previous + 1;
        while skipped < borders[i] {
            rank += choose(W - 1 - skipped, (n_borders - i - 1) as u8);
            skipped += 1;
        }
        previous = borders[i];
        i += 1;
    }
    let left = match cut {
        Some(cut) => bits >> cut << cut,
        None => 0,
    };
    WindowCode {
        shape,
        borders,
        n_borders,
        cut,
        code: base + rank,
        left,
    }
}

/// All windows by their bits.
pub const ENCODED: [WindowCode; 1 << WINDOW] = {
    let mut table = [encode_window(0); 1 << WINDOW];
    let mut bits = 0;
    while bits < table.len() {
        table[bits] = encode_window(bits as Bits);
        bits += 1;
    }
    table
};

/// The bits a code stands for.
pub const DECODED: [Bits; N_CODES as usize] = {
    let mut table = [0; N_CODES as usize];
    let mut bits = 0;
    while bits < ENCODED.len() {
        let entry = ENCODED[bits];
        // What is cut off is not part of the pattern.
        table[entry.code as usize] = bits as Bits ^ entry.left;
        bits += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_used_and_returns() {
        let mut used = [false; N_CODES as usize];
        for (bits, entry) in ENCODED.iter().enumerate() {
            used[entry.code as usize] = true;
            assert_eq!(DECODED[entry.code as usize] | entry.left, bits as Bits);
        }
        assert_eq!(used, [true; N_CODES as usize]);
    }

    #[test]
    fn published_codes() {
        let code = |text: &str| {
            let bits = text
                .chars()
                .rev()
                .fold(0, |bits, c| bits << 1 | Bits::from(c == '1'));
            ENCODED[bits as usize].code
        };
        assert_eq!(code("11111"), 0);
        assert_eq!(code("00000"), 1);
        assert_eq!(code("10010"), 14);
        assert_eq!(code("00101"), 23);
        assert_eq!(code("01101"), 21);
        assert_eq!(code("00001"), 19);
    }
}
