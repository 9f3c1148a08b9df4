//! `unfold-activation`: activations of ONNX Runtime become standard ones where the target has not got them.
//!
//! ```text
//! com.microsoft.Gelu(x)              ->   Gelu(x)
//! com.microsoft.BiasGelu(x, b)       ->   Gelu(x + b)
//! com.microsoft.FastGelu(x, b)       ->   Gelu<approximate="tanh">(x + b)
//! com.microsoft.QuickGelu<α>(x)      ->   x · Sigmoid(α · x)
//! com.microsoft.BiasSplitGelu(x, b)  ->   l · Gelu(r)     of l, r = halves of x + b
//! com.microsoft.BiasSoftmax(x, b)    ->   Softmax(x + b)
//! ```
//!
//! Reassociates. Below opset 20, and where the target has no `Gelu`, its formula is written. `BiasSplitGelu` and
//! `BiasSoftmax` have no kernel on a CPU: a model that holds one is proven through what is written here.
//!
//! Refused: a `BiasSoftmax` over more than the last axis, or of a bias of another rank; a `BiasSplitGelu` of a width that is
//! not known.

use crate::ir::OpId;
use crate::passes::unfold::{Formula, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};
use std::f64::consts::SQRT_2;

const META: Meta = Meta {
    id: "unfold-activation",
    summary: "ONNX Runtime's Gelu, BiasGelu, QuickGelu, BiasSoftmax and the like become standard operators",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

/// √(2/π)
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

/// The coefficient of the cubic term (Hendrycks and Gimpel, <https://arxiv.org/abs/1606.08415>).
const CUBIC: f64 = 0.044_715;

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::microsoft("Gelu"), gelu),
    (OpId::microsoft("BiasGelu"), bias_gelu),
    (OpId::microsoft("FastGelu"), fast_gelu),
    (OpId::microsoft("QuickGelu"), quick_gelu),
    (OpId::microsoft("BiasSplitGelu"), bias_split_gelu),
    (OpId::microsoft("BiasSoftmax"), bias_softmax),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn gelu(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    Ok(exact(f, x.into()))
}

fn bias_gelu(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, bias) = (f.operand(0)?, f.operand(1)?);
    let x = f.add(x, bias);
    Ok(exact(f, x))
}

fn fast_gelu(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, bias) = (f.operand(0)?, f.optional(1));
    let x = f.plus(x, bias);
    if f.has("Gelu") {
        let y = f.op("Gelu", [x]);
        f.attr("approximate", "tanh");
        return Ok(y);
    }
    let square = f.mul(x, x);
    let cube = f.mul(square, x);
    let cube = f.scaled(cube, CUBIC);
    let inner = f.add(x, cube);
    let inner = f.scaled(inner, SQRT_2_OVER_PI);
    let tanh = f.op("Tanh", [inner]);
    Ok(half(f, x, tanh))
}

/// `x · Sigmoid(α · x)`
fn quick_gelu(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    let alpha = f.float("alpha").ok_or_else(|| f.miss("the factor is not a number"))?;
    let inner = f.scaled(x, alpha);
    let gate = f.op("Sigmoid", [inner]);
    Ok(f.mul(x, gate))
}

/// The left half times the `Gelu` of the right one.
fn bias_split_gelu(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, bias) = (f.operand(0)?, f.operand(1)?);
    let last = f.shape(x)?.len().checked_sub(1).ok_or_else(|| f.miss("the input has no axis"))?;
    let width = f.fixed(x, last).filter(|width| width % 2 == 0);
    let half = width.ok_or_else(|| f.miss("the width is not known to be even"))? / 2;
    let sum = f.add(x, bias);
    let parts = f.split(sum, last as i64, &[half; 2]);
    let gate = exact(f, parts[1]);
    Ok(f.mul(parts[0], gate))
}

fn exact(f: &mut Formula<'_>, x: Ref) -> Ref {
    if f.has("Gelu") {
        return f.op("Gelu", [x]);
    }
    let root = f.number(SQRT_2);
    let inner = f.op("Div", [x, root]);
    let erf = f.op("Erf", [inner]);
    half(f, x, erf)
}

/// `x · (1 + t) · ½`
fn half(f: &mut Formula<'_>, x: Ref, t: Ref) -> Ref {
    let one = f.number(1.0);
    let t = f.add(t, one);
    let y = f.mul(x, t);
    f.scaled(y, 0.5)
}

fn bias_softmax(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, bias) = (f.operand(0)?, f.operand(1)?);
    let rank = f.shape(x)?.len();
    let axis = f.int("axis").unwrap_or(1);
    let last = axis == -1 || axis.checked_add(1) == Some(rank as i64);
    require!(last, x, "the softmax runs over more than the last axis");
    f.flag("is_inner_broadcast");
    require!(f.shape(bias)?.len() == rank, bias, "the bias has another rank");
    let x = f.add(x, bias);
    Ok(f.softmax(x, rank as i64 - 1))
}
