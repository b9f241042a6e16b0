//! Learning merges: the commonest pair first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::apply::Chain;
use super::{
    check_base_tokens, invalid, Merges, MAX_BASE_VOCAB_SIZE, MAX_EXPANSION, MAX_MERGES,
    MAX_TOTAL_EXPANSION,
};
use crate::Result;

/// A pair is worth an id when it occurs this often.
const MIN_COUNT: u32 = 2;

/// Where a pair stood when it came up, in ascending order, and how often it stands somewhere now.
#[derive(Default)]
struct Occurrences {
    positions: Vec<u32>,
    n_adjacent: u32,
}

/// Merges learned from sequences of tokens: again and again the pair of neighbours that occurs most often
/// becomes one token (byte pair encoding, Sennrich et al., arXiv 1508.07909).
///
/// Occurrences that overlap count once (`0 0 0` holds the pair `0 0` once); of pairs that are equally common the
/// least one comes first. Fewer than `n_merges` are learned where no pair occurs twice any more or the limits on
/// expansions are reached.
///
/// # Errors
/// `INVALID_INPUT` for a token outside `0..base_vocab_size`, `INVALID_MERGES` for too many merges or ids.
pub fn learn<S: AsRef<[i32]>>(
    sequences: &[S],
    base_vocab_size: u32,
    n_merges: usize,
) -> Result<Merges> {
    if base_vocab_size > MAX_BASE_VOCAB_SIZE || n_merges > MAX_MERGES {
        return Err(invalid(format!(
            "{n_merges} merges on {base_vocab_size} ids; give at most {MAX_MERGES} on {MAX_BASE_VOCAB_SIZE}"
        )));
    }
    for tokens in sequences {
        check_base_tokens(tokens.as_ref(), base_vocab_size)?;
    }
    let mut chain = Chain::new(sequences)?;
    let mut pairs: HashMap<[i32; 2], Occurrences> = HashMap::new();
    for at in 0..chain.symbols.len() as u32 {
        if let Some(pair) = chain.pair(at) {
            pairs.entry(pair).or_default().add(at);
        }
    }
    // Counts only fall, except those of pairs with the newest token: an entry is an upper bound.
    let mut waiting: BinaryHeap<(u32, Reverse<[i32; 2]>)> = pairs
        .iter()
        .map(|(&pair, found)| (found.n_adjacent, Reverse(pair)))
        .collect();

    let mut lengths = vec![1; base_vocab_size as usize];
    let mut total_length = 0;
    let mut learned: Vec<[i32; 2]> = Vec::new();
    while learned.len() < n_merges {
        let Some((bound, Reverse(pair))) = waiting.pop() else {
            break;
        };
        if bound < MIN_COUNT {
            break;
        }
        let Some(found) = pairs.get_mut(&pair) else {
            continue;
        };
        let count = found.count(pair, &chain);
        if count < bound {
            waiting.push((count, Reverse(pair)));
            continue;
        }
        let length: usize = pair.iter().map(|&part| lengths[part as usize]).sum();
        if length > MAX_EXPANSION {
            continue;
        }
        total_length += length;
        if total_length > MAX_TOTAL_EXPANSION {
            break;
        }
        let token = lengths.len() as i32;
        lengths.push(length);
        learned.push(pair);
        for new in merge_everywhere(pair, token, &mut chain, &mut pairs) {
            if let Some(found) = pairs.get(&new) {
                waiting.push((found.n_adjacent, Reverse(new)));
            }
        }
    }
    Merges::new(base_vocab_size, learned)
}

impl Occurrences {
    fn add(&mut self, at: u32) {
        self.positions.push(at);
        self.n_adjacent += 1;
    }

    /// How often the pair can be merged; exact where its two ids differ or the run lengths are looked up.
    fn count(&mut self, pair: [i32; 2], chain: &Chain) -> u32 {
        if pair[0] != pair[1] {
            return self.n_adjacent;
        }
        self.positions.retain(|&at| chain.pair(at) == Some(pair));
        let mut n = 0;
        let mut taken = None;
        for &at in &self.positions {
            if taken == Some(at) {
                continue;
            }
            taken = Some(chain.next[at as usize]);
            n += 1;
        }
        n
    }
}

