//! `unfold-norm`: normalizations of ONNX Runtime become standard ones where the target has not got them.
//!
//! ```text
//! s = input + skip + bias
//! com.microsoft.SkipLayerNormalization(input, skip, gamma, beta, bias)     ->  LayerNormalization(s, gamma, beta)
//! com.microsoft.SkipSimplifiedLayerNormalization(input, skip, gamma, bias) ->  RMSNormalization(s, gamma)
//! SimplifiedLayerNormalization(x, scale)                                   ->  RMSNormalization(x, scale)
//! ```
//!
//! Reassociates. Where the opset or the target has not got `LayerNormalization` or `RMSNormalization`, their formula is
//! written, which passes that fuse find again where they may. The sum, which is a result of its own, stays one.
//! `LayerNormalization` below opset 17, which is ONNX Runtime's own, becomes the formula.
//!
//! Refused: mean and inverse deviation where anything reads them, other types of statistics than single precision, ranks
//! that are not known.

use crate::ir::OpId;
use crate::passes::unfold::{Formula, Norm, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};

const META: Meta = Meta {
    id: "unfold-norm",
    summary: "ONNX Runtime's SkipLayerNormalization and the like become standard normalizations",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::onnx("LayerNormalization"), layer),
    (OpId::onnx("SimplifiedLayerNormalization"), simplified),
    (OpId::microsoft("SkipLayerNormalization"), skip_layer),
    (OpId::microsoft("SkipSimplifiedLayerNormalization"), skip_simplified),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn layer(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let norm = plain(f)?;
    let bias = f.optional(2);
    Ok(norm.layer(f, bias.map(Ref::from)))
}

fn simplified(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    Ok(plain(f)?.rms(f))
}

/// A normalization from an axis on.
fn plain(f: &mut Formula<'_>) -> Result<Norm, Miss> {
    let (x, scale) = (f.operand(0)?, f.operand(1)?);
    let rank = f.shape(x)?.len();
    let axis = f.int("axis").unwrap_or(-1);
    let axis = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let axis = axis.and_then(|a| usize::try_from(a).ok()).filter(|&a| a < rank);
    let axis = axis.ok_or_else(|| f.miss("the axis is none of the input"))?;
    require!(f.int("stash_type").is_none_or(|t| t == 1), x, "the statistics are not of single precision");
    let epsilon = f.float("epsilon").unwrap_or(1e-5);
    Ok(Norm { x: x.into(), rank, axis, scale: scale.into(), epsilon })
}

fn skip_layer(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (norm, beta) = (skip(f, 4)?, f.optional(3));
    Ok(norm.layer(f, beta.map(Ref::from)))
}

fn skip_simplified(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    Ok(skip(f, 3)?.rms(f))
}

/// The normalization of a sum, which is the last result.
fn skip(f: &mut Formula<'_>, bias: usize) -> Result<Norm, Miss> {
    let (input, other, gamma) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let rank = f.shape(input)?.len();
    let bias = f.optional(bias);
    let sum = f.add(input, other);
    let sum = f.plus(sum, bias);
    if let Some(read) = f.result(3) {
        f.give(read, sum);
    }
    let epsilon = f.float("epsilon").unwrap_or(1e-12);
    Ok(Norm::last(sum, rank, gamma.into(), epsilon))
}
