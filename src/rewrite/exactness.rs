//! How much a rewrite may change the numbers: declared once, and everything else follows from it.

use crate::tensor::DType;
use serde::Serialize;
use std::fmt;

/// The class of a rewrite: fixes its default level, the tolerance of its proof and the wording of its page.
///
/// No class speaks of what operators leave open: which of several elements is the largest or smallest where one is NaN,
/// and what integer a float becomes that the type does not hold.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exactness {
    /// Bit for bit the same, whatever goes in: zeros of either sign, subnormal numbers, infinities, the ends of integer
    /// types. NaN stays NaN, of whatever bits.
    Exact,
    /// The same formula with roundings in another order. Infinities and NaN that go in come out where they did, but where
    /// the formula is NaN of infinities or zeros, an operator in its place gives what it is defined to. The sign of a zero
    /// may turn, and what overflows on the way, of finite numbers, need not in another order.
    Reassociates,
    /// Another formula, whose largest relative error is known; otherwise as above.
    Approximates {
        /// The largest error relative to the largest magnitude of the output.
        bound: f64,
    },
    /// Accuracy is traded for something; only by name.
    Lossy,
}

/// What two outputs may differ by: `|a - b| <= abs + rel * max|a|`, over the whole tensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerance {
    /// Absolute part.
    pub abs: f64,
    /// Part relative to the largest magnitude of the reference output.
    pub rel: f64,
}

impl Exactness {
    /// The lowest optimization level at which such a rewrite runs by default; `None` where it is named or not at all.
    pub fn level(self) -> Option<u8> {
        match self {
            Self::Exact => Some(1),
            Self::Reassociates => Some(2),
            Self::Approximates { .. } => Some(3),
            Self::Lossy => None,
        }
    }

    /// The weaker of two classes: that of a pipeline that has done both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.partial_cmp(&other) == Some(std::cmp::Ordering::Less) { other } else { self }
    }

    /// What outputs of a type may differ by after one or many rewrites of this class.
    ///
    /// `Reassociates` allows the rounding error of a deep network: 2¹⁰ units in the last place of the
    /// largest magnitude, for `f32` about 1.2e-4. Integers, booleans and strings of a reassociated
    /// network may only differ where a float did before them, which the noise floor covers.
    pub fn tolerance(self, dtype: DType) -> Tolerance {
        let ulp = match dtype {
            DType::F64 => f64::EPSILON,
            DType::F32 | DType::C64 => f64::from(f32::EPSILON),
            DType::F16 => 2f64.powi(-10),
            DType::BF16 => 2f64.powi(-7),
            _ => 0.0,
        };
        match self {
            Self::Exact => Tolerance { abs: 0.0, rel: 0.0 },
            Self::Reassociates => {
                // Half precision has so few digits that 2^10 units would allow anything.
                let units = if matches!(dtype, DType::F16 | DType::BF16) { 8.0 } else { 1024.0 };
                Tolerance { abs: units * ulp * 1e-3, rel: units * ulp }
            }
            Self::Approximates { bound } => {
                let base = Self::Reassociates.tolerance(dtype);
                Tolerance { abs: base.abs, rel: base.rel + bound }
            }
            Self::Lossy => Tolerance { abs: f64::INFINITY, rel: f64::INFINITY },
        }
    }
}

impl fmt::Display for Exactness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Reassociates => f.write_str("reassociates"),
            Self::Approximates { bound } => write!(f, "approximates within {bound:e}"),
            Self::Lossy => f.write_str("lossy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weaker_class_wins() {
        let approx = Exactness::Approximates { bound: 1e-3 };
        assert_eq!(Exactness::Exact.and(Exactness::Reassociates), Exactness::Reassociates);
        assert_eq!(approx.and(Exactness::Exact), approx);
        assert_eq!(
            approx.and(Exactness::Approximates { bound: 1e-2 }),
            Exactness::Approximates { bound: 1e-2 }
        );
        assert_eq!(Exactness::Lossy.and(approx), Exactness::Lossy);
    }
}
