//! Keeps the range whose quantized distribution tells most of the original one (Kullback-Leibler divergence).
//!
//! After Migacz, "8-bit Inference with TensorRT" (GTC 2017), which TensorRT's entropy calibrator follows: the reference P
//! is the histogram up to a threshold, with all beyond added to its last cell; the candidate Q is the same without what
//! lies beyond, summed up into as many groups as there are levels on one side, and spread again evenly over those that
//! P occupies; the threshold of least KL(P, Q) is kept. Here, too:
//!
//! * Exact zeros are left out: every range represents them exactly. (Elsewhere the bin at zero is overwritten by its
//!   neighbour for the same reason.)
//! * A threshold whose last group would be empty while elements lie beyond is no candidate: the divergence is infinite.
//! * Without symmetry both ends are sought, groups are as many as levels, and what lies beyond an end is added to the
//!   cell at that end.
//! * Not every threshold is tried, and cells beyond the bulk of the elements are wider: see `clipping`. Q is spread evenly
//!   over the numbers in the cells that P occupies, not over the cells.
//!
//! All sums are differences of running sums, so that a candidate costs one logarithm a group.

use super::clipping::{Axis, search};
use super::histogram::Histogram;
use super::range::{Levels, Range};
use std::cell::OnceCell;

/// The range of least divergence, of a histogram with a finite element.
pub(super) fn range(histogram: &Histogram, levels: Levels) -> Range {
    let groups = if levels.is_symmetric() { levels.count().div_ceil(2) } else { levels.count() } as usize;
    let sums = OnceCell::new();
    search(histogram, levels, groups, |axis, kept| {
        let sums = sums.get_or_init(|| Sums::of(axis));
        let is_whole = kept == axis.occupied && kept.len() <= groups && axis.is_even();
        if is_whole { 0.0 } else { sums.divergence(axis, kept, groups) }
    })
}

/// Running sums over cells, one more than there are cells.
struct Sums {
    count: Vec<f64>,
    /// Of the widths of cells with an element, in widths of even cells.
    occupied: Vec<f64>,
    /// Of `c ln (c / width)`.
    information: Vec<f64>,
    /// Of each cell, in widths of even cells.
    width: Vec<f64>,
}

impl Sums {
    fn of(axis: &Axis) -> Self {
        let cells = 0..axis.counts.len();
        let width: Vec<f64> =
            cells.map(|cell| (axis.edge(cell + 1) - axis.edge(cell)) / axis.cells.width).collect();
        let running = |of: &dyn Fn(f64, f64) -> f64| {
            let mut sum = 0.0;
            let parts =
                axis.counts.iter().zip(&width).map(|(&count, &width)| (sum += of(count, width), sum).1);
            std::iter::once(0.0).chain(parts).collect()
        };
        Self {
            count: running(&|count, _| count),
            occupied: running(&|count, width| if count > 0.0 { width } else { 0.0 }),
            information: running(&information),
            width,
        }
    }

    /// KL(P, Q) of the cells that are kept, in nats.
    fn divergence(&self, axis: &Axis, kept: std::ops::Range<usize>, groups: usize) -> f64 {
        let total = self.count[axis.counts.len()];
        let inside = self.count[kept.end] - self.count[kept.start];
        if kept.is_empty() || inside <= 0.0 {
            return f64::INFINITY;
        }
        let (below, above) = (self.count[kept.start], total - self.count[kept.end]);
        let (first, last) = (kept.start, kept.end - 1);
        let (low, high) = (axis.edge(kept.start) / axis.cells.width, axis.edge(kept.end) / axis.cells.width);
        let ends = |group: usize| {
            if axis.is_even() {
                return kept.start + kept.len() * group / groups;
            }
            let widths = low + ((high - low) * group as f64 / groups as f64).floor();
            if group == groups { kept.end } else { axis.cell_at(widths).clamp(kept.start, kept.end) }
        };
        let mut information_kept = self.information[kept.end] - self.information[kept.start];
        let mut explained = 0.0;
        let mut end = kept.start;
        for group in 0..groups {
            let start = end;
            end = ends(group + 1);
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
            let newly = |cell: usize, clipped: f64| {
                if clipped > 0.0 && axis.counts[cell] == 0.0 { self.width[cell] } else { 0.0 }
            };
            let both = first == last && clipped_below > 0.0 && clipped_above > 0.0;
            let new = newly(first, clipped_below) + if both { 0.0 } else { newly(last, clipped_above) };
            let occupied = self.occupied[end] - self.occupied[start] + new;
            explained += mass * (inside / occupied).ln();
        }
        for (cell, clipped) in at_ends(first, last, below, above) {
            let (count, width) = (axis.counts[cell], self.width[cell]);
            information_kept += information(count + clipped, width) - information(count, width);
        }
        ((information_kept - explained) / total + (inside / total).ln()).max(0.0)
    }
}

