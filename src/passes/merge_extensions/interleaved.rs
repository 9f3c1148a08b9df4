//! An axis that is repeated in a new axis behind it, and then merged with that.

use crate::ir::{Dim, NodeId, ValueId};
use crate::passes::layout::moves_blocks;
use crate::passes::linear::{same_dims, sole_producer};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Indices that are written down at most.
const MOST: u64 = 1 << 16;

/// Picks each element several times.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let value = n.input(0).ok_or(Miss::Silent)?;
    let expand = cx.graph.producer(value).ok_or(Miss::Silent)?;
    let op = cx.node(expand).op();
    if !op.is("Expand") && !op.is("Tile") {
        return Err(Miss::Silent);
    }
    let found = Repeated::find(cx, expand, n.outputs()[0]).ok_or(Miss::Silent)?;
    sole_producer(cx, value, node)?;
    require!(!cx.in_function, value, "a function cannot hold the indices");
    let Repeated { x, axis, size, times } = found;
    let mut patch = Patch::new();
    if size == 1 {
        let rank = cx.graph.rank(x).ok_or(Miss::Silent)?;
        let sizes: Vec<i64> = (0..rank).map(|at| if at == axis { times } else { 1 }).collect();
        let sizes = patch.constant(Tensor::vector(&sizes));
        patch.node("Expand", [Ref::Old(x), sizes]);
        return Ok(patch);
    }
    require!(moves_blocks(cx, x, axis), value, "each index would move little");
    let indices: Vec<i64> = (0..size * times).map(|at| at / times).collect();
    let indices = patch.constant(Tensor::vector(&indices));
    patch.node("Gather", [Ref::Old(x), indices]);
    patch.set_attr("axis", axis as i64);
    Ok(patch)
}

/// A value, the axis of it that is repeated element by element, and how often.
struct Repeated {
    x: ValueId,
    axis: usize,
    size: i64,
    times: i64,
}

impl Repeated {
    fn find(cx: &Context<'_>, expand: NodeId, merged: ValueId) -> Option<Self> {
        let unsqueezed = cx.node(expand).input(0)?;
        let from = cx.graph.shape(unsqueezed)?;
        let to = cx.graph.shape(cx.node(expand).outputs()[0])?;
        let (axis, times) = stretched(from, to)?;
        let size = from.get(axis)?.as_fixed()?;
        size.checked_mul(times).filter(|&n| n <= MOST)?;
        let mut dims = from.to_vec();
        dims.remove(axis + 1);
        let x = before(cx, unsqueezed, &dims)?;
        dims[axis] = Dim::Fixed(size * times);
        let found = Self { x, axis, size: size as i64, times: times as i64 };
        same_dims(cx.graph.shape(merged)?, &dims).then_some(found)
    }
}

/// The axis before the only one that is stretched, and how often that is repeated.
fn stretched(from: &[Dim], to: &[Dim]) -> Option<(usize, u64)> {
    if from.len() != to.len() {
        return None;
    }
    let mut stretched = (0..from.len()).filter(|&at| !from[at].same(&to[at]).is_proven());
    let at = stretched.next().filter(|_| stretched.next().is_none())?;
    let times = to[at].as_fixed().filter(|_| from[at].as_fixed() == Some(1))?;
    Some((at.checked_sub(1)?, times))
}

/// What was reshaped to the value and has these dims.
fn before(cx: &Context<'_>, value: ValueId, dims: &[Dim]) -> Option<ValueId> {
    let movement = cx.graph.producer(value)?;
    let op = cx.node(movement).op();
    let x = cx.node(movement).input(0).filter(|_| op.is("Unsqueeze") || op.is("Reshape"))?;
    same_dims(cx.graph.shape(x)?, dims).then_some(x)
}