/// Writes `token` for every occurrence of `pair`, from left to right; returns the pairs that this made.
fn merge_everywhere(
    pair: [i32; 2],
    token: i32,
    chain: &mut Chain,
    pairs: &mut HashMap<[i32; 2], Occurrences>,
) -> Vec<[i32; 2]> {
    let positions = pairs.remove(&pair).unwrap_or_default().positions;
    let mut made = Vec::new();
    for at in positions {
        if chain.pair(at) != Some(pair) {
            continue;
        }
        let before = chain.previous[at as usize];
        let gone = chain.next[at as usize];
        for broken in [before, gone] {
            let Some(neighbours) = chain.pair(broken) else {
                continue;
            };
            if let Some(found) = pairs.get_mut(&neighbours) {
                found.n_adjacent -= 1;
            }
        }
        chain.merge(at, token);
        for joined in [before, at] {
            let Some(neighbours) = chain.pair(joined) else {
                continue;
            };
            let found = pairs.entry(neighbours).or_default();
            if found.positions.is_empty() {
                made.push(neighbours);
            }
            found.add(joined);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, word for word.
    fn learn_slowly(sequences: &[Vec<i32>], n_base: i32, n_merges: usize) -> Vec<[i32; 2]> {
        let mut sequences = sequences.to_vec();
        let mut learned = Vec::new();
        for token in (n_base..).take(n_merges) {
            let mut counts: std::collections::BTreeMap<[i32; 2], usize> = Default::default();
            for pair in sequences
                .iter()
                .flat_map(|s| s.windows(2).map(|w| [w[0], w[1]]))
            {
                counts.entry(pair).or_insert(0);
            }
            for (pair, count) in &mut counts {
                *count = sequences
                    .iter()
                    .map(|s| s.len() - merged(s, *pair, token).len())
                    .sum();
            }
            let Some((&pair, _)) = counts
                .iter()
                .filter(|(_, &n)| n >= 2)
                .max_by_key(|(&pair, &n)| (n, Reverse(pair)))
            else {
                break;
            };
            learned.push(pair);
            for s in &mut sequences {
                *s = merged(s, pair, token);
            }
        }
        learned
    }

    fn merged(tokens: &[i32], pair: [i32; 2], token: i32) -> Vec<i32> {
        let mut written = Vec::new();
        let mut rest = tokens;
        while let Some((&first, others)) = rest.split_first() {
            if rest.starts_with(&pair) {
                written.push(token);
                rest = &rest[2..];
            } else {
                written.push(first);
                rest = others;
            }
        }
        written
    }

    /// Tokens that repeat, from a linear congruence.
    fn sequences(seed: u64, n_symbols: u64) -> Vec<Vec<i32>> {
        let mut state = seed;
        let mut draw = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        (0..6)
            .map(|_| {
                (0..draw(60))
                    .map(|_| (draw(n_symbols) * draw(2)) as i32)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn merges_are_those_of_the_definition() {
        for seed in 0..200 {
            let n_symbols = 1 + seed % 5;
            let sequences = sequences(seed, n_symbols);
            let merges = learn(&sequences, n_symbols as u32, 30).unwrap();
            let expected = learn_slowly(&sequences, n_symbols as i32, 30);
            assert_eq!(merges.pairs(), expected, "seed {seed}");
            for s in &sequences {
                let mut stepwise = s.clone();
                for (i, &pair) in expected.iter().enumerate() {
                    stepwise = merged(&stepwise, pair, n_symbols as i32 + i as i32);
                }
                assert_eq!(merges.apply(s).unwrap(), stepwise, "seed {seed}");
                assert_eq!(&merges.expand_all(&stepwise), s);
            }
        }
    }

    #[test]
    fn no_pair_spans_two_sequences() {
        let merges = learn(&[vec![0], vec![1], vec![0], vec![1]], 2, 5).unwrap();
        assert!(merges.is_empty());
    }

    #[test]
    fn runs_count_without_overlap() {
        // 0 0 0 0 holds the pair 0 0 twice, 1 2 comes three times.
        let merges = learn(&[vec![0, 0, 0, 0, 1, 2, 1, 2, 1, 2]], 3, 1).unwrap();
        assert_eq!(merges.pairs(), [[1, 2]]);
    }

    #[test]
    fn long_runs_stop_at_the_longest_expansion() {
        let merges = learn(&[vec![0; 40_000]], 1, 100).unwrap();
        let longest = (1..merges.vocab_size() as i32).map(|t| merges.expand(t).len());
        assert_eq!(longest.max(), Some(MAX_EXPANSION));
    }
}
