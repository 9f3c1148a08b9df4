//! The search for the cells to keep, by a cost that is to be least.
//!
//! Cells are bins put together: of one width up to a power of two that holds the bulk, all but a hundredth, of the
//! elements that are not zero, and beyond, for the few large ones, growing with the numbers in them as bins do. Where
//! these are less than eight times as large, as of most values, all cells are of one width.
//!
//! Of symmetric levels one end is sought, among absolute values; else the upper end with the lower one fixed, then the
//! lower one, and once more. Each search looks at evenly spaced ends, then at those between the neighbours of the best,
//! and so on. Of equal costs the widest range wins.

use super::histogram::{BITS, Bin, Histogram, LEAST_BITS};
use super::range::{Levels, Range as Covered};
use std::ops::{Range, RangeInclusive};

/// Cells of one width, on each side of zero, where all are: the bins of the largest numbers are as fine.
const EVEN: usize = 2 << BITS;
/// And where the bulk lies below: the bins there are as fine.
const EVEN_BELOW: usize = 2 << LEAST_BITS;
/// Ends that each of the first two looks at the even cells tries, and half as many beyond, about.
const TRIES: usize = 128;
/// Beyond the bulk, fewer powers of two than these are divided evenly, too.
const FEW: usize = 3;
/// One of so many elements need not be among the bulk.
const TAIL: u64 = 100;

/// Bits of an `f64`'s fraction that do not tell bins apart.
const FINER: u32 = f64::MANTISSA_DIGITS - 1 - LEAST_BITS;

/// How the numbers of one side are divided into cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    /// The width of the even ones, a power of two.
    pub(super) width: f64,
    /// How many of these there are.
    even: usize,
}

impl Cells {
    /// Cells for elements by absolute value, from zero on.
    fn of(bins: &[Bin]) -> Self {
        let all: u64 = bins.iter().map(|bin| bin.count).sum();
        let mut left = all / TAIL;
        let beyond = |bin: &&Bin| left.checked_sub(bin.count).inspect(|&rest| left = rest).is_none();
        let bulk = bins.iter().rev().find(beyond).map_or(1.0, |bin| bin.high);
        let largest = bins.last().map_or(1.0, |bin| bin.high);
        let (inner, outer) = (exponent_of(bulk), exponent_of(largest));
        let octaves = (outer - inner) as usize;
        let (last, even) = if octaves < FEW { (outer, EVEN) } else { (inner, EVEN_BELOW) };
        Self { width: 2f64.powi(last) / even as f64, even }
    }

    /// The cell that a number from 0 on lies in, of any size.
    pub(super) fn at(self, size: f64) -> usize {
        let widths = size / self.width;
        if widths < self.even as f64 {
            return widths as usize;
        }
        self.even + (steps(widths) - steps(self.even as f64)) as usize
    }

    /// How far the inner end of a cell is from zero.
    pub(super) fn edge(self, cell: usize) -> f64 {
        match cell.checked_sub(self.even) {
            None | Some(0) => cell as f64 * self.width,
            Some(beyond) => {
                let steps = steps(self.even as f64) + beyond as u64;
                f64::from_bits(steps << FINER) * self.width
            }
        }
    }
}

/// The bits that tell cells beyond the even ones apart: those that tell bins of most numbers apart.
fn steps(widths: f64) -> u64 {
    widths.to_bits() >> FINER
}

/// The power of two that is not below a number from a bin's upper end.
fn exponent_of(high: f64) -> i32 {
    let exponent = (high.to_bits() >> (f64::MANTISSA_DIGITS - 1)) as i32 - 1023;
    if 2f64.powi(exponent) < high { exponent + 1 } else { exponent }
}

/// The cells that a cost looks at: those of absolute values where the levels are symmetric.
pub(super) struct Axis {
    /// Elements in each cell, but for exact zeros: these cost nothing, wherever the ends are.
    pub(super) counts: Vec<f64>,
    /// The first cell from zero on.
    pub(super) zero: usize,
    pub(super) cells: Cells,
    /// The first cell with an element, at most `zero`, and the one behind the last, at least `zero`.
    pub(super) occupied: Range<usize>,
}

