//! `fuse-hard-swish`: a value times its `HardSigmoid` becomes `HardSwish`.
//!
//! ```text
//! x · HardSigmoid<alpha = 1/6, beta = 1/2>(x)   ->   HardSwish(x)
//! ```
//!
//! Reassociates.

use crate::ir::{Attr, OpId};
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseHardSwish;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseHardSwish)
}

impl Fusion for FuseHardSwish {
    type Vars = Var;
    const META: Meta = Meta {
        id: "fuse-hard-swish",
        summary: "x · HardSigmoid(x) becomes HardSwish",
        exactness: Exactness::Reassociates,
        since_opset: 14,
        emits: &[OpId::onnx("HardSwish")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        let gate =
            p.op("HardSigmoid", [x]).with("alpha", Attr::Float(1.0 / 6.0)).with("beta", Attr::Float(0.5));
        (x * gate, x.var())
    }

    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        Ok(Patch::op("HardSwish", [m.get(*x)]))
    }
}
