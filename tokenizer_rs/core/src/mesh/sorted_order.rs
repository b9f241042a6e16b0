//! Sorting by three numbers, as one comparison each.

/// The indices of keys in ascending order; equal keys keep theirs. Cost O(n log n).
///
/// A key and its index are one number of 128 bits, which is moved and compared without branches.
pub fn sorted_order(keys: impl Iterator<Item = [u32; 3]>) -> Vec<u32> {
    let mut packed: Vec<u128> = (0_u32..)
        .zip(keys)
        .map(|(i, [a, b, c])| {
            let high = u64::from(a) << 32 | u64::from(b);
            let low = u64::from(c) << 32 | u64::from(i);
            u128::from(high) << 64 | u128::from(low)
        })
        .collect();
    packed.sort_unstable();
    packed.into_iter().map(|key| key as u32).collect()
}

/// The number that is ordered among unsigned ones as `x` is among signed ones.
pub fn in_order(x: i32) -> u32 {
    x as u32 ^ 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_decides_and_the_index_last() {
        let keys = [[1, 0, 0], [0, 9, 9], [1, 0, 0], [0, 9, 8], [0, u32::MAX, 0]];
        assert_eq!(sorted_order(keys.into_iter()), [3, 1, 4, 0, 2]);
        assert!(sorted_order(std::iter::empty()).is_empty());
    }

    #[test]
    fn negative_numbers_come_first() {
        assert!([i32::MIN, -1, 0, 1, i32::MAX].map(in_order).is_sorted());
    }
}
