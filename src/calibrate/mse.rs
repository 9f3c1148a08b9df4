//! Keeps the range of the least expected squared error of quantization.
//!
//! Elements are taken to be spread evenly within a cell of `clipping`, and the error is integrated in closed form over each: rounding
//! inside the range and clipping beyond it, against the levels that the grid has there. (Choukroun et al. 2019 and Banner
//! et al. 2019 minimize the same error of distributions that they assume; here it is the histogram's.)

use super::clipping::{Axis, search};
use super::histogram::Histogram;
use super::range::{Levels, Range};
use std::cell::OnceCell;

/// The range of least error, of a histogram with a finite element.
pub(super) fn range(histogram: &Histogram, levels: Levels) -> Range {
    let filled = OnceCell::new();
    search(histogram, levels, 1, |axis, kept| {
        error(axis, filled.get_or_init(|| Filled::all(axis)), kept, levels)
    })
}

/// A cell with an element.
struct Filled {
    low: f64,
    high: f64,
    /// Elements in 1.
    density: f64,
}

impl Filled {
    fn all(axis: &Axis) -> Vec<Self> {
        let one = |(cell, &count): (usize, &f64)| {
            let (low, high) = (axis.edge(cell), axis.edge(cell + 1));
            (count > 0.0).then_some(Self { low, high, density: count / (high - low) })
        };
        axis.counts.iter().enumerate().filter_map(one).collect()
    }
}

/// The squared error, summed over all elements.
fn error(axis: &Axis, filled: &[Filled], kept: std::ops::Range<usize>, levels: Levels) -> f64 {
    let (low, high) = (axis.edge(kept.start), axis.edge(kept.end));
    let steps = f64::from(levels.count() - 1);
    let step = if levels.is_symmetric() { 2.0 * high / steps } else { (high - low) / steps };
    let least = if levels.is_symmetric() { -(steps / 2.0).floor() } else { nearest(low / step) };
    let most = if levels.is_symmetric() { -least } else { least + steps };
    let steps = Steps { step, per_unit: step.recip(), least, most };
    let mut sum = 0.0;
    let mut before = (f64::NAN, 0.0);
    for cell in filled {
        let low = if before.0 == cell.low { before.1 } else { steps.integral(cell.low) };
        before = (cell.high, steps.integral(cell.high));
        sum += cell.density * (before.1 - low);
    }
    sum
}

/// Multiples of a step.
struct Steps {
    step: f64,
    /// Steps in 1.
    per_unit: f64,
    least: f64,
    most: f64,
}

impl Steps {
    /// The squared error of a number, integrated from 0 to `x`: each whole step adds `step³ / 12`.
    fn integral(&self, x: f64) -> f64 {
        let level = nearest(x * self.per_unit).clamp(self.least, self.most);
        let rest = x - level * self.step;
        level * self.step.powi(3) / 12.0 + rest.powi(3) / 3.0
    }
}

