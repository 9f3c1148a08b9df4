//! Keeps the range of the least expected squared error of quantization.
//!
//! Elements are taken to be spread evenly within a cell of `clipping`, and the error is integrated in closed form over each: rounding
//! inside the range and clipping beyond it, against the levels that the grid has there. (Choukroun et al. 2019 and Banner
//! et al. 2019 minimize the same error of distributions that they assume; here it is the histogram's.)
//!
//! Where the value is read through a function, the error is that of the function's result: inside the range in proportion
//! to the square of its slope, beyond it as far as it is from its value at the end.

use super::clipping::{Axis, search};
use super::histogram::Histogram;
use super::range::{Levels, Range};
use super::response::Response;
use std::cell::OnceCell;

/// The range of least error of what is read through a function, of a histogram with a finite element.
pub(super) fn range(histogram: &Histogram, levels: Levels, read: Response) -> Range {
    let filled = OnceCell::new();
    search(histogram, levels, 1, |axis, kept| {
        let filled = filled.get_or_init(|| Filled::all(axis, read));
        Steps::of(axis, kept, levels).error(filled, read)
    })
}

/// A cell with an element.
struct Filled {
    low: f64,
    high: f64,
    middle: f64,
    /// Elements.
    count: f64,
    /// What the middle becomes.
    becomes: f64,
    /// Elements in 1, times the square of the slope of what they become.
    weight: f64,
}

impl Filled {
    fn all(axis: &Axis, read: Response) -> Vec<Self> {
        let one = |(cell, &count): (usize, &f64)| {
            let (low, high) = (axis.edge(cell), axis.edge(cell + 1));
            let (middle, width) = (f64::midpoint(low, high), high - low);
            let slope = (read.at(high) - read.at(low)) / width;
            let (becomes, weight) = (read.at(middle), count / width * slope.powi(2));
            (count > 0.0).then_some(Self { low, high, middle, count, becomes, weight })
        };
        axis.counts.iter().enumerate().filter_map(one).collect()
    }
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
    /// Those of a range.
    fn of(axis: &Axis, kept: std::ops::Range<usize>, levels: Levels) -> Self {
        let (low, high) = (axis.edge(kept.start), axis.edge(kept.end));
        let steps = f64::from(levels.count() - 1);
        let step = if levels.is_symmetric() { 2.0 * high / steps } else { (high - low) / steps };
        let least = if levels.is_symmetric() { -(steps / 2.0).floor() } else { nearest(low / step) };
        let most = if levels.is_symmetric() { -least } else { least + steps };
        Self { step, per_unit: step.recip(), least, most }
    }

    /// The squared error of what the elements become, summed over all of them.
    fn error(&self, filled: &[Filled], read: Response) -> f64 {
        let (low, high) = (self.least * self.step, self.most * self.step);
        let (at_low, at_high) = (read.at(low), read.at(high));
        let mut sum = 0.0;
        let mut before = (f64::NAN, 0.0);
        for cell in filled {
            if cell.middle < low {
                sum += cell.count * (cell.becomes - at_low).powi(2);
            } else if cell.middle > high {
                sum += cell.count * (cell.becomes - at_high).powi(2);
            } else {
                let start = if before.0 == cell.low { before.1 } else { self.integral(cell.low) };
                before = (cell.high, self.integral(cell.high));
                sum += cell.weight * (before.1 - start);
            }
        }
        sum
    }

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
        let limit = range(&histogram, Levels::INT8, Response::SAME).max;
        assert!((9.0..10.5).contains(&limit), "{limit}");
        let four_bits = range(&histogram, Levels::new(true, 15).unwrap(), Response::SAME).max;
        assert!((4.7..5.3).contains(&four_bits), "{four_bits}");
        // One level more below zero than above.
        let Range { min, max } = range(&histogram, Levels::new(false, 16).unwrap(), Response::SAME);
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
            let filled = Filled::all(&axis, Response::SAME);
            let computed = Steps::of(&axis, 0..kept, levels).error(&filled, Response::SAME);
            assert!((computed / sampled - 1.0).abs() < 1e-3, "{computed} {sampled}");
        }
    }

    #[test]
    fn one_element_far_beyond_the_others_leaves_the_cells_fine() {
        // So many others that clipping the one is cheaper than coarser steps for all.
        let mut values: Vec<f32> = (0..1 << 18).map(|i| ((i * 7919) % 20_011) as f32 / 20_011.0).collect();
        values.push(20.0);
        let levels = Levels::new(true, 255).unwrap();
        let found = range(&Histogram::of(&values), levels, Response::SAME).max;
        let least =
            (1..400).map(|i| brute(&values, f64::from(i) * 0.05, levels)).fold(f64::INFINITY, f64::min);
        let cost = brute(&values, f64::from(found), levels);
        assert!(cost <= 1.01 * least, "{found} {cost} {least}");
    }

    #[test]
    fn a_flat_distribution_is_kept_nearly_whole() {
        let flat: Vec<f32> = (0..1 << 18).map(|i| i as f32 / (1 << 18) as f32).collect();
        let range = range(&Histogram::of(&flat), Levels::UINT8, Response::SAME);
        assert!(range.min == 0.0 && range.max > 0.99, "{range:?}");
    }

    #[test]
    fn zeros_alone_and_one_number_alone() {
        for levels in [Levels::INT8, Levels::UINT8] {
            assert_eq!(range(&Histogram::of(&[0.0; 9]), levels, Response::SAME), Range::default());
            assert!((range(&Histogram::of(&[3.0; 9]), levels, Response::SAME).max - 3.0).abs() < 2e-2);
        }
    }

    #[test]
    fn no_level_lies_where_the_function_that_reads_it_is_flat() {
        use super::super::response::Curve;
        let histogram = Histogram::of(&laplace().iter().map(|x| 5.0 * x).collect::<Vec<f32>>());
        let plain = range(&histogram, Levels::UINT8, Response::SAME);
        let hard = Response { curve: Curve::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 }, gates: true };
        for (read, least) in
            [(hard, -3.5), (Response { curve: Curve::Sigmoid { slope: 1.0 }, gates: true }, -8.0)]
        {
            let found = range(&histogram, Levels::UINT8, read);
            assert!(
                plain.min < -20.0 && found.min > least && found.max > 0.8 * plain.max,
                "{found:?} {plain:?}"
            );
            let lost = |range: Range| {
                let step = f64::from(range.max - range.min) / 255.0;
                let zero = (f64::from(-range.min) / step).round();
                let one = |x: f64| {
                    (read.at(x) - read.at(((x / step + zero).round().clamp(0.0, 255.0) - zero) * step))
                        .powi(2)
                };
                laplace().iter().map(|x| one(5.0 * f64::from(*x))).sum::<f64>()
            };
            assert!(2.0 * lost(found) < lost(plain), "{} {}", lost(found), lost(plain));
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
            let found = brute(&values, f64::from(range(&Histogram::of(&values), levels, Response::SAME).max), levels);
            // Ends from the largest number down, each 2 % below the last.
            let ends = std::iter::successors(Some(f64::from(largest)), |end| Some(end * 0.98)).take(900);
            let least = ends.map(|end| brute(&values, end, levels)).fold(f64::INFINITY, f64::min);
            // Where nearly all is the error of three large elements, their bins are as fine as can be told.
            let told = 3.0 * (f64::from(largest) / 512.0).powi(2);
            prop_assert!(found <= 1.02 * least + told, "{} {}", found, least);
        }
    }
}
