//! `QAttention`: input and weights are whole numbers of eight bits.

use super::{Packed, widths};
use crate::passes::unfold::{Formula, Scaled};
use crate::rewrite::{Miss, Ref};

pub(super) fn attention(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, weights, bias) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let (x_scale, scale) = (f.operand(3)?, f.operand(4)?);
    let (mask, x_zero, zero, past) = (f.optional(5), f.optional(6), f.optional(7), f.optional(8));
    let sizes = widths(f, weights)?;
    let input = Scaled { number: x, scale: x_scale, zero: x_zero };
    let product = input.product(f, Scaled { number: weights, scale, zero }, Some(bias))?;
    Packed { x, product, sizes, mask, past, attention_bias: None }.emit(f)
}
