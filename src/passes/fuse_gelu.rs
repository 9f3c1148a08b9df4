//! `fuse-gelu`: the exact formula of GELU becomes one `Gelu`.
//!
//! ```text
//! y = x · ½ · (1 + erf(x / √2))   ->   y = Gelu(x)
//! ```
//!
//! Reassociates. Found in any bracketing of the product, with `x / √2` or `x · (1/√2)`, and with
//! the numbers on either side; each number is compared after rounding to the tensor's type and has
//! to be of rank 0 or too small to widen the result.
//!
//! Needs opset 20. The formula with `tanh` is `fuse-gelu-tanh`.

use crate::ir::OpId;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGelu;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseGelu)
}

impl Fusion for FuseGelu {
    type Vars = Var;
    const META: Meta = Meta {
        id: "fuse-gelu",
        summary: "x · ½ · (1 + erf(x / √2)) becomes Gelu",
        exactness: Exactness::Reassociates,
        since_opset: 20,
        emits: &[OpId::onnx("Gelu")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (formula(p, x), x.var())
    }

    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        Ok(Patch::op("Gelu", [m.get(*x)]))
    }
}

/// The formula, of a value that a pattern stands for.
pub(super) fn formula<'p>(p: &'p Patterns, x: Pat<'p>) -> Pat<'p> {
    let t = p.op("Erf", [p.either([x / SQRT_2, x * FRAC_1_SQRT_2])]) + 1.0;
    p.either([x * t * 0.5, x * t / 2.0, x * (t / 2.0), x / 2.0 * t])
}
