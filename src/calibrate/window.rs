//! The fast part of a histogram: the bins of large elements side by side, found for many elements at once.
//!
//! A window holds twenty octaves up to that of the largest element first seen, and those above as larger ones come. Bins
//! are found without a branch, with AVX2 where the processor has it; the results are the same. Elements below the window,
//! few of most values, are handed back.

use super::extent::Extent;
use super::histogram::{BITS, FRACTION, LEAST_BITS, NEGATIVE, NONE, STEPS, halved, largest};

/// Elements whose bins are found before any is counted; their numbers stay in the fastest cache.
const CHUNK: usize = 1024;
/// Octaves below that of the largest element, at first.
const BELOW: u32 = 19;
/// Octaves by which a window is made lower.
const LOWER: u32 = 8;
/// Elements that are in no bin of the window are counted here in turn, and not read: a processor takes several cycles to
/// read back what it has just written, and half the elements behind a `Relu` are zero.
const TURNS: usize = 8;

/// Counts of the bins of some octaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// The lowest octave.
    first: u32,
    /// The highest, which has most bins; 0 of an empty window, else at least 2 and `first`.
    last: u32,
    /// First those that are not read; then the bins of positive numbers, then, where there are any, of negative ones.
    counts: Vec<u32>,
}

impl Window {
    /// Makes room for elements of an extent.
    pub(super) fn grow_to(&mut self, extent: &Extent) {
        let limit = extent.limit();
        if limit == 0.0 {
            return;
        }
        let last = largest(limit).max(self.last);
        let first = if self.last == 0 { last.saturating_sub(BELOW) } else { self.first };
        self.reshape(first, last, self.has_negative() || extent.min < 0.0);
    }

    /// Makes room for smaller elements.
    pub(super) fn lower(&mut self) {
        if self.last > 0 {
            self.reshape(self.first.saturating_sub(LOWER), self.last, self.has_negative());
        }
    }

    /// Whether there are bins of negative numbers.
    fn has_negative(&self) -> bool {
        self.counts.len() > TURNS + self.side()
    }

    /// Bins of a sign.
    fn side(&self) -> usize {
        self.start(self.last + 1)
    }

    /// Bins of a sign below an octave.
    fn start(&self, octave: u32) -> usize {
        (self.first..octave).map(|octave| self.steps(octave)).sum()
    }

    /// Bins of an octave.
    fn steps(&self, octave: u32) -> usize {
        if self.last == 0 { 0 } else { STEPS >> halved(octave, self.last) }
    }

    fn reshape(&mut self, first: u32, last: u32, negative: bool) {
        if (first, last, negative) == (self.first, self.last, self.has_negative()) {
            return;
        }
        let mut wider = Self { first, last, counts: Vec::new() };
        wider.counts = vec![0; TURNS + wider.side() * if negative { 2 } else { 1 }];
        for (octave, counts) in self.take() {
            let (start, steps) = wider.place(octave).unwrap_or_default();
            let ratio = counts.len() / steps.max(1);
            for (at, count) in counts.into_iter().enumerate() {
                wider.counts[start + at / ratio] += count;
            }
        }
        *self = wider;
    }

    /// Where the bins of an octave of either sign begin, and how many there are.
    fn place(&self, octave: usize) -> Option<(usize, usize)> {
        let exponent = (octave % NEGATIVE) as u32;
        let inside = self.last > 0 && (self.first..=self.last).contains(&exponent);
        let is_there = inside && (octave < NEGATIVE || self.has_negative());
        let sign = if octave < NEGATIVE { 0 } else { self.side() };
        is_there.then(|| (TURNS + sign + self.start(exponent), self.steps(exponent)))
    }

