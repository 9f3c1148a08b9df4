//! Numbers at the ends of a type and those that are none: what a share of the graphs gets among its constants and inputs.

use super::generate::Generator;
use onnxpress::tensor::{DType, Tensor};

/// Zeros of either sign, subnormal numbers, and the smallest normal ones.
const SMALL: [f64; 6] = [-0.0, 0.0, 1e-45, -1e-40, f32::MIN_POSITIVE as f64, -(f32::MIN_POSITIVE as f64)];
/// What is not finite.
const INFINITE: [f64; 4] = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0];
/// The largest, on which sums and products overflow.
const LARGE: [f64; 7] = [f32::MAX as f64, f32::MIN as f64, 1e30, -1e30, f64::INFINITY, f64::NAN, -0.0];

/// Special floats of a seed; none for half of the seeds. Only exact passes are held to the largest: where finite numbers
/// overflow, another order of rounding need not.
pub(super) fn floats(seed: u64, smooth: bool) -> &'static [f64] {
    match Generator::choice(seed + 11, 6) {
        0 => &SMALL,
        1 => &INFINITE,
        2 if smooth => &INFINITE,
        2 => &LARGE,
        _ => &[],
    }
}

/// The ends of an integer type and zero, as text.
pub(super) fn integer(dtype: &str, which: usize) -> String {
    let ends = if dtype == "int32" { [i32::MIN.into(), i32::MAX.into()] } else { [i64::MIN, i64::MAX] };
    ends[which % 2].to_string()
}

/// A tensor of whose elements one in eight or so is special.
pub(super) fn mixed(tame: Tensor, floats: &[f64], seed: u64) -> Option<Tensor> {
    let integers: &[f64] = match tame.dtype() {
        DType::I32 => &[i32::MIN as f64, i32::MAX as f64, 0.0],
        DType::I64 => &[i64::MIN as f64, i64::MAX as f64, 0.0],
        _ => &[],
    };
    let special = if tame.dtype().is_float() { floats } else { integers };
    if floats.is_empty() || special.is_empty() {
        return Some(tame);
    }
    let mut elements = tame.to_f64s()?;
    for (i, element) in elements.iter_mut().enumerate() {
        let draw = Generator::choice(seed.wrapping_add(i as u64), 8 * special.len());
        *element = special.get(draw).copied().unwrap_or(*element);
    }
    Tensor::from_f64s(tame.dtype(), tame.shape(), &elements).ok()
}
