//! `unfold-product`: products and convolutions into which ONNX Runtime has fused something become standard operators
//! where the target has not got them.
//!
//! ```text
//! com.microsoft.FusedMatMul<alpha, transA, …>(a, b)      ->   MatMul(Transpose(a), Transpose(b)) · alpha
//! com.microsoft.FusedGemm<activation, …>(a, b, c)        ->   activation(Gemm<…>(a, b, c))
//! com.microsoft.FusedConv<activation, …>(x, w, b, z)     ->   activation(Conv<…>(x, w, b) + z)
//! com.microsoft.DynamicQuantizeMatMul(a, b, s, z, c)     ->   as below, of DynamicQuantizeLinear(a)
//! com.microsoft.MatMulIntegerToFloat(a, b, r, s, y, z, c)
//!                                     ->   Cast(MatMulInteger(a, b, y, z)) · (r · s) + c
//! ```
//!
//! Reassociates. An activation keeps its parameters. Where the target computes no whole numbers, floats hold them, as
//! `unfold-integer` writes them.
//!
//! Refused: activations that are none of ONNX's, or with other parameters than those have; a transposed operand whose rank
//! is not known; a scale for each row.

mod activation;
mod quantized;

use crate::ir::OpId;
use crate::passes::unfold::{Formula, Unfold, Write};
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};

const META: Meta = Meta {
    id: "unfold-product",
    summary: "ONNX Runtime's FusedMatMul, FusedGemm, FusedConv and quantized products become standard operators",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::microsoft("FusedMatMul"), matmul),
    (OpId::microsoft("FusedGemm"), gemm),
    (OpId::microsoft("FusedConv"), conv),
    (OpId::microsoft("DynamicQuantizeMatMul"), quantized::dynamic),
    (OpId::microsoft("MatMulIntegerToFloat"), quantized::integer),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn matmul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let a = factor(f, 0, "transA", "transBatchA")?;
    let b = factor(f, 1, "transB", "transBatchB")?;
    let alpha = f.float("alpha").ok_or_else(|| f.miss("the factor is not a number"))?;
    let product = f.op("MatMul", [a, b]);
    Ok(f.scaled(product, alpha))
}

/// An operand with its last two axes swapped, and before that its first one moved before the last, as flags say.
fn factor(f: &mut Formula<'_>, at: usize, swap: &'static str, batch: &'static str) -> Result<Ref, Miss> {
    let x = f.operand(at)?;
    let (swap, batch) = (f.flag(swap), f.flag(batch));
    if !swap && !batch {
        return Ok(x.into());
    }
    let rank = f.shape(x)?.len();
    let mut perm: Vec<i64> = (0..rank as i64).collect();
    if rank < 2 {
        return Ok(x.into());
    }
    if batch {
        perm[..rank - 1].rotate_left(1);
    }
    if swap {
        perm.swap(rank - 2, rank - 1);
    }
    Ok(f.transpose(x, &perm))
}

fn gemm(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, c) = (f.operand(0)?, f.operand(1)?, f.optional(2));
    let y = f.op("Gemm", [a, b].into_iter().chain(c));
    ["alpha", "beta", "transA", "transB"].into_iter().for_each(|name| f.keep(name));
    let parameters = ["activation_alpha", "activation_beta", "activation_gamma"];
    activation::named(f, y, parameters)
}

fn conv(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, w, b, z) = (f.operand(0)?, f.operand(1)?, f.optional(2), f.optional(3));
    let y = f.op("Conv", [x, w].into_iter().chain(b));
    let attrs = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    attrs.into_iter().for_each(|name| f.keep(name));
    let y = f.plus(y, z);
    activation::listed(f, y)
}
