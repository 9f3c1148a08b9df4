//! A histogram whose bins are as fine as the numbers in them are small.
//!
//! The largest element's power of two is divided into [`STEPS`] bins of one width, the next into half as many, and each of
//! the others into a quarter: a number's bin is its sign, its exponent and the upper bits of its fraction, so that shifts
//! find it. Bins are thus no coarser than 2048 equal ones up to the largest element, and no wider than a 512th of the
//! numbers in them: an element a million times as large as the others costs these little precision. When a larger element
//! comes, bins of the upper powers merge in pairs, which gives what the histogram would be had that come first: neither the
//! order of the elements nor how they are divided into batches matters.

use super::extent::Extent;
use super::window::Window;
use std::collections::BTreeMap;

/// The upper bits of a fraction that tell bins of the largest numbers apart.
pub(super) const BITS: u32 = 11;
/// Bins of the largest power of two.
pub const STEPS: usize = 1 << BITS;
/// How often these are halved at most.
pub(super) const HALVED: u32 = 2;
/// The upper bits of a fraction that tell bins of most numbers apart.
pub(super) const LEAST_BITS: u32 = BITS - HALVED;

/// One of so many elements may be too small for the window before it is made lower.
const MANY: u64 = 1024;
/// And so many anyway.
const FEW: u64 = 256;

/// Bits of an `f32`'s fraction.
pub(super) const FRACTION: u32 = f32::MANTISSA_DIGITS - 1;
/// Signs and exponents.
pub(super) const OCTAVES: usize = 1 << (32 - FRACTION);
/// Set in the number of an octave of negative numbers.
pub(super) const NEGATIVE: usize = OCTAVES / 2;
/// The exponent of infinities and NaN.
pub(super) const NONE: usize = NEGATIVE - 1;

/// How many elements lie where, with exact minimum and maximum. Zeros are in no bin: the extent counts them.
///
/// It takes 48 KiB for each sign of its elements, and 2 KiB for each power of two that lies 20 or more below the largest.
#[derive(Clone, Default)]
pub struct Histogram {
    /// The bins of the large elements, nearly all, which are found for many at once.
    window: Window,
    /// By octave, elements too small for the window.
    small: BTreeMap<usize, Vec<u32>>,
    /// Elements in both, none of whose bins can hold more than 32 bits.
    in_recent: u64,
    /// By octave, what these held before they were emptied, in as many bins as ever.
    earlier: BTreeMap<usize, Vec<u64>>,
    /// Elements that were too small for the window since it is as low as it is, and all of that time.
    missed: u64,
    seen: u64,
    extent: Extent,
}

/// Elements between two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Elements, at least one.
    pub count: u64,
}

impl Histogram {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of these elements.
    #[cfg(test)]
    pub(super) fn of(values: &[f32]) -> Self {
        let mut histogram = Self::new();
        histogram.observe(values);
        histogram
    }

    /// Adds elements; infinities and NaN are counted apart.
    pub fn observe(&mut self, values: &[f32]) {
        self.add(values, &Extent::of(values));
    }

    /// Adds elements of a known extent.
    pub(super) fn add(&mut self, values: &[f32], extent: &Extent) {
        self.extent.merge(extent);
        self.window.grow_to(extent);
        for part in values.chunks(u32::MAX as usize) {
            if self.in_recent + part.len() as u64 > u64::from(u32::MAX) {
                self.pour();
            }
            self.in_recent += part.len() as u64;
            let mut small = Vec::new();
            self.window.count(part, &mut small);
            for x in &small {
                let octave = self.small.entry(octave_of(*x)).or_insert_with(|| vec![0; 1 << LEAST_BITS]);
                octave[step_of(*x)] += 1;
            }
            self.missed += small.len() as u64;
            self.seen += part.len() as u64;
            if self.missed > self.seen / MANY + FEW {
                self.window.lower();
                (self.missed, self.seen) = (0, 0);
            }
        }
    }

    fn pour(&mut self) {
        for (octave, counts) in self.window.take().into_iter().chain(std::mem::take(&mut self.small)) {
            let earlier = self.earlier.entry(octave).or_insert_with(|| vec![0; STEPS]);
            let ratio = STEPS / counts.len();
            earlier.iter_mut().step_by(ratio).zip(counts).for_each(|(sum, count)| *sum += u64::from(count));
        }
        self.in_recent = 0;
    }

