//! A `Concat` of a `Concat`, and of all parts of a `Split`.

use super::ranges::axis;
use crate::ir::{NodeId, ValueId};
use crate::rewrite::{Context, Patch, Ref};

/// The axis of a `Concat`.
fn joins(cx: &Context<'_>, node: NodeId) -> Option<usize> {
    let n = cx.node(node);
    if !n.op().is("Concat") || !n.op().domain.is_empty() {
        return None;
    }
    axis(cx.int(node, "axis")?, cx.graph.rank(n.outputs()[0])?)
}

/// Operands that are concatenations along the same axis give their operands.
pub(super) fn flatten(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let at = joins(cx, node)?;
    let mut inputs: Vec<Ref> = Vec::new();
    let mut flattened = false;
    for operand in cx.node(node).inputs() {
        let operand = operand?;
        match nested(cx, node, operand, at) {
            Some(inner) => {
                inputs.extend(cx.node(inner).inputs().map(Ref::from));
                flattened = true;
            }
            None => inputs.push(Ref::Old(operand)),
        }
    }
    flattened.then(|| Patch::op("Concat", inputs).attr("axis", at as i64))
}

fn nested(cx: &Context<'_>, node: NodeId, operand: ValueId, at: usize) -> Option<NodeId> {
    let inner = cx.graph.producer(operand)?;
    let own = cx.graph.value(operand).uses().len() == 1 && cx.node(inner).region() == cx.node(node).region();
    (own && joins(cx, inner) == Some(at)).then_some(inner)
}

/// All parts in their order are the whole.
pub(super) fn of_split(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let at = joins(cx, node)?;
    let operands: Vec<ValueId> = cx.node(node).inputs().collect::<Option<_>>()?;
    let split = cx.graph.producer(*operands.first()?)?;
    let n = cx.node(split);
    let whole = n.input(0).filter(|_| n.op().is("Split") && n.op().domain.is_empty())?;
    let along = axis(cx.int(split, "axis")?, cx.graph.rank(whole)?)?;
    (along == at && n.outputs() == operands.as_slice())
        .then(|| Patch::forward(cx.node(node).outputs()[0], whole))
}