impl Axis {
    pub(super) fn of(histogram: &Histogram, levels: Levels) -> Self {
        let sizes: Vec<Bin> = histogram.sizes().collect();
        let cells = Cells::of(&sizes);
        let (below, above): (Vec<Bin>, Vec<Bin>) = if levels.is_symmetric() {
            (Vec::new(), sizes)
        } else {
            (histogram.side(true).collect(), histogram.side(false).collect())
        };
        let end = |bins: &[Bin]| bins.last().map_or(0, |bin| cells.at(bin.low) + 1);
        let zero = end(&below);
        let mut counts = vec![0.0; zero + end(&above)];
        above.iter().for_each(|bin| counts[zero + cells.at(bin.low)] += bin.count as f64);
        below.iter().for_each(|bin| counts[zero - 1 - cells.at(bin.low)] += bin.count as f64);
        let occupied = 0..counts.len();
        Self { counts, zero, cells, occupied }
    }

    /// The lower end of a cell.
    pub(super) fn edge(&self, cell: usize) -> f64 {
        match cell.checked_sub(self.zero) {
            Some(above) => self.cells.edge(above),
            None => -self.cells.edge(self.zero - cell),
        }
    }

    /// The first cell whose lower end is not below a number of so many widths of even cells, or that holds it.
    pub(super) fn cell_at(&self, widths: f64) -> usize {
        let size = widths.abs() * self.cells.width;
        if widths >= 0.0 {
            return self.zero + self.cells.at(size);
        }
        let cell = self.cells.at(size);
        // A number at an end belongs to the cell above it.
        self.zero - cell - usize::from(self.cells.edge(cell) < size)
    }

    /// The cells of a range, of uneven ones without empty ones at its ends: an end that one search leaves among empty
    /// cells, of which there are many far out, would make every range of the next infinitely bad.
    fn filled(&self, range: Range<usize>) -> Range<usize> {
        if self.is_even() {
            return range;
        }
        let cells = &self.counts[range.clone()];
        let first = cells.iter().position(|&count| count > 0.0);
        let last = cells.iter().rposition(|&count| count > 0.0);
        first.zip(last).map_or(range.clone(), |(first, last)| range.start + first..range.start + last + 1)
    }

    /// Whether all cells are of one width.
    pub(super) fn is_even(&self) -> bool {
        self.zero <= self.cells.even && self.counts.len() - self.zero <= self.cells.even
    }
}

/// The range of least cost among those at least `narrowest` cells wide, of a histogram with a finite element.
pub(super) fn search(
    histogram: &Histogram,
    levels: Levels,
    narrowest: usize,
    cost: impl Fn(&Axis, Range<usize>) -> f64,
) -> Covered {
    let axis = Axis::of(histogram, levels);
    let zero = axis.zero;
    let (mut below, mut above) = (zero - axis.occupied.start, axis.occupied.end - zero);
    let (most_below, most_above) = (below, above);
    let even = axis.cells.even;
    for _ in 0..2 {
        let fixed = below;
        let low = axis.filled(zero - below..zero).start;
        above = best(even, narrowest.saturating_sub(below), most_above, |end| cost(&axis, low..zero + end));
        let high = axis.filled(zero..zero + above).end;
        below = best(even, narrowest.saturating_sub(above), most_below, |end| cost(&axis, zero - end..high));
        if below == fixed {
            break;
        }
    }
    let extent = histogram.extent();
    let end = |cells: usize| axis.cells.edge(cells) as f32;
    if levels.is_symmetric() {
        return Covered::around_zero(end(above).min(extent.limit()));
    }
    Covered::holding((-end(below)).max(extent.min), end(above).min(extent.max))
}

/// The number from `least` to `most` of least cost; `most` where there is no choice. `even` of them are alike.
fn best(even: usize, least: usize, most: usize, cost: impl Fn(usize) -> f64) -> usize {
    if least >= most {
        return most;
    }
    let turn = most.min(even).max(least);
    let (far, near) = ((most - turn).div_ceil(TRIES / 2).max(1), (turn - least).div_ceil(TRIES).max(1));
    let coarse = (turn + 1..=most).rev().step_by(far).chain((least..=turn).rev().step_by(near));
    let coarse = cheapest(coarse, &cost).unwrap_or(most);
    let step = if coarse > turn { far } else { near.max(if coarse == turn { far } else { 0 }) };
    closest(least..=most, coarse, step, &cost)
}

