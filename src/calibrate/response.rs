//! What becomes of each number of a value that is read through one function alone.
//!
//! An error that the function hides costs nothing: below -3 `HardSwish` gives 0 whatever it is given, so that no level need
//! lie there, and those that are left lie closer.

/// A function of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Response {
    /// The function, or what the number is multiplied with.
    pub curve: Curve,
    /// The result is the product of the number with the curve at it: `x · sigmoid(x)`.
    pub gates: bool,
}

/// A curve that flattens somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Curve {
    /// The number itself.
    #[default]
    Same,
    /// `1 / (1 + e^(-slope · x))`.
    Sigmoid {
        /// 1 but of a quick GELU.
        slope: f64,
    },
    /// `max(0, min(1, slope · x + offset))`.
    HardSigmoid {
        /// Of the part between 0 and 1.
        slope: f64,
        /// At 0.
        offset: f64,
    },
    /// The hyperbolic tangent.
    Tanh,
    /// `x` above 0, `slope · x` below.
    Leaky {
        /// 0 of `Relu`.
        slope: f64,
    },
    /// `x` above 0, `alpha · (e^x - 1)` below.
    Elu {
        /// The limit far below 0, negated.
        alpha: f64,
    },
    /// `ln(1 + e^x)`.
    Softplus,
    /// `tanh(ln(1 + e^x))`, which gates in `Mish`.
    TanhOfSoftplus,
}

impl Response {
    /// Numbers are read as they are.
    pub const SAME: Self = Self { curve: Curve::Same, gates: false };

    /// What a number becomes.
    pub fn at(self, x: f64) -> f64 {
        let y = self.curve.at(x);
        if self.gates { x * y } else { y }
    }
}

impl Curve {
    fn at(self, x: f64) -> f64 {
        match self {
            Self::Same => x,
            Self::Sigmoid { slope } => (1.0 + (-slope * x).exp()).recip(),
            Self::HardSigmoid { slope, offset } => (slope * x + offset).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
            Self::Leaky { slope } => x * if x < 0.0 { slope } else { 1.0 },
            Self::Elu { alpha } => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Softplus => softplus(x),
            Self::TanhOfSoftplus => softplus(x).tanh(),
        }
    }
}

/// Without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn curves_are_what_their_operators_compute() {
        let gating = |curve| Response { curve, gates: true };
        let hard_swish = gating(Curve::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 });
        for (x, y) in [(-9.0, 0.0), (-3.0, 0.0), (-1.0, -1.0 / 3.0), (1.0, 2.0 / 3.0), (3.0, 3.0), (9.0, 9.0)]
        {
            assert!(close(hard_swish.at(x), y), "{x}");
        }
        assert!(close(gating(Curve::Sigmoid { slope: 1.0 }).at(1.0), 0.731_058_6));
        assert!(close(gating(Curve::TanhOfSoftplus).at(1.0), 0.865_098_4));
        assert!(close(Curve::Elu { alpha: 2.0 }.at(-1.0), 2.0 * ((-1f64).exp() - 1.0)));
        assert!(
            close(Curve::Leaky { slope: 0.1 }.at(-2.0), -0.2) && close(Curve::Tanh.at(0.5), 0.5f64.tanh())
        );
        assert_eq!(Response::SAME.at(-2.5), -2.5);
    }

    #[test]
    fn far_out_nothing_overflows() {
        for curve in
            [Curve::Sigmoid { slope: 1.0 }, Curve::Softplus, Curve::TanhOfSoftplus, Curve::Elu { alpha: 1.0 }]
        {
            for x in [-1e30, -1e3, 1e3, 1e30] {
                assert!(Response { curve, gates: false }.at(x).is_finite(), "{curve:?} {x}");
            }
        }
        assert!(close(Curve::Softplus.at(-1e3), 0.0) && close(Curve::Softplus.at(1e3), 1e3));
    }
}
