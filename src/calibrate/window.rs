//! The fast part of a histogram: the bins of large elements side by side, found for many elements at once.
//!
//! A window holds twenty octaves up to that of the largest element first seen, and those above as larger ones come. Bins
//! are found without a branch, with AVX2 where the processor has it; the results are the same. Elements
//! below the window, few of most values, are handed back.

use super::extent::Extent;
use super::histogram::{BITS, FRACTION, NEGATIVE, NONE, STEPS};

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
    octaves: u32,
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
        let last = limit.to_bits() >> FRACTION;
        let (first, octaves) = match self.octaves {
            0 => (last.saturating_sub(BELOW), last - last.saturating_sub(BELOW) + 1),
            octaves => (self.first, octaves.max((last + 1).saturating_sub(self.first))),
        };
        self.reshape(first, octaves, self.has_negative() || extent.min < 0.0);
    }

    /// Makes room for smaller elements.
    pub(super) fn lower(&mut self) {
        let first = self.first.saturating_sub(LOWER);
        self.reshape(first, self.octaves + self.first - first, self.has_negative());
    }

    /// Whether there are bins of negative numbers.
    fn has_negative(&self) -> bool {
        self.counts.len() > TURNS + self.side()
    }

    /// Bins of a sign.
    fn side(&self) -> usize {
        self.octaves as usize * STEPS
    }

    fn reshape(&mut self, first: u32, octaves: u32, negative: bool) {
        if (first, octaves, negative) == (self.first, self.octaves, self.has_negative()) {
            return;
        }
        let side = octaves as usize * STEPS;
        let mut counts = vec![0; TURNS + side * if negative { 2 } else { 1 }];
        let shift = (self.first - first.min(self.first)) as usize * STEPS;
        for (from, to) in [(TURNS, TURNS), (TURNS + self.side(), TURNS + side)] {
            if let Some(held) = self.counts.get(from..from + self.side()) {
                counts
                    .get_mut(to + shift..)
                    .into_iter()
                    .for_each(|to| to[..held.len()].copy_from_slice(held));
            }
        }
        (self.first, self.octaves, self.counts) = (first, octaves, counts);
    }

    /// Counts elements; those that are too small come behind `small`.
    pub(super) fn count(&mut self, values: &[f32], small: &mut Vec<f32>) {
        if self.octaves == 0 {
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
        let lowest = self.first << BITS;
        let side = self.side() as u32;
        let mut bins = [0u32; CHUNK];
        for chunk in values.chunks(CHUNK) {
            let mut too_small = 0;
            for (at, (bin, &x)) in bins.iter_mut().zip(chunk).enumerate() {
                let bits = x.to_bits();
                let size = (bits & !SIGN) >> (FRACTION - BITS);
                let inside = size.wrapping_sub(lowest);
                let below_zero = (bits as i32 >> 31) as u32 & side;
                *bin =
                    if inside < side { inside + below_zero + TURNS as u32 } else { at as u32 % TURNS as u32 };
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
        let at =
            (octave % NEGATIVE).checked_sub(self.first as usize).filter(|&at| at < self.octaves as usize)?;
        let start = TURNS + at * STEPS + if octave < NEGATIVE { 0 } else { self.side() };
        self.counts.get(start..start + STEPS)
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

/// Whether a number is below the lowest bin, but not zero.
#[inline(always)]
fn is_small(x: f32, lowest: u32) -> bool {
    let size = x.to_bits() & !SIGN;
    (size >> (FRACTION - BITS) < lowest) & (size != 0)
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
        assert_eq!((window.first, window.octaves as usize), (0, NONE));
        assert_eq!(sum(&window, f32::from_bits(1)), 1);
    }
}
