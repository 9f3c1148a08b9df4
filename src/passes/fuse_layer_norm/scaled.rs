//! The formula over the last axes, with a constant scale and perhaps a bias of exactly their dims.

use super::META;
use crate::ir::{Dim, Use, ValueId};
use crate::passes::normalization::{finite_weight, stays_float};
use crate::require;
use crate::rewrite::{Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var};
use crate::tensor::DType;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scaled;

/// Handles into the formula.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vars {
    x: Var,
    mean: Var,
    var: Var,
    eps: Var,
    scale: Var,
    bias: Var,
}

impl Fusion for Scaled {
    type Vars = Vars;
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (x, eps, scale, bias) = (p.any(), p.number(), p.constant(), p.constant());
        let mean_of = |v| p.either([p.op("ReduceMean", [v]), p.op("ReduceMean", [v, p.constant()])]);
        let mean = mean_of(x);
        let d = x - mean;
        let var = mean_of(p.either([p.op("Pow", [d, p.scalar(2.0)]), d * d]));
        let root = p.either([p.op("Sqrt", [var + eps]), p.op("Pow", [var + eps, p.scalar(0.5)])]);
        let inverse =
            p.either([p.op("Reciprocal", [root]), 1.0 / root, p.op("Pow", [var + eps, p.scalar(-0.5)])]);
        let scaled = p.either([d / root * scale, d * inverse * scale]);
        let y = p.either([scaled + bias, scaled]);
        let vars = Vars {
            x: x.var(),
            mean: mean.var(),
            var: var.var(),
            eps: eps.var(),
            scale: scale.var(),
            bias: bias.var(),
        };
        (y, vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let x = m.get(v.x);
        let kind = m.graph.tensor_type(x).ok_or_else(|| Miss::because("the input's type is not known", x))?;
        require!(kind.dtype != DType::F64, x, "double precision would be computed in single");
        stays_float(m.cx(), m.root())?;
        let shape = kind.shape.as_deref().ok_or_else(|| Miss::because("the input's rank is not known", x))?;
        let first = normalized_from(m, v.mean, shape.len())?;
        require!(
            normalized_from(m, v.var, shape.len())? == first,
            m.get(v.var),
            "mean and variance run over different axes"
        );
        let dims = &shape[first..];
        require!(dims.iter().all(|d| d.as_fixed() != Some(0)), x, "there is nothing to normalize");
        let bias = m.try_get(v.bias);
        for weight in [Some(m.get(v.scale)), bias].into_iter().flatten() {
            require!(
                m.graph.shape(weight) == Some(dims) && dims.iter().all(|d| d.as_fixed().is_some()),
                weight,
                "scale or bias is not of exactly the normalized dims"
            );
            finite_weight(m.cx(), weight)?;
        }
        if bias.is_none() && bias_follows(m, dims) {
            return Err(Miss::Silent);
        }
        let inputs = [Some(x), Some(m.get(v.scale)), bias];
        let given = inputs.into_iter().flatten();
        Ok(Patch::op("LayerNormalization", given)
            .attr("axis", first as i64 - shape.len() as i64)
            .attr("epsilon", m.number(v.eps) as f32))
    }
}

/// The first of the last axes over which a mean runs.
fn normalized_from(m: &Match<'_>, mean: Var, rank: usize) -> Result<usize, Miss> {
    let (node, at) = (m.node_id(mean), m.get(mean));
    require!(m.cx().int(node, "keepdims") == Some(1), at, "a mean does not keep its axes");
    let axes = m.cx().ints(node, 1, "axes").flatten();
    let mut axes = axes.ok_or_else(|| Miss::because("the axes of a mean are not given", at))?;
    axes.iter_mut().filter(|a| **a < 0).for_each(|a| *a += rank as i64);
    axes.sort_unstable();
    let first = rank.saturating_sub(axes.len());
    let last = !axes.is_empty() && axes.iter().copied().eq(first as i64..rank as i64);
    require!(last, at, "a mean does not run over the last axes");
    Ok(first)
}

/// Whether the only reader adds a constant that fits as bias: the match that starts there takes both.
fn bias_follows(m: &Match<'_>, dims: &[Dim]) -> bool {
    let output = m.graph.node(m.root()).outputs()[0];
    let [Use::Operand { node, .. }] = m.graph.value(output).uses() else { return false };
    let reader = m.graph.node(*node);
    let fits = |w: ValueId| w != output && m.graph.is_const(w) && m.graph.shape(w) == Some(dims);
    reader.op().is("Add")
        && reader.region() == m.graph.node(m.root()).region()
        && reader.inputs().flatten().any(fits)
}
