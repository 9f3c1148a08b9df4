//! Keeps the range of the least expected squared error of quantization.
//!
//! Elements are taken to be spread evenly within a bin, and the error is integrated in closed form over each: rounding
//! inside the range and clipping beyond it, against the levels that the grid has there. (Choukroun et al. 2019 and Banner
//! et al. 2019 minimize the same error of distributions that they assume; here it is the histogram's.)

use super::clipping::{Axis, search};
use super::histogram::Histogram;
use super::range::{Grid, Range};

/// The range of least error, of a histogram with a finite element.
pub(super) fn range(histogram: &Histogram, grid: Grid) -> Range {
    search(histogram, grid, 1, |axis, kept| error(axis, kept, grid))
}

/// The squared error, summed over all elements.
fn error(axis: &Axis, kept: std::ops::Range<usize>, grid: Grid) -> f64 {
    let (low, high) = (axis.edge(kept.start), axis.edge(kept.end));
    let steps = f64::from(grid.levels - 1);
    let step = if grid.symmetric { 2.0 * high / steps } else { (high - low) / steps };
    let least = if grid.symmetric { -(steps / 2.0).floor() } else { nearest(low / step) };
    let most = if grid.symmetric { -least } else { least + steps };
    let levels = Levels { step, per_unit: step.recip(), least, most };
    let mut before = levels.integral(axis.edge(axis.occupied.start));
    let mut sum = 0.0;
    for bin in axis.occupied.clone() {
        let after = levels.integral(axis.edge(bin + 1));
        sum += axis.counts[bin] * (after - before);
        before = after;
    }
    sum / axis.width
}

/// Multiples of a step.
struct Levels {
    step: f64,
    /// Steps in 1.
    per_unit: f64,
    least: f64,
    most: f64,
}

impl Levels {
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
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.observe(values);
        histogram
    }

    /// A Laplace distribution of scale 1, by its quantiles.
    fn laplace() -> Vec<f32> {
        let one = |i: i32| -(1.0 - (f64::from(i) + 0.5) / 250_000.0).ln() as f32;
        (0..250_000).flat_map(|i| [one(i), -one(i)]).collect()
    }

    /// Banner et al. 2019, table 1: the optimum of 8 bits is 9.89 times the scale; of 4 bits, 5.03 times.
    #[test]
    fn a_laplace_distribution_is_clipped_where_theory_says() {
        let histogram = of(&laplace());
        let limit = range(&histogram, Grid::INT8).max;
        assert!((9.0..10.5).contains(&limit), "{limit}");
        let four_bits = range(&histogram, Grid { symmetric: true, levels: 15 }).max;
        assert!((4.7..5.3).contains(&four_bits), "{four_bits}");
        // One level more below zero than above.
        let Range { min, max } = range(&histogram, Grid { symmetric: false, levels: 16 });
        assert!((4.5..5.3).contains(&max) && (-5.5..-4.7).contains(&min), "{min} {max}");
    }

    #[test]
    fn the_error_is_what_sampling_finds() {
        let histogram = of(&laplace());
        let (grid, kept) = (Grid { symmetric: true, levels: 15 }, 0..1000);
        let width = histogram.width();
        let counts: Vec<f64> = histogram.magnitudes().map(|c| c as f64).collect();
        let axis = Axis { zero: 0, width, occupied: 0..counts.len(), counts };
        let (limit, step) = (1000.0 * width, 1000.0 * width / 7.0);
        let one = |x: f64| (x - (x / step).round().clamp(-7.0, 7.0) * step).powi(2);
        let sampled: f64 = laplace().iter().map(|&x| one(f64::from(x))).sum();
        let computed = error(&axis, kept, grid);
        assert!((computed / sampled - 1.0).abs() < 1e-3, "{computed} {sampled} {limit}");
    }

    #[test]
    fn a_flat_distribution_is_kept_nearly_whole() {
        let flat: Vec<f32> = (0..1 << 18).map(|i| i as f32 / (1 << 18) as f32).collect();
        let range = range(&of(&flat), Grid::UINT8);
        assert!(range.min == 0.0 && range.max > 0.99, "{range:?}");
    }

    #[test]
    fn zeros_alone_and_one_number_alone() {
        for grid in [Grid::INT8, Grid::UINT8] {
            assert_eq!(range(&of(&[0.0; 9]), grid), Range::default());
            assert!((range(&of(&[3.0; 9]), grid).max - 3.0).abs() < 2e-2);
        }
    }
}
