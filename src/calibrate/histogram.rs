//! A histogram that grows without a second pass over the data.
//!
//! Bins of one width cover `[-R, R)`, where R is a power of two. When an element lies outside, pairs of neighbours merge
//! until it does not: R doubles, and so does the width. Because widths are powers of two and a bin is found exactly, the
//! result is that of a histogram that knew R from the beginning: neither the order of the elements nor how they are
//! divided into batches matters.

use super::bins::Tables;
use super::extent::Extent;

/// Bins of a histogram, as many below zero as above.
pub const BINS: usize = 8192;
pub(super) const HALF: usize = BINS / 2;

/// The finest histogram covers the numbers below 2 to this power; finer ones would need scales that `f32` does not have.
pub(super) const FINEST: i32 = -100;
/// The widest covers every finite `f32`.
pub(super) const WIDEST: i32 = 128;

/// How many elements lie where, with exact minimum and maximum.
///
/// A bin from 0 on holds its lower edge, one below 0 its lower edge not but its upper: they mirror each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub(super) exponent: i32,
    pub(super) counts: Vec<u64>,
    pub(super) extent: Extent,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { exponent: FINEST, counts: vec![0; BINS], extent: Extent::default() }
    }
}

impl Histogram {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds elements; infinities and NaN are counted apart.
    pub fn observe(&mut self, values: &[f32]) {
        let finite: Vec<f32>;
        let extent = Extent::of(values);
        let values = if extent.non_finite == 0 {
            values
        } else {
            finite = values.iter().copied().filter(|x| x.is_finite()).collect();
            &finite
        };
        self.add(values, &extent, &mut Tables::default());
    }

    /// Adds finite elements of a known extent.
    pub(super) fn add(&mut self, finite: &[f32], extent: &Extent, tables: &mut Tables) {
        self.extent.merge(extent);
        self.grow_to(exponent_above(extent.limit()));
        tables.count(finite, self.scale(), &mut self.counts);
    }

    fn grow_to(&mut self, exponent: i32) {
        let Some(doublings) = u32::try_from(exponent - self.exponent).ok().filter(|&n| n > 0) else { return };
        self.exponent = exponent;
        for size in 0..HALF {
            let merged = size.checked_shr(doublings).unwrap_or(0);
            let above = std::mem::take(&mut self.counts[HALF + size]);
            self.counts[HALF + merged] += above;
            let below = std::mem::take(&mut self.counts[HALF - 1 - size]);
            self.counts[HALF - 1 - merged] += below;
        }
    }

    /// Takes a number to its distance from zero in bins.
    fn scale(&self) -> f32 {
        (HALF as f32) * power_of_two(-self.exponent)
    }

    /// How wide a bin is.
    pub fn width(&self) -> f64 {
        2f64.powi(self.exponent) / HALF as f64
    }

    /// Counts of all [`BINS`] bins, from below.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Exact minimum, maximum and counts.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// The counts of absolute values, from zero: of each bin above zero with its mirror image.
    pub fn magnitudes(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator + '_ {
        (0..HALF).map(|size| self.counts[HALF + size] + self.counts[HALF - 1 - size])
    }

    /// Bytes that it takes.
    pub(super) fn byte_len(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.counts)
    }
}

/// The smallest power of two above a finite number that is not negative, but not below [`FINEST`].
fn exponent_above(limit: f32) -> i32 {
    ((limit.to_bits() >> 23) as i32 - 126).max(FINEST)
}

/// 2 to a power for which `f32` has a number, if only a subnormal one.
fn power_of_two(exponent: i32) -> f32 {
    2f64.powi(exponent) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ramp_is_flat() {
        let values: Vec<f32> = (0..BINS).map(|i| (i as f32 + 0.5) / HALF as f32 - 1.0).collect();
        let mut histogram = Histogram::new();
        histogram.observe(&values);
        assert_eq!((histogram.exponent, histogram.width()), (0, 1.0 / HALF as f64));
        assert!(histogram.counts().iter().all(|&c| c == 1));
        assert!(histogram.magnitudes().all(|c| c == 2));
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_have_a_bin() {
        for x in
            [f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1), 0.0, 1.0, -1.0]
        {
            let mut histogram = Histogram::new();
            histogram.observe(&[x]);
            assert_eq!(histogram.counts().iter().sum::<u64>(), 1, "{x}");
            let bin = histogram.counts().iter().position(|&c| c == 1).map(|b| b as f64 - HALF as f64);
            let (low, high) =
                bin.map_or((0.0, 0.0), |b| (b * histogram.width(), (b + 1.0) * histogram.width()));
            assert!(low <= f64::from(x) && f64::from(x) <= high, "{x} in {low}..{high}");
        }
    }

    #[test]
    fn zeros_alone_and_nothing_at_all() {
        let mut histogram = Histogram::new();
        histogram.observe(&[]);
        assert_eq!(histogram, Histogram::new());
        histogram.observe(&[0.0, -0.0]);
        assert_eq!((histogram.counts()[HALF], histogram.extent().zeros), (2, 2));
    }

    #[test]
    fn numbers_that_are_none_are_counted_apart() {
        let (mut with, mut without) = (Histogram::new(), Histogram::new());
        with.observe(&[1.0, f32::NAN, -2.0, f32::INFINITY]);
        without.observe(&[1.0, -2.0]);
        assert_eq!((with.counts(), with.extent().non_finite), (without.counts(), 2));
    }

    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let sizes = prop_oneof![-1e-3f32..1e-3, -1f32..1.0, -1e4f32..1e4, any::<f32>(), Just(0.0)];
        proptest::collection::vec(sizes, 1..60)
    }

    proptest! {
        #[test]
        fn order_and_batches_do_not_matter(values in numbers(), at in 0usize..60) {
            let mut whole = Histogram::new();
            whole.observe(&values);
            let (head, tail) = values.split_at(at.min(values.len()));
            let mut parts = Histogram::new();
            parts.observe(tail);
            parts.observe(head);
            prop_assert_eq!(whole, parts);
        }
    }
}
