//! `unfold-integer`: products of whole numbers and what quantizes their operands are computed with floats, where the
//! target has not got the operators.
//!
//! ```text
//! MatMulInteger(a, b, y, z)    ->   Cast(MatMul(Cast(a) - y, Cast(b) - z))
//! ConvInteger(x, w, y, z)      ->   Cast(Conv(Cast(x) - y, Cast(w) - z))
//! DynamicQuantizeLinear(x)     ->   s = (max(x, 0) - min(x, 0)) / 255 or 1,   z = Clip(Round(-min(x, 0) / s), 0, 255)
//!                                   Clip(Round(x / s) + z, 0, 255)
//! com.microsoft.MatMulNBits(a, b, s)   ->   MatMul(a, Transpose(DequantizeLinear(b, s)))
//! ```
//!
//! Reassociates. Sums of products of bytes are exact in single precision up to 2²⁴, which 258 products cannot exceed; longer
//! sums are written so where all that read them cast them to floats. `skip-casts` removes the casts to whole numbers and
//! back that are left between. Weights of `MatMulNBits` stay packed, as numbers of four bits, which opset 21 has.
//!
//! Refused: a zero point for each row, longer sums that are read as whole numbers, shapes that are not known; of
//! `MatMulNBits` weights that are no constants, other bits than four, zero points, reordered columns, and rows that end
//! within a block.

mod blocks;
mod dynamic;
mod product;

use crate::ir::OpId;
use crate::passes::unfold::{Unfold, Write};
use crate::rewrite::{Exactness, Meta, Work};

const META: Meta = Meta {
    id: "unfold-integer",
    summary: "products of whole numbers are computed with floats",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::onnx("MatMulInteger"), product::matmul),
    (OpId::onnx("ConvInteger"), product::conv),
    (OpId::onnx("DynamicQuantizeLinear"), dynamic::quantize),
    (OpId::microsoft("MatMulNBits"), blocks::matmul),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}
