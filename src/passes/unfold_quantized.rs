//! `unfold-quantized`: operators on whole numbers of eight bits become those on floats between `DequantizeLinear` and
//! `QuantizeLinear`, where the target has not got them.
//!
//! ```text
//! QLinearConv(x, …, w, …, s, z, b)               ->   Q(Conv(D(x), D(w), D(b)), s, z)
//! QLinearMatMul(a, …, b, …, s, z)                ->   Q(MatMul(D(a), D(b)), s, z)
//! com.microsoft.QGemm<alpha>(a, …, b, …, c)      ->   Gemm<alpha>(D(a), D(b), D(c)), in Q where it has a scale
//! com.microsoft.QLinearAdd(a, …, b, …, s, z)     ->   Q(D(a) + D(b), s, z)
//! com.microsoft.QLinearMul, QLinearWhere, QLinearConcat, QLinearAveragePool, QLinearGlobalAveragePool,
//! QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax            likewise
//! ```
//!
//! Q is `QuantizeLinear` and D `DequantizeLinear`, each with the scale and zero point that the operator has. What a target
//! fuses of it again computes in whole numbers; `fuse-dequantize` and others see floats.
//!
//! Approximates: the formula is the same, but a number between two steps may be rounded to the other one, by the float
//! products, or by the tables and whole numbers that ONNX Runtime has in place of a division. The bound is one step of 128.
//!
//! Refused: a scale for each row, one for each column of a matrix that is not the right one of rank 2, channels
//! that come last, and operands of other ranks than those of the formula.

mod affine;
mod pointwise;
mod pooled;
mod product;

use crate::ir::OpId;
use crate::passes::unfold::{Unfold, Write};
use crate::rewrite::{Exactness, Meta, Work};

const META: Meta = Meta {
    id: "unfold-quantized",
    summary: "operators on quantized numbers become those on floats between DequantizeLinear and QuantizeLinear",
    exactness: Exactness::Approximates { bound: 1.0 / 128.0 },
    since_opset: 10,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::onnx("QLinearConv"), product::conv),
    (OpId::microsoft("QLinearConv"), product::conv),
    (OpId::onnx("QLinearMatMul"), product::matmul),
    (OpId::microsoft("QGemm"), product::gemm),
    (OpId::microsoft("QLinearAdd"), pointwise::add),
    (OpId::microsoft("QLinearMul"), pointwise::mul),
    (OpId::microsoft("QLinearWhere"), pointwise::choice),
    (OpId::microsoft("QLinearConcat"), pointwise::concat),
    (OpId::microsoft("QLinearSigmoid"), pointwise::sigmoid),
    (OpId::microsoft("QLinearLeakyRelu"), pointwise::leaky),
    (OpId::microsoft("QLinearSoftmax"), pointwise::softmax),
    (OpId::microsoft("QLinearAveragePool"), pooled::average),
    (OpId::microsoft("QLinearGlobalAveragePool"), pooled::global),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}