    /// Counts elements; those that are too small come behind `small`.
    pub(super) fn count(&mut self, values: &[f32], small: &mut Vec<f32>) {
        if self.last == 0 {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { self.count_with_avx2(values, small) };
        }
        self.count_plainly(values, small);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn count_with_avx2(&mut self, values: &[f32], small: &mut Vec<f32>) {
        self.count_plainly(values, small);
    }

    #[inline(always)]
    fn count_plainly(&mut self, values: &[f32], small: &mut Vec<f32>) {
        // Zero is in no bin.
        let lowest = (self.first << FRACTION).max(1);
        let (top, next) = (self.last << FRACTION, (self.last - 1) << FRACTION);
        let side = self.side() as u32;
        let turns = TURNS as u32;
        // What takes the shifted bits of the first number of an octave to its bin.
        let start = |octave: u32, bits: u32| (turns + self.start(octave) as u32).wrapping_sub(octave << bits);
        let starts = [
            start(self.first, LEAST_BITS),
            start((self.last - 1).max(self.first), BITS - 1),
            start(self.last, BITS),
        ];
        let mut bins = [0u32; CHUNK];
        for chunk in values.chunks(CHUNK) {
            let mut too_small = 0;
            for (at, (bin, &x)) in bins.iter_mut().zip(chunk).enumerate() {
                let size = x.to_bits() & !SIGN;
                let (mut shift, mut start) = (FRACTION - LEAST_BITS, starts[0]);
                (shift, start) =
                    if size >= next { (FRACTION - (BITS - 1), starts[1]) } else { (shift, start) };
                (shift, start) = if size >= top { (FRACTION - BITS, starts[2]) } else { (shift, start) };
                let below_zero = (x.to_bits() as i32 >> 31) as u32 & side;
                let inside = size.wrapping_sub(lowest) < INFINITE - lowest;
                let turn = at as u32 % turns;
                *bin =
                    if inside { (size >> shift).wrapping_add(start).wrapping_add(below_zero) } else { turn };
                too_small += u32::from(is_small(x, lowest));
            }
            for &bin in &bins[..chunk.len()] {
                self.counts[bin as usize] += 1;
            }
            if too_small > 0 {
                small.extend(chunk.iter().filter(|&&x| is_small(x, lowest)));
            }
        }
    }

    /// The counts of an octave's bins.
    pub(super) fn octave(&self, octave: usize) -> Option<&[u32]> {
        let (start, steps) = self.place(octave)?;
        self.counts.get(start..start + steps)
    }

    /// Hands out all counts by octave, and forgets them.
    pub(super) fn take(&mut self) -> Vec<(usize, Vec<u32>)> {
        let signs = [0, NEGATIVE].into_iter().flat_map(|sign| (0..NONE).map(move |octave| sign + octave));
        let all = signs.filter_map(|octave| Some((octave, self.octave(octave)?.to_vec()))).collect();
        self.counts.fill(0);
        all
    }

    pub(super) fn byte_len(&self) -> usize {
        size_of_val(&*self.counts)
    }
}

const SIGN: u32 = 1 << 31;
/// The bits of infinity.
const INFINITE: u32 = (NONE as u32) << FRACTION;

/// Whether a number is below the lowest bin, but not zero.
#[inline(always)]
fn is_small(x: f32, lowest: u32) -> bool {
    let size = x.to_bits() & !SIGN;
    (size < lowest) & (size != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(window: &mut Window, values: &[f32]) -> Vec<f32> {
        let mut small = Vec::new();
        window.grow_to(&Extent::of(values));
        window.count(values, &mut small);
        small
    }

    fn sum(window: &Window, octave: f32) -> u32 {
        window.octave((octave.to_bits() >> FRACTION) as usize).map_or(0, |counts| counts.iter().sum())
    }

    #[test]
    fn a_window_grows_in_every_direction_and_loses_nothing() {
        let mut window = Window::default();
        assert!(counted(&mut window, &[0.0, f32::NAN]).is_empty());
        assert_eq!(counted(&mut window, &[1.0, 0.0, 1.5, 1e-9, f32::INFINITY]), [1e-9]);
        assert_eq!(counted(&mut window, &[-1.0, 300.0, -1e-9]), [-1e-9]);
        window.lower();
        window.lower();
        assert_eq!(counted(&mut window, &[1e-9, -1e-9, 1e-30]), [1e-30]);
        let sums = [1.0, -1.0, 300.0, 1e-9, -1e-9, -300.0].map(|octave| sum(&window, octave));
        assert_eq!(sums, [2, 1, 1, 1, 1, 0]);
        let all: u32 = window.take().iter().flat_map(|(_, counts)| counts).sum();
        assert_eq!((all, sum(&window, 1.0)), (6, 0));
    }

    #[test]
    fn the_widest_window_reaches_from_the_smallest_number_to_the_largest() {
        let mut window = Window::default();
        let ends = [f32::MAX, -f32::MAX, f32::from_bits(1), f32::MIN_POSITIVE];
        counted(&mut window, &ends);
        (0..40).for_each(|_| window.lower());
        assert!(counted(&mut window, &ends).is_empty());
        assert_eq!((window.first, window.last as usize), (0, NONE - 1));
        assert_eq!(sum(&window, f32::from_bits(1)), 1);
    }
}
