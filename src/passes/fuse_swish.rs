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
//! Needs opset 24.

use crate::ir::OpId;
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
    x: Var,
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
        let (x, alpha) = (p.any(), p.number());
        let gate = p.either([p.op("Sigmoid", [x]), p.op("Sigmoid", [x * alpha])]);
        (x * gate, Vars { x: x.var(), alpha: alpha.var() })
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let patch = Patch::op("Swish", [m.get(v.x)]);
        Ok(match m.try_get(v.alpha) {
            Some(_) => patch.attr("alpha", m.number(v.alpha) as f32),
            None => patch,
        })
    }
}
