//! Scale and zero point of a range, and rounding to them.
//!
//! ```text
//! q = clamp(round(x / scale) + zero)     x' = (q - zero) · scale
//! ```
//!
//! As `QuantizeLinear` and `DequantizeLinear` define it: the division in single precision, rounded to the nearest whole
//! number, halves to the even one (<https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>).

use crate::target::Quantized;
use crate::tensor::DType;

/// The whole numbers that values become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// `int8` or `uint8`.
    dtype: DType,
    /// The numbers that ranges are spread over; rounding saturates at those of the type.
    least: i32,
    most: i32,
}

impl Grid {
    /// INT8 around zero, -127 to 127: -128 would make the negative side longer.
    pub const SIGNED: Self = Self { dtype: DType::I8, least: -127, most: 127 };
    /// INT8 of 7 bits: on processors without VNNI the sum of two products with it does not overflow 16 bits.
    pub const SIGNED_7_BITS: Self = Self { dtype: DType::I8, least: -63, most: 63 };
    /// UINT8 with a zero point of its own.
    pub const UNSIGNED: Self = Self { dtype: DType::U8, least: 0, most: 255 };

    /// That of the values of a model that is quantized for a target.
    pub fn of(target: &Quantized) -> Self {
        if target.activations == DType::U8.name() { Self::UNSIGNED } else { Self::SIGNED }
    }

    /// The element type.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// Whether zero is in the middle.
    pub fn is_symmetric(self) -> bool {
        self.least == -self.most
    }

    /// The smallest and the largest number of the type.
    fn limits(self) -> (f32, f32) {
        if self.dtype == DType::I8 { (-128.0, 127.0) } else { (0.0, 255.0) }
    }

    /// The finest scale at which a range fits; zero is always in it, and exactly a number of the grid.
    ///
    /// A range of nothing but zero has scale 1, and no scale is below the smallest normal number, which kernels may flush
    /// to zero. `None` where an end is not finite.
    pub fn fit(self, min: f32, max: f32) -> Option<Affine> {
        if !min.is_finite() || !max.is_finite() {
            return None;
        }
        let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
        let steps = f64::from(self.most - self.least);
        let span = if self.is_symmetric() { 2.0 * max.max(-min) } else { max - min };
        let scale = if span == 0.0 { 1.0 } else { ((span / steps) as f32).max(f32::MIN_POSITIVE) };
        let zero = if self.is_symmetric() {
            0
        } else {
            let exact = f64::from(self.least) - min / f64::from(scale);
            (exact.round_ties_even() as i32).clamp(self.least, self.most)
        };
        Some(Affine { grid: self, scale, zero })
    }

    /// The number of these that is nearest to a value at a scale, without a zero point.
    pub(super) fn nearest(self, value: f32, scale: f32) -> i32 {
        // What is added leaves no bits for a fraction: the sum rounds to even, for many elements at once.
        const WHOLE: f32 = 1.5 * (1 << (f32::MANTISSA_DIGITS - 1)) as f32;
        let inside = (value / scale).clamp(self.least as f32, self.most as f32);
        ((inside + WHOLE) - WHOLE) as i32
    }
}

/// A scale and a zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The whole numbers.
    pub grid: Grid,
    /// The distance of two neighbours, positive and finite.
    pub scale: f32,
    /// The whole number that stands for zero.
    pub zero: i32,
}

impl Affine {
    /// The whole number nearest to a value; infinities become the ends. ONNX leaves open what NaN becomes: the zero point here.
    pub fn round(&self, value: f32) -> i32 {
        let (least, most) = self.grid.limits();
        let exact = (value / self.scale).round_ties_even();
        if exact.is_nan() {
            return self.zero;
        }
        // Beyond 2^24 the sum is not exact, and far outside the type.
        (exact + self.zero as f32).clamp(least, most) as i32
    }