    /// The counts of an octave's bins, by size; `None` where no element is in it.
    pub(super) fn octave(&self, octave: usize) -> Option<Vec<u64>> {
        let mut counts = vec![0u64; steps(octave, self.extent.limit())];
        let mut any = false;
        let recent = [self.window.octave(octave), self.small.get(&octave).map(Vec::as_slice)];
        for more in recent.into_iter().flatten() {
            any |= fold(&mut counts, more.iter().map(|&count| u64::from(count)));
        }
        if let Some(earlier) = self.earlier.get(&octave) {
            any |= fold(&mut counts, earlier.iter().copied());
        }
        any.then_some(counts)
    }

    /// A histogram of these bins; `None` where they do not fit the extent.
    pub(super) fn of_octaves(octaves: Vec<(usize, Vec<u64>)>, extent: Extent) -> Option<Self> {
        let mut earlier = BTreeMap::new();
        let mut sum = 0u64;
        for (octave, counts) in octaves {
            let fits =
                octave < OCTAVES && octave % NEGATIVE < NONE && counts.len() == steps(octave, extent.limit());
            fits.then_some(())?;
            sum = counts.iter().try_fold(sum, |sum, &count| sum.checked_add(count))?;
            let mut fine = vec![0; STEPS];
            fine.iter_mut().step_by(STEPS / counts.len()).zip(counts).for_each(|(to, count)| *to = count);
            earlier.insert(octave, fine);
        }
        let fits = extent.finite.checked_sub(extent.zeros) == Some(sum);
        fits.then(|| Self { earlier, extent, ..Self::default() })
    }

    /// The bins of the negative or of the other numbers that hold an element, by size from zero on: their ends, without
    /// the sign, and counts.
    pub(super) fn side(&self, negative: bool) -> impl DoubleEndedIterator<Item = Bin> + '_ {
        let sign = if negative { NEGATIVE } else { 0 };
        (0..NONE).flat_map(move |exponent| filled(exponent, self.octave(sign + exponent).unwrap_or_default()))
    }

    /// The bins of absolute values that hold an element, by size.
    pub(super) fn sizes(&self) -> impl DoubleEndedIterator<Item = Bin> + '_ {
        (0..NONE).flat_map(move |exponent| {
            let mut counts = self.octave(exponent).unwrap_or_default();
            let below = self.octave(NEGATIVE + exponent).unwrap_or_default();
            counts.resize(counts.len().max(below.len()), 0);
            counts.iter_mut().zip(below).for_each(|(sum, more)| *sum += more);
            filled(exponent, counts)
        })
    }

    /// The bins that hold an element, from below. Zeros are in none.
    pub fn bins(&self) -> impl Iterator<Item = Bin> + '_ {
        let mirrored = |bin: Bin| Bin { low: -bin.high, high: -bin.low, ..bin };
        self.side(true).rev().map(mirrored).chain(self.side(false))
    }

    /// Exact minimum, maximum and counts.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Bytes that it takes.
    pub(super) fn byte_len(&self) -> usize {
        let small: usize = self.small.values().map(|counts| size_of_val(&**counts)).sum();
        let earlier: usize = self.earlier.values().map(|counts| size_of_val(&**counts)).sum();
        size_of::<Self>() + self.window.byte_len() + small + earlier
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.extent == other.extent && self.bins().eq(other.bins())
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("extent", &self.extent).finish_non_exhaustive()
    }
}

/// Bins of an octave where the largest absolute value is this.
fn steps(octave: usize, limit: f32) -> usize {
    STEPS >> halved(octave as u32 % NEGATIVE as u32, largest(limit))
}

/// How often the bins of an octave are halved where the largest is this.
pub(super) fn halved(octave: u32, largest: u32) -> u32 {
    largest.saturating_sub(octave).min(HALVED)
}

/// The octave of the largest absolute value, as far as it matters: all below are alike.
pub(super) fn largest(limit: f32) -> u32 {
    (limit.to_bits() >> FRACTION).max(HALVED)
}

/// Adds counts of finer bins; says whether there are any.
pub(super) fn fold(counts: &mut [u64], more: impl ExactSizeIterator<Item = u64>) -> bool {
    let ratio = more.len() / counts.len();
    let mut any = false;
    for (at, count) in more.enumerate() {
        counts[at / ratio] += count;
        any |= count > 0;
    }
    any
}

/// Sign and exponent.
fn octave_of(x: f32) -> usize {
    (x.to_bits() >> FRACTION) as usize
}

/// The bin within the octave of a small element.
fn step_of(x: f32) -> usize {
    (x.to_bits() >> (FRACTION - LEAST_BITS)) as usize % (1 << LEAST_BITS)
}

