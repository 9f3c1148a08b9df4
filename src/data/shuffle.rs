//! A seeded order of any length without a table.
//!
//! A Feistel network permutes the numbers below a power of four; one that falls beyond the end is sent through again
//! until it does not. Source: Black and Rogaway, "Ciphers with arbitrary finite domains", 2002.

use super::made::rng::Rng;

const ROUNDS: usize = 6;

/// A permutation of `0..len`; equal seeds give equal orders on every machine.
#[derive(Clone, Debug)]
pub(super) struct Shuffle {
    len: u64,
    /// Bits of half a number.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Shuffle {
    pub(super) fn new(len: usize, seed: u64) -> Self {
        let len = len as u64;
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let mut rng = Rng::new(seed, "order of samples");
        Self { len, half: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| rng.next()) }
    }

    /// What stands at this place, which is below `len`.
    pub(super) fn at(&self, place: usize) -> usize {
        let mut at = self.once(place as u64);
        while at >= self.len {
            at = self.once(at);
        }
        at as usize
    }

    fn once(&self, number: u64) -> u64 {
        let mask = (1u64 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            let mixed = Rng::new(key ^ right, "").next() & mask;
            (left, right) = (right, left ^ mixed);
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(len: usize, seed: u64) -> Vec<usize> {
        let shuffle = Shuffle::new(len, seed);
        (0..len).map(|place| shuffle.at(place)).collect()
    }

    #[test]
    fn every_number_comes_once() {
        for len in [1, 2, 3, 4, 5, 16, 17, 1000, 65_537] {
            let mut all = order(len, 7);
            all.sort_unstable();
            assert!(all.into_iter().eq(0..len), "{len}");
        }
    }

    #[test]
    fn seeds_choose_the_order_and_all_places_are_reached() {
        assert_eq!(order(100, 1), order(100, 1));
        assert_ne!(order(100, 1), order(100, 2));
        // Each of three numbers comes first in about a third of the orders.
        let mut first = [0; 3];
        for seed in 0..3000 {
            first[order(3, seed)[0]] += 1;
        }
        assert!(first.iter().all(|n| (900..1100).contains(n)), "{first:?}");
    }

    #[test]
    fn the_largest_length_does_not_overflow() {
        let shuffle = Shuffle::new(usize::MAX, 0);
        assert_ne!(shuffle.at(0), shuffle.at(usize::MAX - 1));
    }
}
