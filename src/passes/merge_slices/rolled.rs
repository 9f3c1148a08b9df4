//! Slices of one value along the axis along which they are joined.

use super::super::layout::moves_blocks;
use super::ranges::{Range, axis, ranges};
use crate::ir::{NodeId, Use, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// More indices than this are not written down.
const MOST: i64 = 1 << 16;

/// One `Gather` in place of a `Concat` and its slices.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let at = axis(cx.int(node, "axis")?, cx.graph.rank(cx.node(node).outputs()[0])?)?;
    let mut indices = Vec::new();
    let mut whole: Option<ValueId> = None;
    for operand in cx.node(node).inputs() {
        let (range, value) = part(cx, node, operand?, at)?;
        if whole.is_some_and(|w| w != value) || range.size > MOST {
            return None;
        }
        whole = Some(value);
        indices.extend((0..range.count).map(|i| range.index(i)));
        if indices.len() as i64 > MOST {
            return None;
        }
    }
    let whole = whole.filter(|&w| moves_blocks(cx, w, at))?;
    let mut patch = Patch::new();
    let indices = patch.constant(Tensor::vector(&indices));
    patch.node("Gather", [Ref::Old(whole), indices]);
    patch.set_attr("axis", at as i64);
    Some(patch)
}

/// The range of a slice or of a part of a split that nothing else reads, and of what.
fn part(cx: &Context<'_>, node: NodeId, operand: ValueId, at: usize) -> Option<(Range, ValueId)> {
    let slice = cx.graph.producer(operand)?;
    let own = cx.graph.value(operand).uses().len() == 1 && cx.node(slice).region() == cx.node(node).region();
    if own && cx.node(slice).op().is("Split") {
        return split_part(cx, node, slice, operand, at);
    }
    let found = ranges(cx, slice).filter(|_| own)?;
    match found.as_slice() {
        &[range] if range.axis == at => Some((range, cx.node(slice).input(0)?)),
        _ => None,
    }
}

/// Where a part of a `Split` lies whose parts are all read by the `Concat` alone.
fn split_part(
    cx: &Context<'_>,
    node: NodeId,
    split: NodeId,
    operand: ValueId,
    at: usize,
) -> Option<(Range, ValueId)> {
    let n = cx.node(split);
    let value = n.input(0).filter(|_| n.op().domain.is_empty())?;
    let whole = cx.graph.shape(value)?;
    if axis(cx.int(split, "axis")?, whole.len())? != at {
        return None;
    }
    let mut start = 0;
    let mut found = None;
    for &output in n.outputs() {
        let ours = |u: &Use| matches!(u, Use::Operand { node: reader, .. } if *reader == node);
        let count = i64::try_from(cx.graph.shape(output)?.get(at)?.as_fixed()?).ok()?;
        if !cx.graph.value(output).uses().iter().all(ours) || count == 0 {
            return None;
        }
        if output == operand {
            let size = i64::try_from(whole[at].as_fixed()?).ok()?;
            found = Some((Range { axis: at, size, start, step: 1, count }, value));
        }
        start += count;
    }
    found
}
