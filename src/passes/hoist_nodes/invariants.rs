//! What each iteration of a `Loop` or `Scan` computes anew from values outside.

use super::{lift, reads_outside, returned};
use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Attr, Graph, NodeId, Opsets, topological};
use crate::passes::equal::is_pure;
use crate::rewrite::Context;

/// Moves what does not change in front of the node, and gives back how many nodes that are.
pub(super) fn hoist(
    graph: &mut Graph,
    opsets: &Opsets,
    facts: &mut Facts,
    in_function: bool,
    id: NodeId,
) -> Result<usize> {
    let Some(Attr::Region(body)) = graph.node(id).attr("body") else { return Ok(0) };
    let body = *body;
    if !runs(&Context { graph, opsets, facts, in_function }, id) {
        return Ok(0);
    }
    let mut moved = 0;
    for inner in topological(graph, body)? {
        let node = graph.node(inner);
        let constant = node.outputs().iter().any(|&v| graph.is_const(v));
        let returns = node.outputs().iter().any(|&v| !returned(graph, v).is_empty());
        if constant || returns || node.inputs().len() == 0 || !reads_outside(graph, inner, body) {
            continue;
        }
        if is_pure(&Context { graph, opsets, facts, in_function }, inner) {
            lift(graph, inner, id);
            moved += 1;
        }
    }
    Ok(moved)
}

/// Whether there is at least one iteration.
fn runs(cx: &Context<'_>, id: NodeId) -> bool {
    let node = cx.node(id);
    if node.op().is("Loop") {
        let constant = |i: usize| cx.graph.const_value(node.input(i)?)?.as_int();
        let counts = node.input(0).is_none() || constant(0).is_some_and(|n| n > 0);
        return counts && (node.input(1).is_none() || constant(1).is_some_and(|go| go != 0));
    }
    let Some(scanned) = node.int("num_scan_inputs").and_then(|n| usize::try_from(n).ok()) else {
        return false;
    };
    let first = node.inputs().len().checked_sub(scanned);
    let axis = node.ints("scan_input_axes").and_then(|a| a.first().copied()).unwrap_or(0);
    let length = first.and_then(|first| {
        let shape = cx.graph.shape(node.input(first)?)?;
        let axis = if axis < 0 { axis.checked_add(i64::try_from(shape.len()).ok()?)? } else { axis };
        shape.get(usize::try_from(axis).ok()?)?.as_fixed()
    });
    cx.opset() >= 9 && scanned > 0 && length.is_some_and(|n| n > 0)
}
