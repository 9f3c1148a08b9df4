//! The search for the bins to keep, by a cost that is to be least.
//!
//! Of a symmetric grid one end is sought, among absolute values; else the upper end with the lower one fixed, then the
//! lower one, and once more. Each search looks at evenly spaced ends, then at all between the neighbours of the best. Of
//! equal costs the widest range wins.

use super::histogram::{HALF, Histogram};
use super::range::{Grid, Range};

/// Ends that each of the two looks at an axis tries, about.
const TRIES: usize = 128;

/// The bins that a cost looks at: those of absolute values where the grid is symmetric.
pub(super) struct Axis {
    /// Elements in each bin, but for exact zeros: these cost nothing, wherever the ends are.
    pub(super) counts: Vec<f64>,
    /// The first bin from zero on.
    pub(super) zero: usize,
    /// How wide a bin is.
    pub(super) width: f64,
    /// The first bin with an element, at most `zero`, and the one behind the last, at least `zero`.
    pub(super) occupied: std::ops::Range<usize>,
}

impl Axis {
    fn of(histogram: &Histogram, grid: Grid) -> Self {
        let (mut counts, zero): (Vec<u64>, usize) = if grid.symmetric {
            (histogram.magnitudes().collect(), 0)
        } else {
            (histogram.counts().to_vec(), HALF)
        };
        counts[zero] -= histogram.extent().zeros;
        let first = counts.iter().position(|&c| c > 0).unwrap_or(zero).min(zero);
        let end = counts.iter().rposition(|&c| c > 0).map_or(zero, |last| last + 1).max(zero);
        let counts = counts.into_iter().map(|c| c as f64).collect();
        Self { counts, zero, width: histogram.width(), occupied: first..end }
    }

    /// How far the lower edge of a bin is from zero.
    pub(super) fn edge(&self, bin: usize) -> f64 {
        (bin as f64 - self.zero as f64) * self.width
    }
}

/// The range of least cost among those at least `narrowest` bins wide, of a histogram with a finite element.
pub(super) fn search(
    histogram: &Histogram,
    grid: Grid,
    narrowest: usize,
    cost: impl Fn(&Axis, std::ops::Range<usize>) -> f64,
) -> Range {
    let axis = Axis::of(histogram, grid);
    let zero = axis.zero;
    let (mut below, mut above) = (zero - axis.occupied.start, axis.occupied.end - zero);
    let (most_below, most_above) = (below, above);
    for _ in 0..if most_below > 0 { 2 } else { 1 } {
        let cost_above = |end| cost(&axis, zero - below..zero + end);
        above = best(narrowest.saturating_sub(below), most_above, cost_above);
        let cost_below = |end| cost(&axis, zero - end..zero + above);
        below = best(narrowest.saturating_sub(above), most_below, cost_below);
    }
    let extent = histogram.extent();
    let end = |bins: usize| (bins as f64 * axis.width) as f32;
    if grid.symmetric {
        return Range::around_zero(end(above).min(extent.limit()));
    }
    Range::holding((-end(below)).max(extent.min), end(above).min(extent.max))
}

/// The number from `least` to `most` of least cost; `most` where there is no choice.
fn best(least: usize, most: usize, cost: impl Fn(usize) -> f64) -> usize {
    let Some(span) = most.checked_sub(least).filter(|&span| span > 0) else { return most };
    let step = span.div_ceil(TRIES);
    let coarse = cheapest((least..=most).rev().step_by(step), &cost).unwrap_or(most);
    let near = coarse.saturating_sub(step).max(least)..=(coarse + step).min(most);
    cheapest(near.rev(), &cost).unwrap_or(most)
}

/// The first of least cost; `None` where all are infinite.
fn cheapest(candidates: impl Iterator<Item = usize>, cost: impl Fn(usize) -> f64) -> Option<usize> {
    let mut least = (f64::INFINITY, None);
    for candidate in candidates {
        let cost = cost(candidate);
        if cost < least.0 {
            least = (cost, Some(candidate));
        }
    }
    least.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_found_between_coarse_steps() {
        for target in [0usize, 17, 1234, 4000, 4096] {
            assert_eq!(best(0, 4096, |i| i.abs_diff(target) as f64), target);
        }
        assert_eq!(best(0, 4096, |_| 1.0), 4096);
        assert_eq!(best(0, 4096, |_| f64::INFINITY), 4096);
        assert_eq!(best(5, 3, |_| 0.0), 3);
    }

    #[test]
    fn exact_zeros_are_in_no_bin() {
        let mut histogram = Histogram::new();
        histogram.observe(&[0.0, 0.0, 1e-9, 1.0]);
        let axis = Axis::of(&histogram, Grid::UINT8);
        assert_eq!((axis.counts[axis.zero], axis.counts.iter().sum::<f64>()), (1.0, 2.0));
        assert_eq!(axis.occupied.start, HALF);
    }
}
