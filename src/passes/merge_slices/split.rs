//! Slices that cover an axis of one value become a `Split`.

use super::ranges::{Range, ranges};
use crate::ir::{NodeId, Use, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// Starts at the first of the slices.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let value = cx.node(node).input(0)?;
    let here = single(cx, node)?;
    if here.start != 0 || here.count == here.size {
        return None;
    }
    let mut parts: Vec<(Range, ValueId)> = Vec::new();
    for reader in cx.graph.value(value).uses() {
        let Use::Operand { node: slice, index: 0 } = *reader else { continue };
        if cx.node(slice).region() != cx.node(node).region() {
            continue;
        }
        if let Some(range) = single(cx, slice).filter(|r| r.axis == here.axis) {
            parts.push((range, cx.node(slice).outputs()[0]));
        }
    }
    parts.sort_unstable_by_key(|(r, _)| r.start);
    let mut at = 0;
    for (range, _) in &parts {
        if range.start != at {
            return None;
        }
        at += range.count;
    }
    if at != here.size || parts.len() < 2 {
        return None;
    }
    Some(split(cx, value, &parts, here.axis))
}

/// The range of a slice of consecutive elements along one axis.
fn single(cx: &Context<'_>, node: NodeId) -> Option<Range> {
    match ranges(cx, node)?.as_slice() {
        [one] if one.step == 1 => Some(*one),
        _ => None,
    }
}

fn split(cx: &Context<'_>, value: ValueId, parts: &[(Range, ValueId)], axis: usize) -> Patch {
    let sizes: Vec<i64> = parts.iter().map(|(r, _)| r.count).collect();
    let mut patch = Patch::new();
    let mut inputs = vec![Ref::Old(value)];
    if cx.opset() >= 13 {
        inputs.push(patch.constant(Tensor::vector(&sizes)));
    }
    let outputs = patch.node_with_outputs("Split", inputs, sizes.len() as u32);
    patch.set_attr("axis", axis as i64);
    if cx.opset() < 13 {
        patch.set_attr("split", sizes);
    }
    for ((_, old), new) in parts.iter().zip(outputs) {
        patch.replace(*old, new);
    }
    patch
}
