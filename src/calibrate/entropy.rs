//! Keeps the range whose quantized distribution tells most of the original one (Kullback-Leibler divergence).
//!
//! After Migacz, "8-bit Inference with TensorRT" (GTC 2017), which TensorRT's entropy calibrator follows: the reference P
//! is the histogram up to a threshold, with all beyond added to its last bin; the candidate Q is the same without what
//! lies beyond, summed up into as many groups as there are levels on one side, and spread again evenly over the bins that
//! P occupies; the threshold of least KL(P, Q) is kept. Here, too:
//!
//! * Exact zeros are left out: every range represents them exactly. (Elsewhere the bin at zero is overwritten by its
//!   neighbour for the same reason.)
//! * A threshold whose last group would be empty while elements lie beyond is no candidate: the divergence is infinite.
//! * Without symmetry both ends are sought, groups are as many as levels, and what lies beyond an end is added to the
//!   bin at that end.
//! * Not every threshold is tried: see `clipping`.
//!
//! All sums are differences of running sums, so that a candidate costs one logarithm a group.

use super::clipping::{Axis, search};
use super::histogram::Histogram;
use super::range::{Grid, Range};
use std::cell::OnceCell;

/// The range of least divergence, of a histogram with a finite element.
pub(super) fn range(histogram: &Histogram, grid: Grid) -> Range {
    let groups = if grid.symmetric { grid.levels.div_ceil(2) } else { grid.levels } as usize;
    let sums = OnceCell::new();
    search(histogram, grid, groups, |axis, kept| {
        let sums = sums.get_or_init(|| Sums::of(axis));
        if kept == axis.occupied && kept.len() <= groups { 0.0 } else { sums.divergence(axis, kept, groups) }
    })
}

/// Running sums over bins, one more than there are bins.
struct Sums {
    count: Vec<f64>,
    occupied: Vec<f64>,
    /// Of `c ln c`.
    information: Vec<f64>,
}

impl Sums {
    fn of(axis: &Axis) -> Self {
        let running = |of: &dyn Fn(f64) -> f64| {
            let mut sum = 0.0;
            std::iter::once(0.0).chain(axis.counts.iter().map(|&c| (sum += of(c), sum).1)).collect()
        };
        Self {
            count: running(&|c| c),
            occupied: running(&|c| f64::from(c > 0.0)),
            information: running(&x_ln_x),
        }
    }

    /// KL(P, Q) of the bins that are kept, in nats.
    fn divergence(&self, axis: &Axis, kept: std::ops::Range<usize>, groups: usize) -> f64 {
        let total = self.count[axis.counts.len()];
        let inside = self.count[kept.end] - self.count[kept.start];
        if kept.is_empty() || inside <= 0.0 {
            return f64::INFINITY;
        }
        let (below, above) = (self.count[kept.start], total - self.count[kept.end]);
        let (first, last) = (kept.start, kept.end - 1);
        let mut information = self.information[kept.end] - self.information[kept.start];
        let mut explained = 0.0;
        for group in 0..groups {
            let start = first + kept.len() * group / groups;
            let end = first + kept.len() * (group + 1) / groups;
            let clipped_below = if start == first && end > start { below } else { 0.0 };
            let clipped_above = if end == last + 1 && end > start { above } else { 0.0 };
            let inside = self.count[end] - self.count[start];
            let mass = inside + clipped_below + clipped_above;
            if mass == 0.0 {
                continue;
            }
            if inside == 0.0 {
                return f64::INFINITY;
            }
            let newly = |bin: usize, clipped: f64| f64::from(clipped > 0.0 && axis.counts[bin] == 0.0);
            let both = first == last && clipped_below > 0.0 && clipped_above > 0.0;
            let new = newly(first, clipped_below) + if both { 0.0 } else { newly(last, clipped_above) };
            let occupied = self.occupied[end] - self.occupied[start] + new;
            explained += mass * (inside / occupied).ln();
        }
        for (bin, clipped) in at_ends(first, last, below, above) {
            information += x_ln_x(axis.counts[bin] + clipped) - x_ln_x(axis.counts[bin]);
        }
        ((information - explained) / total + (inside / total).ln()).max(0.0)
    }
}

