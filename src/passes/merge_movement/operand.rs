//! A constant that broadcasts, moved as the value that it meets.

use super::super::layout::Axes;
use super::between::is_number;
use crate::ir::{Dim, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::{Expr, Tensor};

/// Larger constants that are read elsewhere too are not written twice.
const LARGE: usize = 4096;

/// The operand that meets in `to` what `value` meets in `from`. `None` where there is none such.
pub(super) fn moved(
    cx: &Context<'_>,
    patch: &mut Patch,
    value: ValueId,
    sizes: &[Dim],
    from: &Axes,
    to: &Axes,
) -> Option<Ref> {
    if is_number(cx, value) && cx.graph.rank(value)? <= to.len() {
        return Some(Ref::Old(value));
    }
    let tensor = cx.graph.const_value(value)?;
    let moved = tensor_moved(&tensor, sizes, from, to)?;
    if moved.same_shape_and_order {
        return Some(Ref::Old(value));
    }
    if tensor.byte_len() > LARGE && cx.graph.value(value).uses().len() > 1 {
        return None;
    }
    Some(patch.constant(moved.tensor))
}

struct Moved {
    tensor: Tensor,
    same_shape_and_order: bool,
}

fn tensor_moved(tensor: &Tensor, sizes: &[Dim], from: &Axes, to: &Axes) -> Option<Moved> {
    let skip = from.len().checked_sub(tensor.rank())?;
    let size = |f: usize| sizes[f].as_fixed().and_then(|n| usize::try_from(n).ok());
    let mut covered = Vec::new();
    for (axis, &dim) in from[skip..].iter().zip(tensor.shape()) {
        if dim != 1 {
            let full = axis.iter().try_fold(1usize, |n, &f| n.checked_mul(size(f)?))?;
            if full != dim {
                return None;
            }
            covered.extend(axis.iter().copied());
        }
    }
    let mut shape = Vec::with_capacity(to.len());
    let mut wanted = Vec::with_capacity(covered.len());
    for axis in to {
        let met = axis.iter().filter(|f| covered.contains(f)).count();
        if met != 0 && met != axis.len() {
            return None;
        }
        let dims = if met == 0 { &[] } else { axis.as_slice() };
        shape.push(dims.iter().try_fold(1usize, |n, &f| n.checked_mul(size(f)?))?);
        wanted.extend_from_slice(dims);
    }
    let ones = shape.iter().take_while(|&&d| d == 1).count();
    let ones = ones.min(shape.len().saturating_sub(tensor.rank()));
    let shape = &shape[ones..];
    if wanted == covered {
        let same = shape == tensor.shape();
        return Some(Moved { tensor: tensor.reshaped(shape).ok()?, same_shape_and_order: same });
    }
    let perm: Vec<usize> =
        wanted.iter().map(|w| covered.iter().position(|c| c == w)).collect::<Option<_>>()?;
    let dims: Vec<usize> = covered.iter().map(|&f| size(f)).collect::<Option<_>>()?;
    let of = tensor.reshaped(&dims).ok()?;
    let turned = Tensor::from_expr(Expr::Transpose { of, perm }).ok()?;
    Some(Moved { tensor: turned.reshaped(shape).ok()?, same_shape_and_order: false })
}
