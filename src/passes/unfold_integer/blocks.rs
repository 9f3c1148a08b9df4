//! Weights of four bits with a scale for each block of a row.

use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};
use crate::tensor::{DType, Tensor};

/// What turns bytes of two numbers above 8 into those of two numbers around 0.
const SIGNS: u8 = 0x88;

pub(super) fn matmul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, packed, scales) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let bias = f.optional(5);
    require!(f.cx.opset() >= 21, packed, "before opset 21 there are no scales of blocks");
    require!(f.int("bits") == Some(4), packed, "the weights are not of four bits");
    // How exact the product is to be, not what it is of.
    f.int("accuracy_level");
    let [rows, columns, block] = ["N", "K", "block_size"].map(|name| f.int(name).filter(|&n| n > 0));
    let (Some(rows), Some(columns), Some(block)) = (rows, columns, block) else {
        return Err(f.miss("a size is not positive"));
    };
    require!(columns % block == 0, packed, "rows end within a block");
    let weights = signed(f, packed, [rows, columns])?;
    let weights = f.constant(weights);
    let scales = f.shaped(scales, &[rows, columns / block]);
    let weights = f.op("DequantizeLinear", [weights, scales]);
    f.attr("axis", 1i64);
    f.attr("block_size", block);
    let weights = f.transpose(weights, &[1, 0]);
    let y = f.op("MatMul", [a.into(), weights]);
    Ok(f.plus(y, bias))
}

/// The weights as numbers around 0, `[rows, columns]`.
fn signed(f: &Formula<'_>, packed: ValueId, shape: [i64; 2]) -> Result<Tensor, Miss> {
    let no = || Miss::because("the weights are no constant of bytes", packed);
    let bytes = f.cx.graph.const_value(packed).filter(|t| t.dtype() == DType::U8);
    let bytes = bytes.and_then(|t| t.bytes()).ok_or_else(no)?;
    let signed: Vec<u8> = bytes.iter().map(|byte| byte ^ SIGNS).collect();
    let shape = shape.map(|size| usize::try_from(size).unwrap_or_default());
    Tensor::from_bytes(DType::I4, &shape, signed).map_err(|_| no())
}