/// What is added to the bins at the ends, where these may be one.
fn at_ends(first: usize, last: usize, below: f64, above: f64) -> impl Iterator<Item = (usize, f64)> {
    let one = (first == last).then_some((first, below + above));
    let two = (first != last).then_some([(first, below), (last, above)]);
    one.into_iter().chain(two.into_iter().flatten())
}

fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.observe(values);
        histogram
    }

    /// The definition, bin by bin.
    fn by_definition(axis: &Axis, kept: std::ops::Range<usize>, groups: usize) -> f64 {
        let mut p: Vec<f64> = axis.counts[kept.clone()].to_vec();
        let plain = p.clone();
        p[0] += axis.counts[..kept.start].iter().sum::<f64>();
        p[kept.len() - 1] += axis.counts[kept.end..].iter().sum::<f64>();
        let mut q = vec![0.0; p.len()];
        for group in 0..groups {
            let (start, end) = (p.len() * group / groups, p.len() * (group + 1) / groups);
            let sum: f64 = plain[start..end].iter().sum();
            let occupied = p[start..end].iter().filter(|&&x| x > 0.0).count() as f64;
            (start..end).filter(|&i| p[i] > 0.0).for_each(|i| q[i] = sum / occupied);
        }
        let (p_sum, q_sum) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
        let term = |(&p, &q): (&f64, &f64)| {
            if p == 0.0 { 0.0 } else { p / p_sum * ((p / p_sum) / (q / q_sum)).ln() }
        };
        p.iter().zip(&q).map(term).sum()
    }

    proptest! {
        #[test]
        fn running_sums_give_the_definition(
            counts in proptest::collection::vec(prop_oneof![Just(0u32), 0u32..50], 20..60),
            start in 0usize..8, len in 1usize..12, groups in 1usize..9,
        ) {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            let axis = Axis { zero: 0, width: 1.0, occupied: 0..counts.len(), counts };
            let kept = start..start + len;
            let (fast, slow) = (Sums::of(&axis).divergence(&axis, kept.clone(), groups), by_definition(&axis, kept, groups));
            if fast.is_finite() {
                prop_assert!((fast - slow).abs() < 1e-9, "{} {}", fast, slow);
            } else {
                prop_assert!(!slow.is_finite(), "{}", slow);
            }
        }
    }

    #[test]
    fn a_flat_distribution_is_kept_whole() {
        let flat: Vec<f32> = (0..1 << 18).map(|i| i as f32 / (1 << 17) as f32 - 1.0).collect();
        let range = range(&of(&flat), Grid::INT8);
        assert!(range.max > 0.97, "{range:?}");
    }

    #[test]
    fn rare_large_numbers_are_clipped() {
        // A Laplace distribution of scale 1, by its quantiles, up to 12.
        let one = |i: i32| -(1.0 - (f64::from(i) + 0.5) / 100_000.0).ln() as f32;
        let mut values: Vec<f32> = (0..100_000).flat_map(|i| [one(i), -one(i)]).collect();
        values.extend([199.0, -180.0, 150.0]);
        for grid in [Grid::INT8, Grid::UINT8] {
            let range = range(&of(&values), grid);
            assert!((6.0..20.0).contains(&range.max) && (-20.0..-6.0).contains(&range.min), "{range:?}");
        }
    }

    #[test]
    fn zeros_alone_and_one_number_alone() {
        for grid in [Grid::INT8, Grid::UINT8] {
            assert_eq!(range(&of(&[0.0; 9]), grid), Range::default());
            assert_eq!(range(&of(&[3.0; 9]), grid).max, 3.0);
        }
        assert_eq!(range(&of(&[-3.0; 9]), Grid::UINT8), Range { min: -3.0, max: 0.0 });
    }

    #[test]
    fn zeros_do_not_matter() {
        let mut values: Vec<f32> = (0..50_000).map(|i| (i as f32 / 9000.0).exp()).collect();
        let without = range(&of(&values), Grid::UINT8);
        values.extend([0.0; 70_000]);
        assert_eq!(range(&of(&values), Grid::UINT8), without);
    }
}
