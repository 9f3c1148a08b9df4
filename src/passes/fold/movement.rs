//! Kernels that move elements: each is a walk over positions, so one serves every element type.

use super::Call;
use super::layout::{self, Walk, byte_width, pick, strides};
use crate::ir::Attr;
use crate::tensor::{Expr, Tensor, element_count};

/// Above this size a result is computed while it is written, not before.
const LAZY_BYTES: usize = 1 << 20;

/// An expression, evaluated at once where it is small.
fn settle(expr: Expr, limit: usize) -> Option<Tensor> {
    let tensor = Tensor::from_expr(expr).ok()?;
    match tensor.byte_len() {
        n if n > limit && n <= LAZY_BYTES => None,
        n if n > LAZY_BYTES => Some(tensor),
        _ => Tensor::from_bytes(tensor.dtype(), tensor.shape(), tensor.bytes()?).ok(),
    }
}

/// `Transpose`.
pub(super) fn transpose(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let perm = match call.node.attr("perm") {
        None => (0..data.rank()).rev().collect(),
        Some(Attr::Ints(p)) => layout::axes(p, data.rank()).filter(|p| p.len() == data.rank())?,
        Some(_) => return None,
    };
    if byte_width(data.dtype()).is_some() {
        return settle(Expr::Transpose { of: data.clone(), perm }, call.limit);
    }
    let own = strides(data.shape());
    let dims: Vec<usize> = perm.iter().map(|&p| data.shape()[p]).collect();
    let steps = perm.iter().map(|&p| own[p] as isize).collect();
    pick(&[data], &dims, call.limit, Walk::new(dims.clone(), steps, 0).map(|at| (0, at)))
}

/// `Concat`.
pub(super) fn concat(call: &Call<'_>) -> Option<Tensor> {
    let parts: Vec<Tensor> = call.inputs.iter().cloned().collect::<Option<_>>()?;
    // Before opset 4 the axis has a default.
    let axis = layout::axis(call.int_or("axis", 1)?, parts.first()?.rank())?;
    if parts[0].shape()[..axis].contains(&0) {
        return None;
    }
    settle(Expr::Concat { axis, parts }, call.limit)
}

/// `Slice`, from opset 10 on with inputs.
pub(super) fn slice(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let (starts, ends) = (call.ints(1, "starts")??, call.ints(2, "ends")??);
    let axes = match call.ints(3, "axes")? {
        Some(list) => layout::axes(&list, data.rank())?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.ints(4, "")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return None;
    }
    let own = strides(data.shape());
    let mut dims = data.shape().to_vec();
    let mut walk: Vec<isize> = own.iter().map(|&s| s as isize).collect();
    let mut first = 0;
    for (i, &axis) in axes.iter().enumerate() {
        let size = *data.shape().get(axis)?;
        let (start, len) = span(starts[i], ends[i], steps[i], size)?;
        dims[axis] = len;
        first += if len > 0 { start * own[axis] } else { 0 };
        walk[axis] = own[axis] as isize * if len > 1 { isize::try_from(steps[i]).ok()? } else { 1 };
    }
    pick(&[data], &dims, call.limit, Walk::new(dims.clone(), walk, first).map(|at| (0, at)))
}

/// The first index and the number of indices that a slice of a dim of `size` takes.
fn span(start: i64, end: i64, step: i64, size: usize) -> Option<(usize, usize)> {
    let size = i64::try_from(size).ok()?;
    let wrap = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let (start, end) = (wrap(start).clamp(low.max(0), high.max(0)), wrap(end).clamp(low, high));
    let gap = match step {
        0 => return None,
        s if s > 0 => end - start,
        _ => start - end,
    };
    let stride = i64::try_from(step.unsigned_abs()).ok()?;
    let len = if size == 0 || gap <= 0 { 0 } else { (gap - 1) / stride + 1 };
    Some((usize::try_from(start).ok()?, usize::try_from(len).ok()?))
}

