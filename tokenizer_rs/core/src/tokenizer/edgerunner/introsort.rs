//! The sort of GNU's C++ standard library, so that equal items come out in the order the published
//! tokenizer leaves them in.
//!
//! Introsort (Musser, 1997): quicksort by the median of three until ranges are short, heap sort where it
//! went too deep, one insertion sort over everything at the end. It is not stable.

/// Ranges of at most this many items are left to the insertion sort.
const SHORT: usize = 16;

/// Sorts by a strict weak order.
pub fn introsort<T: Copy>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let Some(depth) = items.len().checked_ilog2() else {
        return;
    };
    let mut ranges = vec![(0, items.len(), 2 * depth)];
    while let Some((low, mut high, mut depth)) = ranges.pop() {
        while high - low > SHORT {
            if depth == 0 {
                heap_sort(&mut items[low..high], &less);
                break;
            }
            depth -= 1;
            let cut = partition(items, low, high, &less);
            ranges.push((cut, high, depth));
            high = cut;
        }
    }
    for i in 1..items.len() {
        let item = items[i];
        let mut at = i;
        while at > 0 && less(&item, &items[at - 1]) {
            items[at] = items[at - 1];
            at -= 1;
        }
        items[at] = item;
    }
}

/// Divides a range by the median of its second, middle and last item, which goes to the front.
fn partition<T: Copy>(
    items: &mut [T],
    low: usize,
    high: usize,
    less: &impl Fn(&T, &T) -> bool,
) -> usize {
    let (a, m, c) = (low + 1, low + (high - low) / 2, high - 1);
    let is_less = |x: usize, y: usize| less(&items[x], &items[y]);
    let median = if is_less(a, m) {
        if is_less(m, c) {
            m
        } else if is_less(a, c) {
            c
        } else {
            a
        }
    } else if is_less(a, c) {
        a
    } else if is_less(m, c) {
        c
    } else {
        m
    };
    items.swap(low, median);
    let pivot = items[low];
    let (mut left, mut right) = (low + 1, high);
    loop {
        while less(&items[left], &pivot) {
            left += 1;
        }
        right -= 1;
        while less(&pivot, &items[right]) {
            right -= 1;
        }
        if left >= right {
            return left;
        }
        items.swap(left, right);
        left += 1;
    }
}

fn heap_sort<T: Copy>(items: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    let n = items.len();
    for root in (0..n / 2).rev() {
        let value = items[root];
        sift(items, root, n, value, less);
    }
    for end in (1..n).rev() {
        let value = items[end];
        items[end] = items[0];
        sift(items, 0, end, value, less);
    }
}

/// Moves larger children up until a leaf is free, then `value` up from there to its place.
fn sift<T: Copy>(items: &mut [T], root: usize, n: usize, value: T, less: &impl Fn(&T, &T) -> bool) {
    let mut hole = root;
    while 2 * hole + 1 < n {
        let (left, right) = (2 * hole + 1, 2 * hole + 2);
        let child = if right < n && !less(&items[right], &items[left]) {
            right
        } else {
            left
        };
        items[hole] = items[child];
        hole = child;
    }
    while hole > root && less(&items[(hole - 1) / 2], &value) {
        items[hole] = items[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    items[hole] = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(n: u64, n_keys: u64) -> Vec<(u64, u64)> {
        let key = |i: u64| (i.wrapping_mul(6_364_136_223_846_793_005) >> 33) % n_keys;
        (0..n).map(|i| (key(i + 1), i)).collect()
    }

    #[test]
    fn any_input_comes_out_in_order() {
        for n in [0, 1, 2, 15, 16, 17, 100, 5000] {
            for n_keys in [1, 3, 1 << 30] {
                let mut items = shuffled(n, n_keys);
                let mut expected = items.clone();
                introsort(&mut items, |x, y| x.0 < y.0);
                assert!(items.windows(2).all(|pair| pair[0].0 <= pair[1].0));
                items.sort_unstable();
                expected.sort_unstable();
                assert_eq!(items, expected);
            }
        }
    }

    #[test]
    fn short_ranges_are_stable_and_long_ones_are_not() {
        let mut items = shuffled(16, 3);
        introsort(&mut items, |x, y| x.0 < y.0);
        assert!(items.is_sorted());
        let mut items = shuffled(40, 3);
        introsort(&mut items, |x, y| x.0 < y.0);
        assert!(!items.is_sorted());
    }

    #[test]
    fn the_heap_sort_sorts() {
        let mut items = shuffled(1000, 50);
        heap_sort(&mut items, &|x, y| x.0 < y.0);
        assert!(items.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
