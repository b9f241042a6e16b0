//! Sorting by three numbers.

use super::radix_sort::{bits_of, sort_by_key};

/// The indices of keys in ascending order; equal keys keep theirs.
///
/// Cost O(n) where the numbers span few enough bits to be one number of 64 together, as they do on grids and as
/// indices, else O(n log n).
pub fn sorted_order(keys: &[[u32; 3]]) -> Vec<u32> {
    let mut low = [u32::MAX; 3];
    let mut high = [0; 3];
    for key in keys {
        for i in 0..3 {
            low[i] = low[i].min(key[i]);
            high[i] = high[i].max(key[i]);
        }
    }
    let bits = [0, 1, 2].map(|i| bits_of(high[i].saturating_sub(low[i])));
    let n_bits = bits.iter().sum();
    if n_bits > u64::BITS {
        return order_of_wide(keys);
    }
    let pack = |key: &[u32; 3]| {
        let [a, b, c] = [0, 1, 2].map(|i| u64::from(key[i] - low[i]));
        (a << bits[1] | b) << bits[2] | c
    };
    let items = keys.iter().map(pack).zip(0..).collect();
    let sorted = sort_by_key(items, n_bits);
    sorted.into_iter().map(|(_, i)| i).collect()
}

/// A key and its index are one number of 128 bits, which is moved and compared without branches.
fn order_of_wide(keys: &[[u32; 3]]) -> Vec<u32> {
    let mut packed: Vec<u128> = (0_u32..)
        .zip(keys)
        .map(|(i, &[a, b, c])| {
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
        for far in [10, u32::MAX] {
            let keys = [[far, 0, 0], [0, 9, 9], [far, 0, 0], [0, 9, 8], [0, far, 0]];
            assert_eq!(sorted_order(&keys), [3, 1, 4, 0, 2]);
            assert_eq!(order_of_wide(&keys), [3, 1, 4, 0, 2]);
        }
        assert_eq!(sorted_order(&[[u32::MAX; 3], [0; 3]]), [1, 0]);
        assert_eq!(sorted_order(&[[7; 3]; 3]), [0, 1, 2]);
        assert!(sorted_order(&[]).is_empty());
    }

    #[test]
    fn many_narrow_keys_are_sorted_like_wide_ones() {
        let narrow = |i: u32| [i * 7 % 50 + 9, i * 31 % 40 + (1 << 31), i % 3];
        let keys: Vec<[u32; 3]> = (0..3_000).map(narrow).collect();
        assert_eq!(sorted_order(&keys), order_of_wide(&keys));
    }

    #[test]
    fn negative_numbers_come_first() {
        assert!([i32::MIN, -1, 0, 1, i32::MAX].map(in_order).is_sorted());
    }
}