/// `Gather`.
pub(super) fn gather(call: &Call<'_>) -> Option<Tensor> {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let axis = layout::axis(call.int_or("axis", 0)?, data.rank())?;
    let rows: Vec<usize> =
        indices.to_i64s()?.iter().map(|&i| layout::axis(i, data.shape()[axis])).collect::<Option<_>>()?;
    let (front, back) = (&data.shape()[..axis], &data.shape()[axis + 1..]);
    let (outer, inner) = (element_count(front)?, element_count(back)?);
    let dims = [front, indices.shape(), back].concat();
    let size = data.shape()[axis];
    let positions = (0..outer).flat_map(|o| {
        rows.iter().flat_map(move |&row| (0..inner).map(move |i| (0, (o * size + row) * inner + i)))
    });
    pick(&[data], &dims, call.limit, positions)
}

/// `Expand`.
pub(super) fn expand(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let wanted = dims_of(call.input(1)?)?;
    let dims = layout::broadcast_shape(&[data.shape(), &wanted])?;
    pick(&[data], &dims, call.limit, Walk::broadcast(data.shape(), &dims).map(|at| (0, at)))
}

/// `Tile`, from opset 6 on.
pub(super) fn tile(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let repeats = dims_of(call.input(1)?)?;
    if call.opset < 6 || repeats.len() != data.rank() {
        return None;
    }
    let own = strides(data.shape());
    let (mut dims, mut walked, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for (d, &times) in repeats.iter().enumerate() {
        dims.push(data.shape()[d].checked_mul(times)?);
        walked.extend([times, data.shape()[d]]);
        steps.extend([0, own[d] as isize]);
    }
    pick(&[data], &dims, call.limit, Walk::new(walked, steps, 0).map(|at| (0, at)))
}

/// `Split`; parts of equal size where none are given and the dim divides.
pub(super) fn split(call: &Call<'_>) -> Option<Vec<Tensor>> {
    let data = call.input(0)?;
    let axis = layout::axis(call.int_or("axis", 0)?, data.rank())?;
    let (size, parts) = (data.shape()[axis], call.node.outputs().len());
    let sizes: Vec<usize> = match call.ints(1, "split")? {
        Some(list) => list.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>()?,
        None if parts > 0 && size % parts == 0 => vec![size / parts; parts],
        None => return None,
    };
    let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n))?;
    if sizes.len() != parts || total != size {
        return None;
    }
    let own = strides(data.shape());
    let mut first = 0;
    let mut out = Vec::with_capacity(parts);
    for n in sizes {
        let mut dims = data.shape().to_vec();
        dims[axis] = n;
        let steps = own.iter().map(|&s| s as isize).collect();
        let walk = Walk::new(dims.clone(), steps, first * own[axis]).map(|at| (0, at));
        out.push(pick(&[data], &dims, call.limit, walk)?);
        first += n;
    }
    Some(out)
}

/// `Pad` with a constant, from opset 11 on, where nothing is cut off.
pub(super) fn pad(call: &Call<'_>) -> Option<Tensor> {
    let data = call.input(0)?;
    let constant = call.node.attr("mode").is_none()
        || matches!(call.node.attr("mode"), Some(Attr::String(m)) if &**m == b"constant");
    if call.opset < 11 || !constant {
        return None;
    }
    let pads: Vec<usize> = dims_of(call.input(1)?)?;
    let axes = match call.ints(3, "")? {
        Some(list) => layout::axes(&list, data.rank())?,
        None => (0..data.rank()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return None;
    }
    let fill = match call.input(2) {
        Some(value) => value.clone().reshaped(&[]).ok()?,
        None => Tensor::from_f64s(data.dtype(), &[], &[0.0]).ok()?,
    };
    let (mut before, mut dims) = (vec![0; data.rank()], data.shape().to_vec());
    for (i, &axis) in axes.iter().enumerate() {
        before[axis] = pads[i];
        dims[axis] = dims[axis].checked_add(pads[i])?.checked_add(pads[i + axes.len()])?;
    }
    let (own, padded) = (strides(data.shape()), strides(&dims));
    let source = |at: usize| {
        let inside = (0..dims.len()).try_fold(0, |sum, d| {
            let index = (at / padded[d] % dims[d]).checked_sub(before[d])?;
            (index < data.shape()[d]).then_some(sum + index * own[d])
        });
        inside.map_or((1, 0), |at| (0, at))
    };
    pick(&[data, &fill], &dims, call.limit, (0..element_count(&dims)?).map(source))
}

/// The elements of a shape-like tensor.
fn dims_of(tensor: &Tensor) -> Option<Vec<usize>> {
    tensor.to_i64s()?.into_iter().map(|n| usize::try_from(n).ok()).collect()
}
