//! `fuse-softplus`: the logarithm of one more than an exponential becomes `Softplus`.
//!
//! ```text
//! log(1 + exp(x))                       ->   Softplus(x)
//! max(x, 0) + log(1 + exp(-|x|))        ->   Softplus(x)
//! x > t ? x : log(1 + exp(x))           ->   Softplus(x)      10 <= t <= 80
//! ```
//!
//! Reassociates. The first formula is infinite where the exponential overflows, `float32` beyond 88;
//! `Softplus` is not. `max(x, 0)` may be `Relu`; the comparison may be any of the four. ONNX Runtime takes several times as
//! long for the operator: so by name only for the targets that it judges.
//!
//! Refused: `-log(Sigmoid(-x))`, since runtimes clip `Sigmoid` and so bend the formula; double precision, which ONNX
//! Runtime has no kernel for.

use crate::ir::OpId;
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseSoftplus;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseSoftplus)
}

/// Handles into the formulas.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    x: Var,
    threshold: Var,
}

impl Fusion for FuseSoftplus {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-softplus",
        summary: "log(1 + exp(x)) becomes Softplus",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[OpId::onnx("Softplus")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (x, threshold) = (p.any(), p.number());
        let log_of = |e| p.op("Log", [p.op("Exp", [e]) + 1.0]);
        // The engine finds the inner formula first.
        let found = |e| p.either([p.op("Softplus", [e]), log_of(e)]);
        let positive = p.either([p.op("Relu", [x]), p.op("Max", [x, p.scalar(0.0)])]);
        let stable = positive + found(p.op("Neg", [p.op("Abs", [x])]));
        let above = p.either([p.op("Greater", [x, threshold]), p.op("GreaterOrEqual", [x, threshold])]);
        let below = p.either([p.op("Less", [x, threshold]), p.op("LessOrEqual", [x, threshold])]);
        let linear = [p.op("Where", [above, x, found(x)]), p.op("Where", [below, found(x), x])];
        let vars = Vars { x: x.var(), threshold: threshold.var() };
        (p.either([linear[0], linear[1], stable, log_of(x)]), vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        let fits = matches!(cx.graph.dtype(x), Some(DType::F16 | DType::F32));
        require!(fits, x, "the type is not float16 or float32");
        if let Some(at) = m.try_get(v.threshold) {
            let number = m.number(v.threshold);
            require!((10.0..=80.0).contains(&number), at, "the threshold is where the curve is not straight");
        }
        Ok(Patch::op("Softplus", [x]))
    }
}