    /// The value that a whole number stands for.
    pub fn value(&self, number: i32) -> f32 {
        (number - self.zero) as f32 * self.scale
    }

    /// What is left of a value.
    pub fn through(&self, value: f32) -> f32 {
        self.value(self.round(value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_spread_over_all_numbers() {
        let signed = Grid::SIGNED.fit(-1.0, 0.5).unwrap();
        assert_eq!((signed.scale, signed.zero), (1.0 / 127.0, 0));
        let unsigned = Grid::UNSIGNED.fit(-1.0, 4.0).unwrap();
        assert_eq!((unsigned.scale, unsigned.zero), (5.0 / 255.0, 51));
        let positive = Grid::UNSIGNED.fit(2.0, 5.1).unwrap();
        assert_eq!((positive.scale, positive.zero), (5.1 / 255.0, 0));
        let negative = Grid::UNSIGNED.fit(-2.55, -1.0).unwrap();
        assert_eq!((negative.scale, negative.zero), (2.55 / 255.0, 255));
        assert_eq!(Grid::SIGNED_7_BITS.fit(0.0, 63.0).unwrap().scale, 1.0);
    }

    #[test]
    fn a_range_of_zero_and_the_smallest_ranges_have_a_scale() {
        assert_eq!(
            (Grid::SIGNED.fit(0.0, 0.0).unwrap().scale, Grid::UNSIGNED.fit(0.0, 0.0).unwrap().zero),
            (1.0, 0)
        );
        assert_eq!(Grid::SIGNED.fit(0.0, 1e-44).unwrap().scale, f32::MIN_POSITIVE);
        let largest = Grid::UNSIGNED.fit(f32::MIN, f32::MAX).unwrap();
        assert!(Grid::SIGNED.fit(0.0, f32::INFINITY).is_none() && Grid::SIGNED.fit(f32::NAN, 1.0).is_none());
        assert!(largest.scale.is_finite() && largest.through(f32::MAX).is_finite());
    }

    #[test]
    fn halves_go_to_the_even_number_and_what_is_beyond_to_the_end() {
        let a = Affine { grid: Grid::SIGNED, scale: 2.0, zero: 0 };
        assert_eq!([1.0, 3.0, 5.0, -1.0, -3.0].map(|v| a.round(v)), [0, 2, 2, 0, -2]);
        let ends = [1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -254.0, -256.0, -258.0];
        assert_eq!(ends.map(|v| a.round(v)), [127, -128, 127, -128, 0, -127, -128, -128]);
    }

    proptest! {
        #[test]
        fn the_nearest_number_is_that_of_rounding_to_even(value in prop::num::f32::ANY, halves in -600i16..600, scale in 1e-6f32..1e6) {
            let rounded = |x: f32, grid: Grid| (x.round_ties_even() as i32).clamp(grid.least, grid.most);
            for grid in [Grid::SIGNED, Grid::SIGNED_7_BITS, Grid::UNSIGNED] {
                let half = f32::from(halves) / 2.0;
                prop_assert_eq!(grid.nearest(value, scale), rounded(value / scale, grid));
                prop_assert_eq!(grid.nearest(half, 1.0), rounded(half, grid));
            }
        }

        #[test]
        fn nothing_in_the_range_moves_by_more_than_half_a_step(
            a in -1e6f32..1e6, b in -1e6f32..1e6, at in 0.0f32..=1.0, signed: bool,
        ) {
            let (min, max) = (a.min(b).min(0.0), a.max(b).max(0.0));
            let value = (min + at * (max - min)).clamp(min, max);
            let affine = if signed { Grid::SIGNED } else { Grid::UNSIGNED }.fit(min, max).unwrap();
            // The zero point is rounded too.
            let slack = if signed { 0.5 } else { 1.0 };
            prop_assert!((affine.through(value) - value).abs() <= affine.scale * (slack + 1e-3));
            prop_assert_eq!(affine.through(0.0), 0.0);
        }
    }
}
