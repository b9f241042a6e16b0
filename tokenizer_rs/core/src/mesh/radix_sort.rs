//! Sorting by whole-number keys in linear time, whatever the keys are.

/// Longer digits need fewer passes and more counters, which is worth it for many items.
const DIGIT_BITS: u32 = 11;
const SHORT_DIGIT_BITS: u32 = 8;
const MANY: usize = 1024;

/// Below this many items the counters of a digit cost more than comparing.
const FEW: usize = 64;

/// A key and the index it belongs to.
pub type Keyed = (u64, u32);

/// Sorts by the lowest `n_bits` of the keys; equal keys keep their order. Higher bits must be zero.
pub fn sort_by_key(mut items: Vec<Keyed>, n_bits: u32) -> Vec<Keyed> {
    if items.len() < FEW {
        items.sort_by_key(|item| item.0);
        return items;
    }
    let longest = if items.len() < MANY {
        SHORT_DIGIT_BITS
    } else {
        DIGIT_BITS
    };
    let n_digits = n_bits.div_ceil(longest).max(1);
    let digit_bits = n_bits.div_ceil(n_digits);
    let mut counters = [0_u32; 1 << DIGIT_BITS];
    let next = &mut counters[..1 << digit_bits];
    let mut sorted = vec![(0, 0); items.len()];
    for shift in (0..n_digits).map(|i| i * digit_bits) {
        let digit = |item: &Keyed| (item.0 >> shift) as usize & ((1 << digit_bits) - 1);
        next.fill(0);
        for item in &items {
            next[digit(item)] += 1;
        }
        let mut start = 0;
        for count in next.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for item in &items {
            let place = &mut next[digit(item)];
            sorted[*place as usize] = *item;
            *place += 1;
        }
        std::mem::swap(&mut items, &mut sorted);
    }
    items
}

/// Number of bits of the numbers up to `largest`.
pub fn bits_of(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sorts_like_a_stable_sort() {
        for (n, n_bits) in [(10, 54), (1_000, 5), (1_000, 23), (5_000, 54), (5_000, 1)] {
            let mut state = 1_u64;
            let items: Vec<Keyed> = (0..n)
                .map(|i| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 10 & ((1 << n_bits) - 1), i)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            assert_eq!(sort_by_key(items, n_bits), expected, "{n} of {n_bits} bits");
        }
    }

    #[test]
    fn bits_hold_the_largest_number() {
        assert_eq!([0, 1, 127, 128].map(bits_of), [0, 1, 7, 8]);
    }
}
