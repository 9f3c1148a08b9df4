//! The formula without scale and bias, over the last axes, or over one before them between two transpositions.

use super::META;
use crate::passes::normalization::{kept_axes, operand, root, stays_float, uniform};
use crate::passes::reduction::{reduce, square};
use crate::require;
use crate::rewrite::{Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain;

/// Handles into the formula.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vars {
    x: Var,
    mean: Var,
    variance: Var,
    eps: Var,
    scale: Var,
}

impl Fusion for Plain {
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

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        let (dtype, shape) = operand(cx, x)?;
        stays_float(cx, m.root())?;
        let rank = shape.len();
        let axes = kept_axes(cx, m.node_id(v.mean), rank)?;
        let same = kept_axes(cx, m.node_id(v.variance), rank)? == axes;
        require!(same, m.get(v.variance), "mean and variance run over different axes");
        // Several axes behind the channels, with no scale of theirs, are an instance's.
        if axes.len() > 1 && axes.first() == Some(&2) {
            return Err(Miss::Silent);
        }
        let first = rank - axes.len();
        let last = !axes.is_empty() && axes.iter().copied().eq(first..rank);
        let mut patch = Patch::new();
        let mut inner = x.into();
        let between = match axes[..] {
            _ if last => None,
            [axis] if axis > 0 => Some(axis),
            _ => return Err(Miss::because("a mean does not run over the last axes", m.get(v.mean))),
        };
        let from = between.unwrap_or(first);
        let dims = if last { &shape[from..] } else { &shape[from..=from] };
        let ones = patch.constant(uniform(dtype, dims, 1.0, x)?);
        if let Some(axis) = between {
            inner = patch.node("Transpose", [inner]);
            patch.set_attr("perm", to_last(axis, rank));
        }
        let mut y = patch.node("LayerNormalization", [inner, ones]);
        patch.set_attr("axis", -(dims.len() as i64));
        patch.set_attr("epsilon", m.number(v.eps) as f32);
        if let Some(axis) = between {
            y = patch.node("Transpose", [y]);
            patch.set_attr("perm", from_last(axis, rank));
        }
        if let Some(scale) = m.try_get(v.scale) {
            patch.node("Mul", [y, scale.into()]);
        }
        Ok(patch)
    }
}

/// The permutation that moves one axis behind all others.
fn to_last(axis: usize, rank: usize) -> Vec<i64> {
    (0..rank).filter(|&d| d != axis).chain([axis]).map(|d| d as i64).collect()
}

/// The permutation that moves the last axis to where one was.
fn from_last(axis: usize, rank: usize) -> Vec<i64> {
    (0..axis).chain([rank - 1]).chain(axis..rank - 1).map(|d| d as i64).collect()
}
