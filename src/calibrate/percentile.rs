//! Leaves out the outermost elements: a share of them, whatever their size.
//!
//! Of a symmetric levels the share lies beyond the limit on either side together; else half of it lies in each tail, as in
//! ONNX Runtime's percentile calibration. Within a bin elements are taken to be spread evenly. Zero is always inside.

use super::histogram::{Bin, Histogram};
use super::method::Percent;
use super::range::{Levels, Range};

/// The range that holds this share of all finite elements, at least one of which was observed.
pub(super) fn range(histogram: &Histogram, percent: Percent, levels: Levels) -> Range {
    let extent = histogram.extent();
    let outside = extent.finite as f64 * (1.0 - f64::from(percent.get()) / 100.0);
    if levels.is_symmetric() {
        let limit = inner_end(histogram.sizes().rev(), outside);
        return Range::around_zero((limit as f32).min(extent.limit()));
    }
    let max = inner_end(histogram.side(false).rev(), outside / 2.0);
    let min = -inner_end(histogram.side(true).rev(), outside / 2.0);
    Range::holding((min as f32).max(extent.min), (max as f32).min(extent.max))
}

/// Where `outside` elements are left out; the bins come from the outermost to zero.
fn inner_end(bins: impl Iterator<Item = Bin>, outside: f64) -> f64 {
    let mut left = outside;
    for bin in bins {
        let count = bin.count as f64;
        if count >= left {
            return bin.high - (bin.high - bin.low) * left / count;
        }
        left -= count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn percent(percent: f32) -> Percent {
        Percent::new(percent).unwrap()
    }

    /// The absolute value that so many elements are beyond, by sorting.
    fn sorted(values: &[f32], outside: f64) -> f32 {
        let mut sizes: Vec<f32> = values.iter().map(|x| x.abs()).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        sizes[(outside as usize).min(sizes.len() - 1)]
    }

    /// Numbers as a layer's output has them, and a few that are far larger.
    fn with_outliers() -> impl Strategy<Value = Vec<f32>> {
        let bulk = proptest::collection::vec(-1f32..1.0, 500..2000);
        let few = proptest::collection::vec(prop_oneof![-1e5f32..1e5, Just(1e5f32), -1e3f32..1e3], 0..4);
        (bulk, few, -20i32..20).prop_map(|(mut bulk, few, power)| {
            bulk.iter_mut().for_each(|x| *x = *x * *x * *x);
            bulk.extend(few);
            bulk.iter_mut().for_each(|x| *x *= 2f32.powi(power));
            bulk
        })
    }

    #[test]
    fn of_a_ramp_it_is_the_share() {
        let ramp: Vec<f32> = (0..100_000).map(|i| (i as f32 + 0.5) / 50_000.0 - 1.0).collect();
        let histogram = Histogram::of(&ramp);
        let around = range(&histogram, percent(90.0), Levels::INT8);
        assert!((around.max - 0.9).abs() < 1e-3 && around.min == -around.max, "{around:?}");
        let two = range(&histogram, percent(90.0), Levels::UINT8);
        assert!((two.max - 0.9).abs() < 1e-3 && (two.min + 0.9).abs() < 1e-3, "{two:?}");
    }

    #[test]
    fn an_outlier_is_left_out_and_zero_is_not() {
        let mut values = vec![1.0f32; 100_000];
        values[7] = 500.0;
        let histogram = Histogram::of(&values);
        let range = range(&histogram, percent(99.99), Levels::UINT8);
        assert!(range.min == 0.0 && range.max <= 1.0 + 1.0 / 512.0, "{range:?}");
    }

    #[test]
    fn zeros_alone_have_no_width() {
        for levels in [Levels::INT8, Levels::UINT8] {
            assert_eq!(range(&Histogram::of(&[0.0; 9]), percent(99.9), levels), Range::default());
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_sorted_elements_within_a_bin(values in with_outliers(), share in 51f32..99.9) {
            let outside = values.len() as f64 * (1.0 - f64::from(share) / 100.0);
            let limit = range(&Histogram::of(&values), percent(share), Levels::INT8).max;
            let (next, last) = (sorted(&values, outside + 1.0), sorted(&values, (outside - 1.0).max(0.0)));
            // As fine as a 512th of it, and as 2048 bins up to the largest.
            let largest = Histogram::of(&values).extent().limit();
            let fine = |at: f32| (at / 512.0).min(largest / 2048.0);
            prop_assert!(limit >= next - fine(next) && limit <= last + fine(last), "{} {} {}", next, limit, last);
        }

        #[test]
        fn all_is_minimum_and_maximum(values in proptest::collection::vec(-1e6f32..1e6, 1..50)) {
            let histogram = Histogram::of(&values);
            for levels in [Levels::INT8, Levels::UINT8] {
                prop_assert_eq!(range(&histogram, percent(100.0), levels), Range::of(histogram.extent(), levels));
            }
        }
    }
}
