//! Reductions of integers; in which order floats are added is the runtime's choice.

use super::Call;
use super::layout::{self, Walk, strides};
use crate::tensor::{DType, Element, Tensor};

/// `ReduceProd ReduceSum ReduceMin ReduceMax` of 32- and 64-bit integers.
pub(super) fn reduce(call: &Call<'_>) -> Option<Tensor> {
    match call.input(0)?.dtype() {
        DType::I64 => run::<i64>(call, |op, a, b| match op {
            "ReduceProd" => a.wrapping_mul(b),
            "ReduceSum" => a.wrapping_add(b),
            "ReduceMin" => a.min(b),
            _ => a.max(b),
        }),
        DType::I32 => run::<i32>(call, |op, a, b| match op {
            "ReduceProd" => a.wrapping_mul(b),
            "ReduceSum" => a.wrapping_add(b),
            "ReduceMin" => a.min(b),
            _ => a.max(b),
        }),
        _ => None,
    }
}

fn run<T: Element>(call: &Call<'_>, combine: impl Fn(&str, T, T) -> T) -> Option<Tensor> {
    let (data, op) = (call.input(0)?, call.node.op().name);
    let keep = call.int_or("keepdims", 1)? != 0;
    let list = call.ints(1, "axes")?.unwrap_or_default();
    if list.is_empty() && call.int_or("noop_with_empty_axes", 0)? != 0 {
        return Some(data.clone());
    }
    let reduced =
        if list.is_empty() { (0..data.rank()).collect() } else { layout::axes(&list, data.rank())? };
    if data.is_empty() || data.byte_len() > call.limit {
        return None;
    }
    let own = strides(data.shape());
    let kept: Vec<usize> = (0..data.rank()).filter(|d| !reduced.contains(d)).collect();
    let walk = |dims: &[usize], start| {
        let sizes = dims.iter().map(|&d| data.shape()[d]).collect();
        Walk::new(sizes, dims.iter().map(|&d| own[d] as isize).collect(), start)
    };
    let values = data.to_vec::<T>()?;
    let results: Vec<T> = walk(&kept, 0)
        .map(|start| walk(&reduced, start).map(|at| values[at]).reduce(|a, b| combine(op, a, b)))
        .collect::<Option<_>>()?;
    let dims: Vec<usize> = (0..data.rank())
        .filter(|d| keep || !reduced.contains(d))
        .map(|d| if reduced.contains(&d) { 1 } else { data.shape()[d] })
        .collect();
    Tensor::from_slice(&dims, &results).ok()
}
