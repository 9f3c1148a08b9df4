//! A `Slice` of a `Slice`, and of a `Concat`.

use super::ranges::{Range, axis, ranges};
use crate::ir::{NodeId, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// One `Slice` along all axes of two.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let value = cx.node(node).input(0)?;
    let inner = cx.graph.producer(value)?;
    let own = cx.graph.value(value).uses().len() == 1 && cx.node(inner).region() == cx.node(node).region();
    if !own || cx.opset() < 10 {
        return None;
    }
    let mut all = ranges(cx, inner)?;
    for outer in ranges(cx, node)? {
        match all.iter_mut().find(|r| r.axis == outer.axis) {
            Some(r) => {
                r.start = r.index(outer.start);
                r.step = r.step.checked_mul(outer.step)?;
                r.count = outer.count;
            }
            None => all.push(outer),
        }
    }
    all.sort_unstable_by_key(|r| r.axis);
    Some(slice(cx.node(inner).input(0)?, &all))
}

fn slice(value: ValueId, ranges: &[Range]) -> Patch {
    let mut patch = Patch::new();
    let mut vector = |of: &dyn Fn(&Range) -> i64| {
        patch.constant(Tensor::vector(&ranges.iter().map(of).collect::<Vec<i64>>()))
    };
    let starts = vector(&|r| r.start);
    let ends = vector(&|r| {
        let last = r.index(r.count - 1);
        // Before the first element lies no index that would not be counted from the end.
        if r.step > 0 {
            last + 1
        } else if last == 0 {
            i64::MIN
        } else {
            last - 1
        }
    });
    let axes = vector(&|r| r.axis as i64);
    let mut inputs = vec![Ref::Old(value), starts, ends, axes];
    if ranges.iter().any(|r| r.step != 1) {
        inputs.push(vector(&|r| r.step));
    }
    patch.node("Slice", inputs);
    patch
}

/// The operand of a `Concat` of which just all is taken.
pub(super) fn of_concat(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let joined = cx.node(node).input(0)?;
    let concat = cx.graph.producer(joined)?;
    let n = cx.node(concat);
    if !n.op().is("Concat") || !n.op().domain.is_empty() {
        return None;
    }
    let found = ranges(cx, node)?;
    let &[range] = found.as_slice() else { return None };
    if range.step != 1 || range.axis != axis(cx.int(concat, "axis")?, cx.graph.rank(joined)?)? {
        return None;
    }
    let mut at = 0;
    for operand in n.inputs() {
        let operand = operand?;
        let size = i64::try_from(cx.graph.shape(operand)?.get(range.axis)?.as_fixed()?).ok()?;
        if at == range.start && size == range.count {
            return Some(Patch::forward(cx.node(node).outputs()[0], operand));
        }
        at += size;
    }
    None
}
