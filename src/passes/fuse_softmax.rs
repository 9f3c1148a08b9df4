//! `fuse-softmax`: exponentials over their sum become `Softmax`, logarithms of it `LogSoftmax`.
//!
//! ```text
//! e = Exp(x - ReduceMax(x));   e / ReduceSum(e)                        ->   Softmax(x)
//! d = x - ReduceMax(x);        d - Log(ReduceSum(Exp(d)))              ->   LogSoftmax(x)
//! x - ReduceLogSumExp(x)                                               ->   LogSoftmax(x)
//! Log(Softmax(x))                                                      ->   LogSoftmax(x)
//! ```
//!
//! Reassociates. The maximum may be missing, the division may be a product with `Reciprocal`, the
//! axis an attribute or an input. Without the maximum, and where `Softmax` rounds to zero below the
//! logarithm, the formulas leave the range of the type; the operators do not.
//!
//! Refused: sums that drop their axis or run over several, and any axis but the last: runtimes transpose around others,
//! which takes longer than the formula.

use crate::ir::{Dim, NodeId, OpId};
use crate::passes::reduction::{axes_of, is_float, kept_axis, rank_of, reduce};
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseSoftmax;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseSoftmax)
}

/// Handles into the formulas.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    x: Var,
    max: Var,
    sum: Var,
    log_sum: Var,
    total: Var,
    softmax: Var,
    /// Of shifted exponentials, to whose logarithm the maximum is added again.
    shifted_sum: Var,
}

impl Fusion for FuseSoftmax {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-softmax",
        summary: "exponentials over their sum become Softmax, its logarithm LogSoftmax",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[OpId::onnx("Softmax"), OpId::onnx("LogSoftmax")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let x = p.any();
        let max = reduce(p, "ReduceMax", x);
        let d = p.either([x - max, x]);
        let e = p.op("Exp", [d]);
        let sum = reduce(p, "ReduceSum", e);
        let log_sum = p.op("Log", [sum]);
        let total = reduce(p, "ReduceLogSumExp", d);
        let softmax = p.op("Softmax", [x]);
        let shifted_sum = reduce(p, "ReduceSum", p.op("Exp", [x - max]));
        let pattern = p.either([
            e / sum,
            e * p.op("Reciprocal", [sum]),
            d - p.either([total, log_sum]),
            x - (p.op("Log", [shifted_sum]) + max),
            p.op("Log", [softmax]),
        ]);
        let vars = Vars {
            x: x.var(),
            max: max.var(),
            sum: sum.var(),
            log_sum: log_sum.var(),
            total: total.var(),
            softmax: softmax.var(),
            shifted_sum: shifted_sum.var(),
        };
        (pattern, vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        is_float(cx, x)?;
        if m.try_get(v.softmax).is_some() {
            let mut patch = Patch::op("LogSoftmax", [x]);
            let given = m.node(v.softmax).int("axis");
            given.into_iter().for_each(|axis| patch.set_attr("axis", axis));
            return Ok(patch);
        }
        let rank = rank_of(cx, x)?;
        let found = [v.total, v.shifted_sum].into_iter().find(|&sum| m.try_get(sum).is_some());
        let sum = found.unwrap_or(v.sum);
        let axis = kept_axis(cx, m.node_id(sum), rank)?;
        if m.try_get(v.max).is_some() {
            covers(m, m.node_id(v.max), rank, axis)?;
        }
        is_last(m, v, rank, axis)?;
        let logarithm = sum != v.sum || m.try_get(v.log_sum).is_some();
        let op = if logarithm { "LogSoftmax" } else { "Softmax" };
        Ok(Patch::op(op, [x]).attr("axis", axis as i64 - rank as i64))
    }
}

/// Whether a maximum is the same number along the axis, so that it cancels.
fn covers(m: &Match<'_>, max: NodeId, rank: usize, axis: usize) -> Result<(), Miss> {
    let at = m.graph.node(max).outputs()[0];
    require!(m.cx().int(max, "keepdims") == Some(1), at, "the maximum does not keep its axes");
    let covered = axes_of(m.cx(), max, rank)?.contains(&axis);
    require!(covered, at, "the maximum runs over other axes than the sum");
    Ok(())
}

/// Whether the axis is the last: runtimes transpose around any other, and before opset 13 Softmax flattens.
fn is_last(m: &Match<'_>, v: &Vars, rank: usize, axis: usize) -> Result<(), Miss> {
    let x = m.get(v.x);
    let behind = m.graph.shape(x).map_or(&[][..], |dims: &[Dim]| &dims[axis + 1..]);
    let ones = m.cx().opset() >= 13 && behind.iter().all(|d| d.as_fixed() == Some(1));
    require!(axis + 1 == rank || ones, x, "the axis is not the last");
    Ok(())
}
