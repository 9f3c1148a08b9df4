//! Tensors made out of a few numbers.

use super::Call;
use super::layout::{pick, strides};
use crate::ir::Attr;
use crate::tensor::{DType, Tensor, element_count};

/// `ConstantOfShape`.
pub(super) fn constant_of_shape(call: &Call<'_>) -> Option<Tensor> {
    let dims: Vec<usize> =
        call.input(0)?.to_i64s()?.into_iter().map(|n| usize::try_from(n).ok()).collect::<Option<_>>()?;
    let fill = match call.node.attr("value") {
        None => Tensor::scalar(0f32),
        Some(Attr::Tensor(t)) if t.len() == 1 => t.clone(),
        Some(_) => return None,
    };
    pick(&[&fill], &dims, call.limit, (0..element_count(&dims)?).map(|_| (0, 0)))
}

/// `Range` of integers; how floats add up is the runtime's choice.
pub(super) fn range(call: &Call<'_>) -> Option<Tensor> {
    let dtype = call.input(0)?.dtype();
    if !matches!(dtype, DType::I16 | DType::I32 | DType::I64) {
        return None;
    }
    let [start, limit, delta] =
        [call.input(0)?.as_int()?, call.input(1)?.as_int()?, call.input(2)?.as_int()?].map(i128::from);
    if delta == 0 {
        return None;
    }
    let gap = if delta > 0 { limit - start } else { start - limit };
    let count = if gap <= 0 { 0 } else { usize::try_from((gap - 1) / delta.abs() + 1).ok()? };
    if dtype.byte_len(count)? > call.limit {
        return None;
    }
    let value = |i: usize| i64::try_from(start + i as i128 * delta).ok();
    let values: Vec<i64> = (0..count).map(value).collect::<Option<_>>()?;
    match dtype {
        DType::I64 => Some(Tensor::vector(&values)),
        DType::I32 => Some(Tensor::vector(&values.iter().map(|&v| v as i32).collect::<Vec<_>>())),
        _ => Some(Tensor::vector(&values.iter().map(|&v| v as i16).collect::<Vec<_>>())),
    }
}

/// `NonZero`: one row of indices for each dim.
pub(super) fn non_zero(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    if data.rank() == 0 || data.len().checked_mul(8)?.checked_mul(data.rank())? > call.limit {
        return None;
    }
    let hits: Vec<usize> =
        data.to_f64s()?.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect();
    let (own, dims) = (strides(data.shape()), data.shape());
    let rows: Vec<i64> = (0..data.rank())
        .flat_map(|d| hits.iter().map(|&at| (at / own[d].max(1) % dims[d]) as i64).collect::<Vec<_>>())
        .collect();
    Tensor::from_slice(&[data.rank(), hits.len()], &rows).ok()
}