/// The cheapest around a number, whose neighbours at a distance are known to cost more.
fn closest(all: RangeInclusive<usize>, at: usize, step: usize, cost: &impl Fn(usize) -> f64) -> usize {
    let finer = step.div_ceil(TRIES / 4);
    let around = at.saturating_sub(step).max(*all.start())..=(at + step).min(*all.end());
    let found = cheapest(around.rev().step_by(finer).chain([at]), cost).unwrap_or(at);
    if finer > 1 { closest(all, found, finer, cost) } else { found }
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

/// Even cells alone.
#[cfg(test)]
pub(super) fn even_cells(width: f64) -> Cells {
    Cells { width, even: EVEN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_best_is_found_between_coarse_steps() {
        for most in [4096, 9000, 12_288] {
            for target in [0usize, 17, 1234, 4000, 4095, 4096, 4097, 4160, 8000, most] {
                let target = target.min(most);
                assert_eq!(best(4096, 0, most, |i| i.abs_diff(target) as f64), target);
            }
            assert_eq!(best(4096, 0, most, |_| 1.0), most);
            assert_eq!(best(4096, 0, most, |_| f64::INFINITY), most);
        }
        assert_eq!(best(4096, 5, 3, |_| 0.0), 3);
    }

    #[test]
    fn exact_zeros_are_in_no_cell() {
        let axis = Axis::of(&Histogram::of(&[0.0, 0.0, 1e-9, 1.0]), Levels::UINT8);
        assert_eq!((axis.counts[axis.zero], axis.counts.iter().sum::<f64>()), (1.0, 2.0));
        assert_eq!((axis.occupied.start, axis.zero), (0, 0));
    }

    #[test]
    fn without_large_elements_all_cells_are_even() {
        let ramp: Vec<f32> = (0..8192).map(|i| (i as f32 + 0.5) / 4096.0 - 1.0).collect();
        let axis = Axis::of(&Histogram::of(&ramp), Levels::UINT8);
        assert!(axis.is_even() && axis.counts.iter().all(|&count| count == 1.0));
        assert_eq!((axis.zero, axis.cells.width), (EVEN, 1.0 / EVEN as f64));
    }

    #[test]
    fn a_few_large_elements_leave_fine_cells_to_the_others() {
        let mut values: Vec<f32> = (0..100_000).map(|i| (i as f32 + 0.5) / 100_000.0).collect();
        values.extend([1e5, -3e4]);
        let axis = Axis::of(&Histogram::of(&values), Levels::UINT8);
        assert_eq!(axis.cells.width, 1.0 / EVEN_BELOW as f64);
        assert!(!axis.is_even());
        let (first, last) = (axis.edge(0), axis.edge(axis.counts.len()));
        assert!((-3.01e4..=-3e4).contains(&first) && (1e5..=1.01e5).contains(&last), "{first} {last}");
    }

    proptest! {
        #[test]
        fn cells_follow_one_another_and_hold_their_numbers(
            exponent in -60i32..60, sizes in proptest::collection::vec(0f64..1e9, 1..20),
        ) {
            let cells = Cells { width: 2f64.powi(exponent), even: EVEN_BELOW };
            for size in sizes {
                let size = size * cells.width;
                let cell = cells.at(size);
                prop_assert!(cells.edge(cell) <= size && size < cells.edge(cell + 1));
                prop_assert_eq!(cells.at(cells.edge(cell)), cell);
            }
        }

        #[test]
        fn each_number_is_in_the_cell_of_its_axis(values in proptest::collection::vec(-1e6f32..1e6, 1..60)) {
            let axis = Axis::of(&Histogram::of(&values), Levels::UINT8);
            for &x in values.iter().filter(|x| **x != 0.0) {
                let cell = axis.cell_at(f64::from(x) / axis.cells.width);
                prop_assert!(axis.edge(cell) <= f64::from(x) && f64::from(x) <= axis.edge(cell + 1));
                let above = axis.cell_at(axis.edge(cell) / axis.cells.width);
                prop_assert_eq!(above, cell);
            }
        }
    }
}
