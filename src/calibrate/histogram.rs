//! A histogram whose bins are as fine as the numbers in them are small.
//!
//! Each power of two is divided into [`STEPS`] bins of one width. A number's bin is its sign, its exponent and the upper
//! bits of its fraction, so that a shift finds it and nothing is ever divided anew: neither the order of the elements nor
//! how they are divided into batches matters, and an element a million times as large as the others costs them no
//! precision. A bin is never wider than 1/2048 of the numbers in it: of the largest, and so of all, no coarser than 2048
//! equal bins up to the largest.

use super::extent::Extent;
use super::window::Window;

/// The upper bits of a fraction that tell bins apart.
pub(super) const BITS: u32 = 11;
/// Bins of each power of two.
pub const STEPS: usize = 1 << BITS;

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

/// Where the bins of an octave begin that has none yet.
const NOWHERE: u32 = u32::MAX;

/// How many elements lie where, with exact minimum and maximum. Zeros are in no bin: the extent counts them.
///
/// It takes 8 KiB for each power of two that elements of a sign lie in, and for 20 powers below the largest at least.
#[derive(Clone)]
pub struct Histogram {
    /// The bins of the large elements, nearly all, which are found for many at once.
    window: Window,
    /// Where the bins of each octave begin, of elements too small for the window.
    starts: Box<[u32; OCTAVES]>,
    recent: Vec<u32>,
    /// Elements in `recent` and the window, none of whose bins can hold more than 32 bits.
    in_recent: u64,
    /// What these held before they were emptied; as long as `recent`, or empty.
    earlier: Vec<u64>,
    /// Elements that were too small for the window since it is as low as it is, and all of that time.
    small: u64,
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

impl Default for Histogram {
    fn default() -> Self {
        Self {
            window: Window::default(),
            starts: Box::new([NOWHERE; OCTAVES]),
            recent: Vec::new(),
            in_recent: 0,
            earlier: Vec::new(),
            small: 0,
            seen: 0,
            extent: Extent::default(),
        }
    }
}

impl Histogram {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
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
            small.iter().for_each(|&x| self.count(x));
            self.small += small.len() as u64;
            self.seen += part.len() as u64;
            if self.small > self.seen / MANY + FEW {
                self.window.lower();
                (self.small, self.seen) = (0, 0);
            }
        }
    }

    /// Counts an element outside the window.
    fn count(&mut self, x: f32) {
        let bin = self.start(octave_of(x)) + step_of(x);
        self.recent[bin] += 1;
    }

    /// Where the bins of an octave begin, which may be new.
    fn start(&mut self, octave: usize) -> usize {
        if self.starts[octave] == NOWHERE {
            self.starts[octave] = self.recent.len() as u32;
            self.recent.resize(self.recent.len() + STEPS, 0);
            if !self.earlier.is_empty() {
                self.earlier.resize(self.recent.len(), 0);
            }
        }
        self.starts[octave] as usize
    }

    fn pour(&mut self) {
        for (octave, counts) in self.window.take() {
            let start = self.start(octave);
            self.earlier.resize(self.recent.len(), 0);
            self.earlier[start..].iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(count));
        }
        self.earlier.resize(self.recent.len(), 0);
        for (sum, count) in self.earlier.iter_mut().zip(&mut self.recent) {
            *sum += u64::from(std::mem::take(count));
        }
        self.in_recent = 0;
    }

    /// The counts of an octave's bins, by size; `None` where no element can have come into it.
    pub(super) fn octave(&self, octave: usize) -> Option<Vec<u64>> {
        let window = self.window.octave(octave);
        let start = Some(self.starts[octave]).filter(|&start| start != NOWHERE);
        if window.is_none() && start.is_none() {
            return None;
        }
        let mut counts = vec![0u64; STEPS];
        let mut add = |more: &[u32]| counts.iter_mut().zip(more).for_each(|(sum, &n)| *sum += u64::from(n));
        add(window.unwrap_or_default());
        if let Some(start) = start.map(|start| start as usize) {
            add(&self.recent[start..]);
            let earlier = self.earlier.get(start..).unwrap_or_default();
            counts.iter_mut().zip(earlier).for_each(|(sum, &n)| *sum += n);
        }
        Some(counts).filter(|counts| counts.iter().any(|&count| count > 0))
    }

    /// A histogram of these bins; `None` where they do not fit the extent.
    pub(super) fn of_octaves(octaves: &[(usize, Vec<u64>)], extent: Extent) -> Option<Self> {
        let mut made = Self { extent, ..Self::default() };
        let mut sum = 0u64;
        for (octave, counts) in octaves {
            let is_new = *octave < OCTAVES && octave % NEGATIVE < NONE && made.starts[*octave] == NOWHERE;
            (is_new && counts.len() == STEPS).then_some(())?;
            made.start(*octave);
            made.earlier.resize(made.recent.len() - STEPS, 0);
            made.earlier.extend(counts);
            sum = counts.iter().try_fold(sum, |sum, &count| sum.checked_add(count))?;
        }
        (extent.finite.checked_sub(extent.zeros) == Some(sum)).then_some(made)
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
        size_of::<Self>()
            + size_of_val(&*self.starts)
            + self.window.byte_len()
            + size_of_val(&*self.recent)
            + size_of_val(&*self.earlier)
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

/// Sign and exponent.
fn octave_of(x: f32) -> usize {
    (x.to_bits() >> FRACTION) as usize
}

/// The bin within the octave.
fn step_of(x: f32) -> usize {
    (x.to_bits() >> (FRACTION - BITS)) as usize % STEPS
}

/// The bins of an exponent that hold an element.
fn filled(exponent: usize, counts: Vec<u64>) -> impl DoubleEndedIterator<Item = Bin> {
    // Subnormal numbers are as far apart as those of the next exponent, and have no leading 1.
    let width = 2f64.powi(exponent.max(1) as i32 - 127 - BITS as i32);
    let first = if exponent == 0 { 0 } else { STEPS };
    let edge = move |step: usize| (first + step) as f64 * width;
    let bin = move |(step, count)| Bin { low: edge(step), high: edge(step + 1), count };
    counts.into_iter().enumerate().filter(|(_, count)| *count > 0).map(bin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.observe(values);
        histogram
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_have_a_bin() {
        for x in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1), 1.0, -1.0] {
            let bins: Vec<Bin> = of(&[x]).bins().collect();
            assert_eq!(bins.len(), 1, "{x}");
            assert!(bins[0].low <= f64::from(x) && f64::from(x) <= bins[0].high, "{x} in {:?}", bins[0]);
        }
    }

    #[test]
    fn bins_are_a_2048th_of_the_power_of_two_below() {
        let bins: Vec<Bin> = of(&[1.0, 1.0004, 1.0006, -3.0]).bins().collect();
        let width = 1.0 / 2048.0;
        let expected =
            [(-3.0 - 2.0 * width, -3.0, 1), (1.0, 1.0 + width, 2), (1.0 + width, 1.0 + 2.0 * width, 1)];
        assert_eq!(bins.iter().map(|b| (b.low, b.high, b.count)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn zeros_and_numbers_that_are_none_are_counted_apart() {
        assert_eq!(of(&[]), Histogram::new());
        let zeros = of(&[0.0, -0.0]);
        assert_eq!((zeros.bins().count(), zeros.extent().zeros), (0, 2));
        let (with, without) = (of(&[1.0, f32::NAN, -2.0, f32::INFINITY, -f32::INFINITY]), of(&[1.0, -2.0]));
        assert!(with.bins().eq(without.bins()));
        assert_eq!(with.extent().non_finite, 3);
    }

    #[test]
    fn counts_that_32_bits_do_not_hold_are_held() {
        let mut histogram = of(&[1.0, -2.0, 1.0, 1e-30]);
        histogram.in_recent = u64::from(u32::MAX) - 1;
        histogram.observe(&[1.0, 5.0, 1e-30]);
        assert_eq!((histogram.in_recent, histogram.earlier.is_empty()), (3, false));
        assert_eq!(histogram, of(&[5.0, 1.0, -2.0, 1.0, 1.0, 1e-30, 1e-30]));
    }

    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let sizes = prop_oneof![-1e-3f32..1e-3, -1f32..1.0, -1e4f32..1e4, any::<f32>(), Just(0.0)];
        proptest::collection::vec(sizes, 1..60)
    }

    proptest! {
        #[test]
        fn order_and_batches_do_not_matter(values in numbers(), at in 0usize..60) {
            let (head, tail) = values.split_at(at.min(values.len()));
            let mut parts = of(tail);
            parts.observe(head);
            prop_assert_eq!(of(&values), parts);
        }

        #[test]
        fn every_finite_number_is_counted_where_it_lies(values in numbers()) {
            let histogram = of(&values);
            let finite = || values.iter().map(|&x| f64::from(x)).filter(|x| x.is_finite() && *x != 0.0);
            for bin in histogram.bins() {
                let inside = |x: &f64| {
                    if bin.low >= 0.0 { bin.low <= *x && *x < bin.high } else { bin.low < *x && *x <= bin.high }
                };
                prop_assert_eq!(finite().filter(inside).count() as u64, bin.count);
                let size = bin.low.abs().min(bin.high.abs());
                prop_assert!((bin.high - bin.low) * 2048.0 <= size.max(f64::from(f32::MIN_POSITIVE)));
            }
            prop_assert_eq!(histogram.bins().map(|bin| bin.count).sum::<u64>(), finite().count() as u64);
        }
    }
}
