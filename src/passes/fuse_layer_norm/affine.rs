//! The formula as one factor and one summand, which TensorFlow prefers: `x · r + (bias - mean · r)`.

use super::META;
use crate::ir::Dim;
use crate::passes::normalization::{finite_weight, kept_axes, operand, root, stays_float, uniform};
use crate::passes::reduction::{reduce, square};
use crate::require;
use crate::rewrite::{Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Ref, Var};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Affine;

/// Handles into the formula.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vars {
    x: Var,
    mean: Var,
    variance: Var,
    eps: Var,
    scale: Var,
    bias: Var,
}

impl Fusion for Affine {
    type Vars = Vars;
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (x, eps, scale, bias) = (p.any(), p.number(), p.any(), p.any());
        let mean = reduce(p, "ReduceMean", x);
        let variance = reduce(p, "ReduceMean", square(p, x - mean));
        let (_, inverse) = root(p, variance, eps);
        let r = p.either([inverse * scale, inverse]);
        let vars = Vars {
            x: x.var(),
            mean: mean.var(),
            variance: variance.var(),
            eps: eps.var(),
            scale: scale.var(),
            bias: bias.var(),
        };
        (p.either([x * r + (bias - mean * r), x * r - mean * r]), vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        let (dtype, shape) = operand(cx, x)?;
        stays_float(cx, m.root())?;
        let rank = shape.len();
        let axes = kept_axes(cx, m.node_id(v.mean), rank)?;
        let same = kept_axes(cx, m.node_id(v.variance), rank)? == axes;
        require!(same, m.get(v.variance), "mean and variance run over different axes");
        let first = rank - axes.len();
        let last = !axes.is_empty() && axes.iter().copied().eq(first..rank);
        require!(last, m.get(v.mean), "a mean does not run over the last axes");
        let dims = &shape[first..];
        let mut patch = Patch::new();
        let mut inputs: Vec<Ref> = vec![x.into()];
        inputs.push(match m.try_get(v.scale) {
            Some(scale) => scale.into(),
            None => patch.constant(uniform(dtype, dims, 1.0, x)?),
        });
        inputs.extend(m.try_get(v.bias).map(Ref::Old));
        for weight in [v.scale, v.bias].into_iter().filter_map(|w| m.try_get(w)) {
            let fits = cx.graph.shape(weight) == Some(dims) && dims.iter().all(is_some_size);
            require!(fits, weight, "scale or bias is not of exactly the normalized dims");
            finite_weight(cx, weight)?;
        }
        patch.node("LayerNormalization", inputs);
        Ok(patch.attr("axis", first as i64 - rank as i64).attr("epsilon", m.number(v.eps) as f32))
    }
}

fn is_some_size(dim: &Dim) -> bool {
    dim.as_fixed().is_some_and(|size| size > 0)
}
