//! `fuse-mish`: a value times the `Tanh` of its `Softplus` becomes `Mish`.
//!
//! ```text
//! x · Tanh(Softplus(x))   ->   Mish(x)
//! ```
//!
//! Reassociates. `fuse-softplus` finds the `Softplus` in its formula before.
//!
//! Needs opset 18.

use crate::ir::OpId;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseMish;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseMish)
}

impl Fusion for FuseMish {
    type Vars = Var;
    const META: Meta = Meta {
        id: "fuse-mish",
        summary: "x · Tanh(Softplus(x)) becomes Mish",
        exactness: Exactness::Reassociates,
        since_opset: 18,
        emits: &[OpId::onnx("Mish")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (x * p.op("Tanh", [p.op("Softplus", [x])]), x.var())
    }

    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        Ok(Patch::op("Mish", [m.get(*x)]))
    }
}
