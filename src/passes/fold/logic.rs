//! Comparisons, booleans and `Where`.

use super::Call;
use super::arithmetic::{Number, for_number};
use super::layout::{Walk, broadcast_shape, pick};
use crate::tensor::{DType, Element, Tensor, element_count};

/// `Equal Less Greater LessOrEqual GreaterOrEqual`, from opset 7 on, where broadcasting is mutual.
pub(super) fn compare(call: &Call<'_>) -> Option<Tensor> {
    let a = call.input(0)?;
    if call.opset < 7 {
        return None;
    }
    let op = call.node.op().name;
    if a.dtype() == DType::Bool {
        return if op == "Equal" { zip::<bool>(call, |x, y| x == y) } else { None };
    }
    for_number!(a.dtype(), ordered(call, op))
}

fn ordered<T: Number>(call: &Call<'_>, op: &str) -> Option<Tensor> {
    match op {
        "Equal" => zip::<T>(call, |a, b| a == b),
        "Less" => zip::<T>(call, |a, b| a < b),
        "Greater" => zip::<T>(call, |a, b| a > b),
        "LessOrEqual" => zip::<T>(call, |a, b| a <= b),
        _ => zip::<T>(call, |a, b| a >= b),
    }
}

/// `And Or Xor`, from opset 7 on.
pub(super) fn boolean(call: &Call<'_>) -> Option<Tensor> {
    if call.opset < 7 {
        return None;
    }
    match call.node.op().name {
        "And" => zip::<bool>(call, |a, b| a && b),
        "Or" => zip::<bool>(call, |a, b| a || b),
        _ => zip::<bool>(call, |a, b| a != b),
    }
}

/// `Not`.
pub(super) fn not(call: &Call<'_>) -> Option<Tensor> {
    let a = call.input(0)?;
    let values: Vec<bool> = a.to_vec::<bool>()?.into_iter().map(|v| !v).collect();
    Tensor::from_slice(a.shape(), &values).ok()
}

/// `Where`.
pub(super) fn select(call: &Call<'_>) -> Option<Tensor> {
    let (condition, yes, no) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let dims = broadcast_shape(&[condition.shape(), yes.shape(), no.shape()])?;
    if element_count(&dims)? > call.limit {
        return None;
    }
    let flags = condition.to_vec::<bool>()?;
    let positions = Walk::broadcast(condition.shape(), &dims)
        .zip(Walk::broadcast(yes.shape(), &dims).zip(Walk::broadcast(no.shape(), &dims)))
        .map(|(c, (y, n))| if flags[c] { (0, y) } else { (1, n) });
    let picked = pick(&[yes, no], &dims, call.limit, positions)?;
    // ONNX Runtime makes 0 of -0 here, and is left to decide.
    let signed =
        picked.dtype().is_float() && picked.to_f64s()?.iter().any(|v| *v == 0.0 && v.is_sign_negative());
    (!signed).then_some(picked)
}

fn zip<T: Element>(call: &Call<'_>, f: impl Fn(T, T) -> bool) -> Option<Tensor> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let dims = broadcast_shape(&[a.shape(), b.shape()])?;
    if element_count(&dims)? > call.limit {
        return None;
    }
    let (left, right) = (a.to_vec::<T>()?, b.to_vec::<T>()?);
    let walks = Walk::broadcast(a.shape(), &dims).zip(Walk::broadcast(b.shape(), &dims));
    let values: Vec<bool> = walks.map(|(i, j)| f(left[i], right[j])).collect();
    Tensor::from_slice(&dims, &values).ok()
}
