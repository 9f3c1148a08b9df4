//! `fuse-rms-norm`: a value over its root mean square becomes `RMSNormalization`.
//!
//! ```text
//! x / Sqrt(ReduceMean(x²) + ε) · scale   ->   RMSNormalization<axis, epsilon = ε>(x, scale)
//! Cast(RMSNormalization(Cast(x)))        ->   RMSNormalization(x)
//! ```
//!
//! Reassociates. The square may be `Pow` or a product, the root a division, a product with `Reciprocal` or `1 / Sqrt`, a
//! power of ±½, and grouped with the scale first; the axes an attribute or an input. Without a scale it gets one of ones. The
//! operator computes in single precision whatever its type, so that conversions from half precision and back go; the
//! scale may come before or after the second.
//!
//! Refused: means that drop their axes or do not run over the last ones, normalized dims that are not known, double
//! precision. Also what `DynamicQuantizeLinear` reads: its steps move with a rounding. A scale of other dims stays a product behind the operator.
//!
//! Needs opset 23.

use crate::error::Result;
use crate::ir::{Model, OpId};
use crate::passes::normalization::{Absorb, Half, kept_axes, operand, root, stays_float, uniform};
use crate::passes::reduction::{reduce, square};
use crate::require;
use crate::rewrite::{
    Exactness, Fusion, Match, Meta, Miss, Pass, PassContext, PassStats, Pat, Patch, Patterns, Var, Work,
    fusion, settle,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseRmsNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseRmsNorm)
}

const NORM: &str = "RMSNormalization";

const META: Meta = Meta {
    id: "fuse-rms-norm",
    summary: "x / sqrt(mean(x²) + ε) · scale becomes RMSNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 23,
    emits: &[OpId::onnx(NORM)],
};

impl Pass for FuseRmsNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let formula = fusion(Formula);
        let (absorb, half) = (Absorb { meta: &META, norm: NORM }, Half { meta: &META, norm: NORM });
        settle(&[&*formula, &absorb, &half], model, cx)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Formula;

#[derive(Clone, Copy, Debug)]
struct Vars {
    x: Var,
    mean: Var,
    eps: Var,
    scale: Var,
}

impl Fusion for Formula {
    type Vars = Vars;
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (x, eps, scale) = (p.any(), p.number(), p.any());
        let mean = reduce(p, "ReduceMean", square(p, x));
        let (root, inverse) = root(p, mean, eps);
        let vars = Vars { x: x.var(), mean: mean.var(), eps: eps.var(), scale: scale.var() };
        (p.either([x / root, x * inverse, x * (inverse * scale)]), vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> std::result::Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        let (dtype, shape) = operand(cx, x)?;
        stays_float(cx, m.root())?;
        let axes = kept_axes(cx, m.node_id(v.mean), shape.len())?;
        let first = shape.len() - axes.len();
        let last = !axes.is_empty() && axes.iter().copied().eq(first..shape.len());
        require!(last, m.get(v.mean), "the mean does not run over the last axes");
        let mut patch = Patch::new();
        let ones = patch.constant(uniform(dtype, &shape[first..], 1.0, x)?);
        let y = patch.node(NORM, [x.into(), ones]);
        patch.set_attr("axis", first as i64 - shape.len() as i64);
        patch.set_attr("epsilon", m.number(v.eps) as f32);
        if let Some(scale) = m.try_get(v.scale) {
            patch.node("Mul", [y, scale.into()]);
        }
        Ok(patch)
    }
}