/// The bins of an exponent that hold an element.
fn filled(exponent: usize, counts: Vec<u64>) -> impl DoubleEndedIterator<Item = Bin> {
    let steps = counts.len();
    // Subnormal numbers are as far apart as those of the next exponent, and have no leading 1.
    let width = 2f64.powi(exponent.max(1) as i32 - 127) / steps.max(1) as f64;
    let first = if exponent == 0 { 0 } else { steps };
    let edge = move |step: usize| (first + step) as f64 * width;
    let bin = move |(step, count)| Bin { low: edge(step), high: edge(step + 1), count };
    counts.into_iter().enumerate().filter(|(_, count)| *count > 0).map(bin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_and_the_smallest_numbers_have_a_bin() {
        for x in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1), 1.0, -1.0] {
            let bins: Vec<Bin> = Histogram::of(&[x]).bins().collect();
            assert_eq!(bins.len(), 1, "{x}");
            assert!(bins[0].low <= f64::from(x) && f64::from(x) <= bins[0].high, "{x} in {:?}", bins[0]);
        }
    }

    #[test]
    fn each_power_of_two_has_half_the_bins_of_the_one_above_but_512_at_least() {
        let bins: Vec<Bin> = Histogram::of(&[1.0, 1.0009, 1.001, -3.0, 0.125]).bins().collect();
        let width = 1.0 / 1024.0;
        let expected = [
            (-3.0 - width, -3.0, 1),
            (0.125, 0.125 + width / 4.0, 1),
            (1.0, 1.0 + width, 2),
            (1.0 + width, 1.0 + 2.0 * width, 1),
        ];
        assert_eq!(bins.iter().map(|b| (b.low, b.high, b.count)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn zeros_and_numbers_that_are_none_are_counted_apart() {
        assert_eq!(Histogram::of(&[]), Histogram::new());
        let zeros = Histogram::of(&[0.0, -0.0]);
        assert_eq!((zeros.bins().count(), zeros.extent().zeros), (0, 2));
        let (with, without) = (
            Histogram::of(&[1.0, f32::NAN, -2.0, f32::INFINITY, -f32::INFINITY]),
            Histogram::of(&[1.0, -2.0]),
        );
        assert!(with.bins().eq(without.bins()));
        assert_eq!(with.extent().non_finite, 3);
    }

    #[test]
    fn counts_that_32_bits_do_not_hold_are_held() {
        let mut histogram = Histogram::of(&[1.0, -2.0, 1.0, 1e-30]);
        histogram.in_recent = u64::from(u32::MAX) - 1;
        histogram.observe(&[1.0, 5.0, 1e-30]);
        assert_eq!((histogram.in_recent, histogram.earlier.is_empty()), (3, false));
        histogram.observe(&[1.0; 0]);
        assert_eq!(histogram, Histogram::of(&[5.0, 1.0, -2.0, 1.0, 1.0, 1e-30, 1e-30]));
    }

    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let sizes = prop_oneof![-1e-3f32..1e-3, -1f32..1.0, -1e4f32..1e4, any::<f32>(), Just(0.0)];
        proptest::collection::vec(sizes, 1..60)
    }

    proptest! {
        #[test]
        fn order_and_batches_do_not_matter(values in numbers(), at in 0usize..60) {
            let (head, tail) = values.split_at(at.min(values.len()));
            let mut parts = Histogram::of(tail);
            parts.observe(head);
            prop_assert_eq!(Histogram::of(&values), parts);
        }

        #[test]
        fn every_finite_number_is_counted_where_it_lies(values in numbers()) {
            let histogram = Histogram::of(&values);
            let finite = || values.iter().map(|&x| f64::from(x)).filter(|x| x.is_finite() && *x != 0.0);
            for bin in histogram.bins() {
                let inside = |x: &f64| {
                    if bin.low >= 0.0 { bin.low <= *x && *x < bin.high } else { bin.low < *x && *x <= bin.high }
                };
                prop_assert_eq!(finite().filter(inside).count() as u64, bin.count);
                let (size, width) = (bin.low.abs().min(bin.high.abs()), bin.high - bin.low);
                let largest = f64::from(histogram.extent().limit());
                prop_assert!(width * 512.0 <= size.max(f64::from(f32::MIN_POSITIVE)), "{:?}", bin);
                prop_assert!(width * 2048.0 <= largest.max(4.0 * f64::from(f32::MIN_POSITIVE)), "{:?}", bin);
            }
            prop_assert_eq!(histogram.bins().map(|bin| bin.count).sum::<u64>(), finite().count() as u64);
        }
    }
}
