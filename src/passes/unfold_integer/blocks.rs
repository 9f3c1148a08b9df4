//! Weights of a few bits with a scale for each block of a row.

use super::packed::{Grid, Packed, four_bits};
use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};
use crate::tensor::{DType, Tensor};

pub(super) fn matmul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, numbers, scales) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let (zeros, groups, bias) = (f.optional(3), f.optional(4), f.optional(5));
    // How exact the product is to be, not what it is of.
    f.int("accuracy_level");
    let packed = Packed::read(f, numbers, zeros)?;
    if let Some(groups) = groups {
        let bytes = zeros.is_some_and(|zeros| f.cx.graph.dtype(zeros) == Some(DType::U8));
        // Up to 1.31.1 on a CPU it computes as if they were 8.
        require!(
            !bytes || packed.is_around_middle(),
            zeros,
            "ONNX Runtime reads no packed zero points of groups"
        );
        // Up to 1.31.1 on a CPU it reads them as if they were of four bits.
        require!(packed.bits() != 2, groups, "ONNX Runtime reads no weights of two bits in groups");
    }
    let order = groups.map(|groups| packed.order(f, groups)).transpose()?.flatten();
    let (packed, a) = match order {
        None => (packed, a.into()),
        Some(order) => {
            let places: Vec<i64> = order.iter().map(|&place| place as i64).collect();
            let places = f.ints(&places);
            (packed.reordered(&order), f.gather(a, places, -1))
        }
    };
    let weights = weights(f, &packed, scales)?;
    let weights = f.transpose(weights, &[1, 0]);
    let y = f.op("MatMul", [a, weights]);
    Ok(f.plus(y, bias))
}

/// The weights, `[rows, columns]`.
fn weights(f: &mut Formula<'_>, packed: &Packed, scales: ValueId) -> Result<Ref, Miss> {
    let has_blocks = f.cx.opset() >= 21;
    if has_blocks
        && !f.dequantizes_constants()
        && let Some(numbers) = packed.as_stored()
    {
        let zeros = packed.zeros_as_stored();
        return Ok(by_block(f, packed.grid, numbers, scales, zeros));
    }
    let (offset, rest) = packed.centered();
    if has_blocks
        && rest.is_none()
        && let Some(numbers) = four_bits(&offset)
    {
        let numbers = tensor(DType::I4, packed.grid.shape(), numbers)?;
        return Ok(by_block(f, packed.grid, numbers, scales, None));
    }
    by_row(f, packed.grid, &offset, scales, rest.as_deref())
}

fn by_block(f: &mut Formula<'_>, grid: Grid, numbers: Tensor, scales: ValueId, zeros: Option<Tensor>) -> Ref {
    let numbers = f.constant(numbers);
    let scales = f.shaped(scales, &grid.blocks());
    let zeros = zeros.map(|zeros| f.constant(zeros));
    let weights = f.op("DequantizeLinear", [numbers, scales].into_iter().chain(zeros));
    f.attr("axis", 1i64);
    f.attr("block_size", grid.block);
    weights
}

/// Blocks as rows of bytes, and of the rest of each block's zero point its share taken off.
fn by_row(
    f: &mut Formula<'_>,
    grid: Grid,
    numbers: &[i8],
    scales: ValueId,
    rest: Option<&[f64]>,
) -> Result<Ref, Miss> {
    let single = f.dtype == DType::F32;
    let takes_scales = f.cx.opset() >= if single { 13 } else { 19 };
    require!(takes_scales, scales, "the opset has no scales of this type for each row");
    let [rows, blocks] = grid.blocks();
    let all = rows * blocks;
    let bytes: Vec<u8> = numbers.iter().map(|number| number.cast_unsigned()).collect();
    let numbers = f.constant(tensor(DType::I8, [all, grid.block], bytes)?);
    let each = f.shaped(scales, &[all]);
    let mut weights = f.op("DequantizeLinear", [numbers, each]);
    f.attr("axis", 0i64);
    if let Some(rest) = rest {
        let rest = Tensor::from_f64s(f.dtype, &[rest.len(), 1], rest);
        let rest = rest.map_err(|_| Miss::because("the type of the scales is no float", scales))?;
        let (rest, column) = (f.constant(rest), f.shaped(scales, &[all, 1]));
        let share = f.mul(rest, column);
        weights = f.sub(weights, share);
    }
    Ok(f.reshape(weights, &grid.shape()))
}

fn tensor(dtype: DType, shape: [i64; 2], bytes: Vec<u8>) -> Result<Tensor, Miss> {
    let shape = shape.map(|size| usize::try_from(size).unwrap_or_default());
    Tensor::from_bytes(dtype, &shape, bytes).map_err(|_| Miss::because("the weights have another size", None))
}