/// What is added to the cells at the ends, where these may be one.
fn at_ends(first: usize, last: usize, below: f64, above: f64) -> impl Iterator<Item = (usize, f64)> {
    let one = (first == last).then_some((first, below + above));
    let two = (first != last).then_some([(first, below), (last, above)]);
    one.into_iter().chain(two.into_iter().flatten())
}

/// `c ln (c / width)`.
fn information(count: f64, width: f64) -> f64 {
    if count > 0.0 { count * (count / width).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::clipping::even_cells;
    use super::*;
    use proptest::prelude::*;

    /// The definition, cell by cell, of even cells.
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
            let cells = even_cells(1.0);
            let axis = Axis { zero: 0, cells, occupied: 0..counts.len(), counts };
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
        let range = range(&Histogram::of(&flat), Levels::INT8);
        assert!(range.max > 0.97, "{range:?}");
    }

    #[test]
    fn rare_large_numbers_are_clipped() {
        // A Laplace distribution of scale 1, by its quantiles, up to 12.
        let one = |i: i32| -(1.0 - (f64::from(i) + 0.5) / 100_000.0).ln() as f32;
        let mut values: Vec<f32> = (0..100_000).flat_map(|i| [one(i), -one(i)]).collect();
        values.extend([199.0, -180.0, 150.0]);
        for levels in [Levels::INT8, Levels::UINT8] {
            let range = range(&Histogram::of(&values), levels);
            assert!((6.0..20.0).contains(&range.max) && (-20.0..-6.0).contains(&range.min), "{range:?}");
        }
    }

    #[test]
    fn one_element_far_beyond_the_others_does_not_coarsen_their_range() {
        let one = |i: i32| -(1.0 - (f64::from(i) + 0.5) / 100_000.0).ln() as f32;
        let bulk: Vec<f32> = (0..100_000).flat_map(|i| [one(i), -one(i)]).collect();
        let mut values = bulk.clone();
        values.push(1e5);
        for levels in [Levels::INT8, Levels::UINT8] {
            let (without, with) =
                (range(&Histogram::of(&bulk), levels), range(&Histogram::of(&values), levels));
            assert!((with.max / without.max - 1.0).abs() < 0.3, "{without:?} {with:?}");
            assert!((with.min / without.min - 1.0).abs() < 0.3, "{without:?} {with:?}");
        }
    }

    #[test]
    fn zeros_alone_and_one_number_alone() {
        for levels in [Levels::INT8, Levels::UINT8] {
            assert_eq!(range(&Histogram::of(&[0.0; 9]), levels), Range::default());
            assert_eq!(range(&Histogram::of(&[3.0; 9]), levels).max, 3.0);
        }
        assert_eq!(range(&Histogram::of(&[-3.0; 9]), Levels::UINT8), Range { min: -3.0, max: 0.0 });
    }

    #[test]
    fn zeros_do_not_matter() {
        let mut values: Vec<f32> = (0..50_000).map(|i| (i as f32 / 9000.0).exp()).collect();
        let without = range(&Histogram::of(&values), Levels::UINT8);
        values.extend([0.0; 70_000]);
        assert_eq!(range(&Histogram::of(&values), Levels::UINT8), without);
    }
}
