//! `fuse-gelu-tanh`: the approximation of GELU by `tanh` becomes one `Gelu`.
//!
//! ```text
//! y = x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))   ->   y = Gelu<approximate="tanh">(x)
//! ```
//!
//! Reassociates: the result is the same approximation, not the exact GELU. Found in any bracketing
//! of the products, with `x³` as `Pow` or as a product, and with `x` factored out of the inner sum:
//! `√(2/π) · x · (1 + 0.044715 · x²)`.
//!
//! Needs opset 20.

use crate::ir::OpId;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGeluTanh;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseGeluTanh)
}

/// √(2/π)
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

/// The coefficient of the cubic term (Hendrycks and Gimpel, <https://arxiv.org/abs/1606.08415>).
const CUBIC: f64 = 0.044_715;

impl Fusion for FuseGeluTanh {
    type Vars = Var;
    const META: Meta = Meta {
        id: "fuse-gelu-tanh",
        summary: "x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) becomes Gelu",
        exactness: Exactness::Reassociates,
        since_opset: 20,
        emits: &[OpId::onnx("Gelu")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (formula(p, x), x.var())
    }

    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        Ok(Patch::op("Gelu", [m.get(*x)]).attr("approximate", "tanh"))
    }
}

/// The formula, of a value that a pattern stands for.
pub(super) fn formula<'p>(p: &'p Patterns, x: Pat<'p>) -> Pat<'p> {
    let cube = p.either([p.op("Pow", [x, p.scalar(3.0)]) * CUBIC, x * x * x * CUBIC]);
    let square = p.either([p.op("Pow", [x, p.scalar(2.0)]) * CUBIC, x * x * CUBIC]);
    let inner = p.either([(x + cube) * SQRT_2_OVER_PI, x * (square + 1.0) * SQRT_2_OVER_PI]);
    let t = p.op("Tanh", [inner]) + 1.0;
    x * t * 0.5
}
