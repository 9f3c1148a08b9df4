//! `fuse-instance-norm`: a normalization over all dims behind the channels becomes `InstanceNormalization`.
//!
//! ```text
//! d = x - ReduceMean(x);   d / Sqrt(ReduceMean(d²) + ε) · scale + bias
//!   ->  InstanceNormalization<epsilon = ε>(x, scale, bias)
//! ```
//!
//! Reassociates. In the spellings of `fuse-layer-norm`; without scale or bias it gets one of ones or zeros. What is one dim
//! or ends in the last by a scale of its own is a `LayerNormalization` already.
//!
//! Refused: means that drop their axes, channels whose number is not known, double precision. Also what
//! `DynamicQuantizeLinear` reads: its steps move with a rounding. A scale of other dims than
//! the channels stays a product behind the operator.

use crate::error::Result;
use crate::ir::{Model, OpId};
use crate::passes::normalization::{Absorb, kept_axes, operand, root, stays_float, uniform};
use crate::passes::reduction::{reduce, square};
use crate::require;
use crate::rewrite::{
    Exactness, Fusion, Match, Meta, Miss, Pass, PassContext, PassStats, Pat, Patch, Patterns, Var, Work,
    fusion, settle,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseInstanceNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseInstanceNorm)
}

const NORM: &str = "InstanceNormalization";

const META: Meta = Meta {
    id: "fuse-instance-norm",
    summary: "(x - mean) / sqrt(variance + ε) over all dims behind the channels becomes InstanceNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx(NORM)],
};

impl Pass for FuseInstanceNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let formula = fusion(Formula);
        settle(&[&*formula, &Absorb { meta: &META, norm: NORM }], model, cx)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Formula;

#[derive(Clone, Copy, Debug)]
struct Vars {
    x: Var,
    mean: Var,
    variance: Var,
    eps: Var,
    scale: Var,
}

impl Fusion for Formula {
    type Vars = Vars;
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (x, eps, scale) = (p.any(), p.number(), p.any());
        let mean = reduce(p, "ReduceMean", x);
        let d = x - mean;
        let variance = reduce(p, "ReduceMean", square(p, d));
        let (root, inverse) = root(p, variance, eps);
        let vars = Vars {
            x: x.var(),
            mean: mean.var(),
            variance: variance.var(),
            eps: eps.var(),
            scale: scale.var(),
        };
        (p.either([d / root, d * inverse, d * (inverse * scale)]), vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> std::result::Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        let (dtype, shape) = operand(cx, x)?;
        stays_float(cx, m.root())?;
        for mean in [v.mean, v.variance] {
            let axes = kept_axes(cx, m.node_id(mean), shape.len())?;
            let behind = shape.len() > 2 && axes.iter().copied().eq(2..shape.len());
            require!(behind, m.get(mean), "a mean does not run over all dims behind the channels");
        }
        let mut patch = Patch::new();
        let ones = patch.constant(uniform(dtype, &shape[1..2], 1.0, x)?);
        let zeros = patch.constant(uniform(dtype, &shape[1..2], 0.0, x)?);
        let y = patch.node(NORM, [x.into(), ones, zeros]);
        patch.set_attr("epsilon", m.number(v.eps) as f32);
        if let Some(scale) = m.try_get(v.scale) {
            patch.node("Mul", [y, scale.into()]);
        }
        Ok(patch)
    }
}
