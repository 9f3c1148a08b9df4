//! One element along an axis, taken in two steps.

use super::ranges::{axis, ranges};
use crate::ir::{NodeId, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// The only axis of a `Squeeze` or `Unsqueeze`, and its operand where nothing else reads it.
fn only_axis(cx: &Context<'_>, node: NodeId) -> Option<(i64, ValueId, NodeId)> {
    let n = cx.node(node);
    let value = n.input(0)?;
    let producer = cx.graph.producer(value)?;
    let own = cx.graph.value(value).uses().len() == 1 && cx.node(producer).region() == n.region();
    match cx.ints(node, 1, "axes")??.as_slice() {
        &[only] if own => Some((only, value, producer)),
        _ => None,
    }
}

/// `Squeeze(Slice(x, k:k+1))`
pub(super) fn slice(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let (at, value, slice) = only_axis(cx, node)?;
    let found = ranges(cx, slice)?;
    let &[range] = found.as_slice() else { return None };
    if range.count != 1 || axis(at, cx.graph.rank(value)?)? != range.axis {
        return None;
    }
    let mut patch = Patch::new();
    let index = patch.constant(Tensor::scalar(range.start));
    patch.node("Gather", [Ref::from(cx.node(slice).input(0)), index]);
    patch.set_attr("axis", range.axis as i64);
    Some(patch)
}

/// `Unsqueeze(Gather(x, k))`
pub(super) fn gather(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let (at, value, gather) = only_axis(cx, node)?;
    let n = cx.node(gather);
    let index = n.input(1).filter(|_| n.op().is("Gather") && n.op().domain.is_empty())?;
    let index = cx.graph.const_value(index).filter(|t| t.rank() == 0)?.as_int()?;
    let rank = cx.graph.rank(value)?.checked_add(1)?;
    if axis(at, rank)? != axis(cx.int(gather, "axis")?, rank)? {
        return None;
    }
    let mut patch = Patch::new();
    let index = patch.constant(Tensor::vector(&[index]));
    patch.node("Gather", [Ref::from(n.input(0)), index]);
    patch.set_attr("axis", cx.int(gather, "axis")?);
    Some(patch)
}
