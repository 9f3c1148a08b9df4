//! `unfold-integer`: products of whole numbers and what quantizes their operands are computed with floats, where the
//! target has not got the operators.
//!
//! ```text
//! MatMulInteger(a, b, y, z)    ->   Cast(MatMul(Cast(a) - y, Cast(b) - z))
//! ConvInteger(x, w, y, z)      ->   Cast(Conv(Cast(x) - y, Cast(w) - z))
//! DynamicQuantizeLinear(x)     ->   s = (max(x, 0) - min(x, 0)) / 255 or 1,   z = Clip(Round(-min(x, 0) / s), 0, 255)
//!                                   Clip(Round(x / s) + z, 0, 255)
//! com.microsoft.MatMulNBits(a, b, s, z, g)   ->   MatMul(a, Transpose(DequantizeLinear(b - z, s)))
//! ```
//!
//! Reassociates. Sums of products of bytes are exact in single precision up to 2²⁴, which 258 products cannot exceed; longer
//! sums are written so where all that read them cast them to floats. `skip-casts` removes the casts to whole numbers and
//! back that are left between.
//!
//! Weights of `MatMulNBits` less their zero points stay packed as numbers of four bits where they fit and the opset has
//! them, from 21 on. Otherwise each takes a byte, with blocks as rows that have a scale each; what a zero point has that bytes
//! do not hold, as a fraction, is taken off as a float. Where the target has zero points, unsigned numbers keep theirs.
//! Columns of groups (`g_idx`) are put into the order of these, those of the other operand too.
//!
//! Refused: a zero point for each row, longer sums that are read as whole numbers, shapes that are not known; of
//! `MatMulNBits` weights, zero points and groups that are no constants, groups that are not as large as blocks, packed
//! zero points of groups that are not 8, for which ONNX Runtime takes them all the same, groups of numbers of two bits, which
//! it reads as numbers of four, and rows that end within a block.

mod blocks;
mod dynamic;
mod packed;
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
