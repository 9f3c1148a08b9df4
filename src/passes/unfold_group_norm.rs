//! `unfold-group-norm`: group normalizations of ONNX Runtime become standard operators where the target has not got them.
//!
//! ```text
//! com.microsoft.GroupNorm<groups, activation>(x, gamma, beta)             ->  silu(GroupNormalization(x, gamma, beta))
//! com.microsoft.SkipGroupNorm<groups, activation>(x, gamma, beta, skip, bias)
//!   ->  s = x + skip + bias;   silu(GroupNormalization(s, gamma, beta));   s
//! ```
//!
//! Reassociates. Between two `Transpose`s where the channels come last; in single precision, as ONNX Runtime computes
//! it. `silu` is `x · Sigmoid(x)`, where the activation is 1. Where the opset or the target has not got
//! `GroupNormalization`, `InstanceNormalization` of the groups is written, and scale and bias behind it. Neither operator has a
//! kernel on a CPU: a model that holds one is proven through what is written here.
//!
//! Refused: ranks other than 4, other activations, what is skipped where the channels do not come last.

use crate::ir::{OpId, ValueId};
use crate::passes::unfold::{Formula, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};
use crate::tensor::DType;

const META: Meta = Meta {
    id: "unfold-group-norm",
    summary: "ONNX Runtime's GroupNorm and SkipGroupNorm become standard operators",
    exactness: Exactness::Reassociates,
    since_opset: 13,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] =
    &[(OpId::microsoft("GroupNorm"), group_norm), (OpId::microsoft("SkipGroupNorm"), skip_group_norm)];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn group_norm(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    require!(f.shape(x)?.len() == 4, x, "the input is not of rank 4");
    let last = f.flag_or("channels_last", true);
    normalized(f, x.into(), last)
}

fn skip_group_norm(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, skip, bias) = (f.operand(0)?, f.operand(3)?, f.optional(4));
    require!(f.shape(x)?.len() == 4, x, "the input is not of rank 4");
    require!(f.flag_or("channels_last", true), x, "the channels do not come last");
    let skip: Ref = match f.shape(skip)?.len() {
        2 => f.unsqueeze(skip, &[1, 2]),
        4 => skip.into(),
        _ => return Err(Miss::because("what is skipped is of another rank", skip)),
    };
    let sum = f.add(x, skip);
    let sum = f.plus(sum, bias);
    if let Some(read) = f.result(1) {
        f.give(read, sum);
    }
    normalized(f, sum, true)
}

/// The normalization of `[batch, channels, …]` or `[batch, …, channels]`, and its activation.
fn normalized(f: &mut Formula<'_>, x: Ref, channels_last: bool) -> Result<Ref, Miss> {
    let (gamma, beta) = (f.operand(1)?, f.operand(2)?);
    let silu = match f.int("activation") {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(f.miss("the activation is not known")),
    };
    let half = f.dtype != DType::F32;
    let mut y = if half { f.cast(x, DType::F32) } else { x };
    if channels_last {
        y = f.transpose(y, &[0, 3, 1, 2]);
    }
    y = by_groups(f, y, gamma, beta)?;
    if silu {
        let gate = f.op("Sigmoid", [y]);
        y = f.mul(y, gate);
    }
    if channels_last {
        y = f.transpose(y, &[0, 2, 3, 1]);
    }
    Ok(if half { f.cast(y, f.dtype) } else { y })
}

/// The normalization of `[batch, channels, …]`, in single precision.
fn by_groups(f: &mut Formula<'_>, x: Ref, gamma: ValueId, beta: ValueId) -> Result<Ref, Miss> {
    let groups = f.int("groups").filter(|&n| (1..=MOST_GROUPS).contains(&n));
    let groups = groups.ok_or_else(|| f.miss("the number of groups is unusual"))?;
    let epsilon = f.float("epsilon").unwrap_or(1e-5) as f32;
    if f.has("GroupNormalization") {
        let y = f.op("GroupNormalization", [x, gamma.into(), beta.into()]);
        f.attr("num_groups", groups);
        f.attr("epsilon", epsilon);
        return Ok(y);
    }
    let grouped = f.reshape(x, &[0, groups, -1]);
    let [ones, zeros] = [1.0, 0.0].map(|n| f.filled(groups as usize, n));
    let y = f.op("InstanceNormalization", [grouped, ones, zeros]);
    f.attr("epsilon", epsilon);
    let shape = f.op("Shape", [x]);
    let y = f.op("Reshape", [y, shape]);
    let [gamma, beta] = [gamma, beta].map(|v| f.reshape(v, &[-1, 1, 1]));
    let y = f.mul(y, gamma);
    Ok(f.add(y, beta))
}

/// A bound for the weights that are made.
const MOST_GROUPS: i64 = 1 << 16;
