//! The same elements under other dims, and the dims as elements.

use super::Call;
use super::layout;
use crate::tensor::{Tensor, element_count};

/// `Shape`, with `start` and `end` since opset 15.
pub(super) fn shape(call: &Call<'_>) -> Option<Tensor> {
    let dims: Vec<i64> = call.input(0)?.shape().iter().map(|&d| d as i64).collect();
    let rank = dims.len() as i64;
    let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = clamp(call.int_or("start", 0)?);
    let end = clamp(call.int_or("end", rank)?).max(start);
    Some(Tensor::vector(&dims[start..end]))
}

/// `Size`.
pub(super) fn size(call: &Call<'_>) -> Option<Tensor> {
    Some(Tensor::scalar(call.input(0)?.len() as i64))
}

/// `Reshape`, its shape as input or, before opset 5, as attribute.
pub(super) fn reshape(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let wanted = call.ints(1, "shape")??;
    let allow_zero = call.int_or("allowzero", 0)? != 0;
    let mut dims = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (d, &n) in wanted.iter().enumerate() {
        match n {
            -1 if free.is_none() => {
                free = Some(d);
                dims.push(1);
            }
            0 if !allow_zero => dims.push(*data.shape().get(d)?),
            n => dims.push(usize::try_from(n).ok()?),
        }
    }
    if let Some(d) = free {
        let rest = element_count(&dims)?;
        if rest == 0 || data.len() % rest != 0 {
            return None;
        }
        dims[d] = data.len() / rest;
    }
    data.reshaped(&dims).ok()
}

/// `Squeeze`, its axes as attribute or, since opset 13, as input.
pub(super) fn squeeze(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let dropped = match call.ints(1, "axes")? {
        // For an empty list ONNX drops nothing, ONNX Runtime every 1.
        Some(list) if list.is_empty() && data.shape().contains(&1) => return None,
        Some(list) => layout::axes(&list, data.rank())?,
        None => (0..data.rank()).filter(|&d| data.shape()[d] == 1).collect(),
    };
    if dropped.iter().any(|&d| data.shape()[d] != 1) {
        return None;
    }
    let dims: Vec<usize> =
        (0..data.rank()).filter(|d| !dropped.contains(d)).map(|d| data.shape()[d]).collect();
    data.reshaped(&dims).ok()
}

/// `Unsqueeze`, its axes as attribute or, since opset 13, as input.
pub(super) fn unsqueeze(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let list = call.ints(1, "axes")??;
    let rank = data.rank().checked_add(list.len())?;
    let added = layout::axes(&list, rank)?;
    let mut old = data.shape().iter();
    let dims: Option<Vec<usize>> =
        (0..rank).map(|d| if added.contains(&d) { Some(1) } else { old.next().copied() }).collect();
    data.reshaped(&dims?).ok()
}

/// `Flatten`.
pub(super) fn flatten(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let axis = call.int_or("axis", 1)?;
    let at = if axis == data.rank() as i64 { data.rank() } else { layout::axis(axis, data.rank())? };
    let (front, back) = data.shape().split_at(at);
    data.reshaped(&[element_count(front)?, element_count(back)?]).ok()
}