/// The nearest whole number, of numbers below 2⁵¹: the sum has no room for a fraction. `f64::round` is a call.
fn nearest(x: f64) -> f64 {
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    (x + WHOLE) - WHOLE
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A Laplace distribution of scale 1, by its quantiles.
    fn laplace() -> Vec<f32> {
        let one = |i: i32| -(1.0 - (f64::from(i) + 0.5) / 250_000.0).ln() as f32;
        (0..250_000).flat_map(|i| [one(i), -one(i)]).collect()
    }

    /// Banner et al. 2019, table 1: the optimum of 8 bits is 9.89 times the scale; of 4 bits, 5.03 times.
    #[test]
    fn a_laplace_distribution_is_clipped_where_theory_says() {
        let histogram = Histogram::of(&laplace());
        let limit = range(&histogram, Levels::INT8).max;
        assert!((9.0..10.5).contains(&limit), "{limit}");
        let four_bits = range(&histogram, Levels::new(true, 15).unwrap()).max;
        assert!((4.7..5.3).contains(&four_bits), "{four_bits}");
        // One level more below zero than above.
        let Range { min, max } = range(&histogram, Levels::new(false, 16).unwrap());
        assert!((4.5..5.3).contains(&max) && (-5.5..-4.7).contains(&min), "{min} {max}");
    }

    /// The squared error of rounding each number to levels around zero.
    fn brute(values: &[f32], limit: f64, levels: Levels) -> f64 {
        let half = f64::from(levels.count() / 2);
        let step = limit / half;
        let one = |x: f64| (x - (x / step).round_ties_even().clamp(-half, half) * step).powi(2);
        values.iter().map(|&x| one(f64::from(x))).sum()
    }

    #[test]
    fn the_error_is_what_sampling_finds() {
        let histogram = Histogram::of(&laplace());
        let levels = Levels::new(true, 15).unwrap();
        let axis = Axis::of(&histogram, levels);
        for kept in [1000, 1500, axis.counts.len()] {
            let sampled = brute(&laplace(), axis.edge(kept), levels);
            let computed = error(&axis, &Filled::all(&axis), 0..kept, levels);
            assert!((computed / sampled - 1.0).abs() < 1e-3, "{computed} {sampled}");
        }
    }

    #[test]
    fn one_element_far_beyond_the_others_leaves_the_cells_fine() {
        // So many others that clipping the one is cheaper than coarser steps for all.
        let mut values: Vec<f32> = (0..1 << 18).map(|i| ((i * 7919) % 20_011) as f32 / 20_011.0).collect();
        values.push(20.0);
        let levels = Levels::new(true, 255).unwrap();
        let found = range(&Histogram::of(&values), levels).max;
        let least =
            (1..400).map(|i| brute(&values, f64::from(i) * 0.05, levels)).fold(f64::INFINITY, f64::min);
        let cost = brute(&values, f64::from(found), levels);
        assert!(cost <= 1.01 * least, "{found} {cost} {least}");
    }

    #[test]
    fn a_flat_distribution_is_kept_nearly_whole() {
        let flat: Vec<f32> = (0..1 << 18).map(|i| i as f32 / (1 << 18) as f32).collect();
        let range = range(&Histogram::of(&flat), Levels::UINT8);
        assert!(range.min == 0.0 && range.max > 0.99, "{range:?}");
    }

    #[test]
    fn zeros_alone_and_one_number_alone() {
        for levels in [Levels::INT8, Levels::UINT8] {
            assert_eq!(range(&Histogram::of(&[0.0; 9]), levels), Range::default());
            assert!((range(&Histogram::of(&[3.0; 9]), levels).max - 3.0).abs() < 2e-2);
        }
    }

    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let bulk = proptest::collection::vec(-1f32..1.0, 1000..3000);
        let few = proptest::collection::vec(prop_oneof![-1e5f32..1e5, -10f32..10.0], 0..3);
        (bulk, few, -20i32..20).prop_map(|(mut bulk, few, power)| {
            bulk.iter_mut().for_each(|x| *x = *x * *x * *x);
            bulk.extend(few);
            bulk.iter_mut().for_each(|x| *x *= 2f32.powi(power));
            bulk
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_range_that_brute_force_finds_is_much_better(values in numbers(), count in prop_oneof![Just(15u32), Just(255)]) {
            let levels = Levels::new(true, count).unwrap();
            let largest = values.iter().fold(0f32, |max, x| max.max(x.abs()));
            let found = brute(&values, f64::from(range(&Histogram::of(&values), levels).max), levels);
            // Ends from the largest number down, each 2 % below the last.
            let ends = std::iter::successors(Some(f64::from(largest)), |end| Some(end * 0.98)).take(900);
            let least = ends.map(|end| brute(&values, end, levels)).fold(f64::INFINITY, f64::min);
            // Where nearly all is the error of three large elements, their bins are as fine as can be told.
            let told = 3.0 * (f64::from(largest) / 512.0).powi(2);
            prop_assert!(found <= 1.02 * least + told, "{} {}", found, least);
        }
    }
}
