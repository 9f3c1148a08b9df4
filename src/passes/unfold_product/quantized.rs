//! Products of quantized operands.

use crate::ir::ValueId;
use crate::passes::unfold::{Dynamic, Formula, shifted};
use crate::require;
use crate::rewrite::{Miss, Ref};

/// The first operand is quantized by its own range.
pub(super) fn dynamic(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, b_scale) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let (b_zero, bias) = (f.optional(3), f.optional(4));
    if !computes_whole(f) {
        let quantized = Dynamic::of(f, a);
        let a = f.sub(quantized.numbers, quantized.zero);
        let b = shifted(f, b, b_zero, Some(0))?;
        let product = f.op("MatMul", [a, b]);
        let scale = f.mul(quantized.scale, b_scale);
        let y = f.mul(product, scale);
        return Ok(f.plus(y, bias));
    }
    let quantized = f.results("DynamicQuantizeLinear", [a], 3);
    let (a, a_scale, a_zero) = (quantized[0], quantized[1], quantized[2]);
    let product = f.op("MatMulInteger", [a, b.into(), a_zero].into_iter().chain(b_zero.map(Ref::from)));
    let scale = f.mul(a_scale, b_scale);
    Ok(scaled(f, product, scale, bias))
}

pub(super) fn integer(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, a_scale, b_scale) = (f.operand(0)?, f.operand(1)?, f.operand(2)?, f.operand(3)?);
    let (a_zero, b_zero, bias) = (f.optional(4), f.optional(5), f.optional(6));
    for whole in [Some(a_scale), a_zero].into_iter().flatten() {
        let one = f.shape(whole)?.iter().all(|d| d.as_fixed() == Some(1));
        require!(one, whole, "there is a scale for each row");
    }
    let scale = f.mul(a_scale, b_scale);
    if !computes_whole(f) {
        let a = shifted(f, a, a_zero, None)?;
        let b = shifted(f, b, b_zero, Some(0))?;
        let product = f.op("MatMul", [a, b]);
        let y = f.mul(product, scale);
        return Ok(f.plus(y, bias));
    }
    let product = match (a_zero, b_zero) {
        (None, None) => f.op("MatMulInteger", [a, b]),
        _ => f.op("MatMulInteger", [Ref::from(a), b.into(), a_zero.into(), b_zero.into()]),
    };
    Ok(scaled(f, product, scale, bias))
}

/// Whether the target has the operators on whole numbers.
fn computes_whole(f: &Formula<'_>) -> bool {
    f.has("DynamicQuantizeLinear") && f.has("MatMulInteger")
}

fn scaled(f: &mut Formula<'_>, product: Ref, scale: Ref, bias: Option<ValueId>) -> Ref {
    let product = f.cast(product, f.dtype);
    let y = f.mul(product, scale);
    f.plus(y, bias)
}
