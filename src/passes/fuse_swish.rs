//! `fuse-swish`: a value times its `Sigmoid` becomes `Swish`, also called SiLU.
//!
//! ```text
//! x · Sigmoid(x)       ->   Swish(x)
//! x · Sigmoid(a · x)   ->   Swish<alpha = a>(x)
//! ```
//!
//! Reassociates. Runs only where it is asked for by name: ONNX Runtime has a kernel for the two nodes together, and none
//! for `Swish`, which it expands into three and does not take beyond opset 24.
//!
//! Refused: a factor in double precision that single precision has not got.
//!
//! Needs opset 24.

use crate::ir::OpId;
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseSwish;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseSwish)
}

/// Handles into the formula.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    pub(super) x: Var,
    alpha: Var,
}

impl Fusion for FuseSwish {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-swish",
        summary: "x · Sigmoid(x) becomes Swish",
        exactness: Exactness::Reassociates,
        since_opset: 24,
        emits: &[OpId::onnx("Swish")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        formula(p)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let patch = Patch::op("Swish", [m.get(v.x)]);
        Ok(match v.factor(m)? {
            Some(alpha) => patch.attr("alpha", alpha),
            None => patch,
        })
    }
}

/// The formula.
pub(super) fn formula(p: &Patterns) -> (Pat<'_>, Vars) {
    let (x, alpha) = (p.any(), p.number());
    let gate = p.either([p.op("Sigmoid", [x]), p.op("Sigmoid", [x * alpha])]);
    (x * gate, Vars { x: x.var(), alpha: alpha.var() })
}

impl Vars {
    /// The factor inside, where there is one: an attribute holds a number of single precision.
    pub(super) fn factor(&self, m: &Match<'_>) -> Result<Option<f32>, Miss> {
        let Some(at) = m.try_get(self.alpha) else { return Ok(None) };
        let alpha = m.number(self.alpha) as f32;
        require!(f64::from(alpha) == m.number(self.alpha), at, "the factor is no number of single precision");
        Ok(Some(alpha))
    }
}
