//! Products of quantized operands.

use crate::passes::unfold::{Dynamic, Formula, Scaled, computes_whole, rescaled, shifted};
use crate::rewrite::{Miss, Ref};

/// The first operand is quantized by its own range.
pub(super) fn dynamic(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, b_scale) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let (b_zero, bias) = (f.optional(3), f.optional(4));
    if !computes_whole(f) {
        let quantized = Dynamic::of(f, a);
        let a = f.sub(quantized.numbers, quantized.zero);
        let b = shifted(f, b, b_zero, &[&[]])?;
        let product = f.op("MatMul", [a, b]);
        let scale = f.mul(quantized.scale, b_scale);
        let y = f.mul(product, scale);
        return Ok(f.plus(y, bias));
    }
    let quantized = f.results("DynamicQuantizeLinear", [a], 3);
    let (a, a_scale, a_zero) = (quantized[0], quantized[1], quantized[2]);
    let product = f.op("MatMulInteger", [a, b.into(), a_zero].into_iter().chain(b_zero.map(Ref::from)));
    let scale = f.mul(a_scale, b_scale);
    Ok(rescaled(f, product, scale, bias))
}

pub(super) fn integer(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, a_scale, b_scale) = (f.operand(0)?, f.operand(1)?, f.operand(2)?, f.operand(3)?);
    let (a_zero, b_zero, bias) = (f.optional(4), f.optional(5), f.optional(6));
    let a = Scaled { number: a, scale: a_scale, zero: a_zero };
    a.product(f, Scaled { number: b, scale: b_scale, zero: b_zero }, bias)
}
