//! `Cast` between integers, booleans and IEEE floats.

use super::Call;
use crate::ir::Attr;
use crate::tensor::{DType, Tensor};
use half::{bf16, f16};

/// Half types are reached through `f32`, as ONNX Runtime does: only what `f32` holds exactly is unambiguous.
const EXACT_IN_F32: i64 = 1 << 24;

/// `Cast`. Nothing for strings, 8-bit floats, packed integers, and floats that the integer type does not hold.
pub(super) fn cast(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let to = match call.node.attr("to")? {
        Attr::Int(code) => DType::from_code(i32::try_from(*code).ok()?)?,
        _ => return None,
    };
    if to == data.dtype() {
        return Some(data.clone());
    }
    if to.byte_len(data.len())? > call.limit {
        return None;
    }
    match data.dtype() {
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => from_floats(data, to),
        DType::U64 => from_ints(data, to, &data.to_vec::<u64>()?, |v| i128::from(*v)),
        _ => from_ints(data, to, &data.to_i64s()?, |v| i128::from(*v)),
    }
}

fn from_ints<T>(data: &Tensor, to: DType, values: &[T], widen: impl Fn(&T) -> i128) -> Option<Tensor> {
    let shape = data.shape();
    let wide = || values.iter().map(&widen);
    let small = || wide().all(|v| v.unsigned_abs() <= EXACT_IN_F32 as u128).then_some(());
    macro_rules! to {
        ($t:ty) => {
            Tensor::from_slice(shape, &wide().map(|v| v as $t).collect::<Vec<_>>())
        };
    }
    match to {
        DType::Bool => Tensor::from_slice(shape, &wide().map(|v| v != 0).collect::<Vec<_>>()),
        DType::I8 => to!(i8),
        DType::I16 => to!(i16),
        DType::I32 => to!(i32),
        DType::I64 => to!(i64),
        DType::U8 => to!(u8),
        DType::U16 => to!(u16),
        DType::U32 => to!(u32),
        DType::U64 => to!(u64),
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
        DType::F16 => {
            small()?;
            Tensor::from_slice(shape, &wide().map(|v| f16::from_f32(v as f32)).collect::<Vec<_>>())
        }
        DType::BF16 => {
            small()?;
            Tensor::from_slice(shape, &wide().map(|v| bf16::from_f32(v as f32)).collect::<Vec<_>>())
        }
        _ => return None,
    }
    .ok()
}

fn from_floats(data: &Tensor, to: DType) -> Option<Tensor> {
    let (shape, values) = (data.shape(), data.to_f64s()?);
    if to.is_int() {
        return floats_to_ints(shape, &values, to);
    }
    let through_f32 = || values.iter().all(|&v| v.is_nan() || f64::from(v as f32) == v).then_some(());
    match to {
        DType::Bool | DType::F64 | DType::F32 => {}
        DType::F16 | DType::BF16 => through_f32()?,
        _ => return None,
    }
    // A NaN's payload does not survive widening everywhere alike.
    if to != DType::Bool && values.iter().any(|v| v.is_nan()) {
        return None;
    }
    Tensor::from_f64s(to, shape, &values).ok()
}

fn floats_to_ints(shape: &[usize], values: &[f64], to: DType) -> Option<Tensor> {
    let bits = to.bits() as i32;
    let (low, high) = if to.is_signed_int() {
        (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1))
    } else {
        (0.0, 2f64.powi(bits))
    };
    let whole: Vec<f64> = values.iter().map(|v| v.trunc()).collect();
    if bits < 8 || whole.iter().any(|&v| !(v >= low && v < high)) {
        return None;
    }
    Tensor::from_f64s(to, shape, &whole).ok()
}
