//! Leaves out the outermost elements: a share of them, whatever their size.
//!
//! Of a symmetric grid the share lies beyond the limit on either side together; else half of it lies in each tail, as in
//! ONNX Runtime's percentile calibration. Within a bin elements are taken to be spread evenly. Zero is always inside.

use super::histogram::Histogram;
use super::range::{Grid, Range};

/// The range that holds `percent` of all finite elements, at least one of which was observed.
pub(super) fn range(histogram: &Histogram, percent: f32, grid: Grid) -> Range {
    let extent = histogram.extent();
    let outside = extent.finite as f64 * (1.0 - f64::from(percent) / 100.0);
    if grid.symmetric {
        let limit = inner_end(histogram.magnitudes().rev(), outside) * histogram.width();
        return Range::around_zero((limit as f32).min(extent.limit()));
    }
    let (below, above) = histogram.counts().split_at(histogram.counts().len() / 2);
    let max = inner_end(above.iter().rev().copied(), outside / 2.0) * histogram.width();
    let min = -inner_end(below.iter().copied(), outside / 2.0) * histogram.width();
    Range::holding((min as f32).max(extent.min), (max as f32).min(extent.max))
}

/// Where `outside` elements are left out, in bins from zero; the bins come from the outermost to zero.
fn inner_end(bins: impl ExactSizeIterator<Item = u64>, outside: f64) -> f64 {
    let mut end = bins.len() as f64;
    let mut left = outside;
    for count in bins.map(|c| c as f64) {
        if count > 0.0 && count >= left {
            return end - left / count;
        }
        left -= count;
        end -= 1.0;
    }
    0.0
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

    #[test]
    fn of_a_ramp_it_is_the_share() {
        let ramp: Vec<f32> = (0..100_000).map(|i| (i as f32 + 0.5) / 50_000.0 - 1.0).collect();
        let histogram = of(&ramp);
        let around = range(&histogram, 90.0, Grid::INT8);
        assert!((around.max - 0.9).abs() < 1e-3 && around.min == -around.max, "{around:?}");
        let two = range(&histogram, 90.0, Grid::UINT8);
        assert!((two.max - 0.9).abs() < 1e-3 && (two.min + 0.9).abs() < 1e-3, "{two:?}");
    }

    #[test]
    fn an_outlier_is_left_out_and_zero_is_not() {
        let mut values = vec![1.0f32; 100_000];
        values[7] = 500.0;
        let histogram = of(&values);
        let width = histogram.width() as f32;
        let range = range(&histogram, 99.99, Grid::UINT8);
        assert!(range.min == 0.0 && range.max <= 1.0 + width, "{range:?}");
    }

    #[test]
    fn zeros_alone_have_no_width() {
        for grid in [Grid::INT8, Grid::UINT8] {
            assert_eq!(range(&of(&[0.0; 9]), 99.9, grid), Range::default());
        }
    }

    proptest! {
        #[test]
        fn all_is_minimum_and_maximum(values in proptest::collection::vec(-1e6f32..1e6, 1..50)) {
            let histogram = of(&values);
            for grid in [Grid::INT8, Grid::UINT8] {
                prop_assert_eq!(range(&histogram, 100.0, grid), Range::of(histogram.extent(), grid));
            }
        }
    }
}
