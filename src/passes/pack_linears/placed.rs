//! What a compiler that places products computes at once as it is.

use super::branch::Branch;
use crate::ir::{NodeId, Use, ValueId};
use crate::passes::layout::is_move;
use crate::rewrite::Context;

/// How many readers are looked at, all in all.
const MOST_READERS: usize = 64;

/// Whether nothing is added to the product, and nothing but other products reads its elements, behind movements and
/// scaling.
pub(super) fn is_placed(cx: &Context<'_>, branch: &Branch) -> bool {
    if branch.bias.is_some() || cx.graph.value(branch.product).uses().is_empty() {
        return false;
    }
    let (mut pending, mut left) = (vec![branch.product], MOST_READERS);
    while let Some(value) = pending.pop() {
        for reader in cx.graph.value(value).uses() {
            let (Use::Operand { node, .. }, true) = (*reader, left > 0) else { return false };
            left -= 1;
            if ["MatMul", "Shape", "Size"].iter().any(|op| cx.node(node).op().is(op)) {
                continue;
            }
            if !passes_on(cx, node, value) {
                return false;
            }
            pending.push(cx.node(node).outputs()[0]);
        }
    }
    true
}

/// Whether the node moves the value's elements, or scales them by one number.
fn passes_on(cx: &Context<'_>, node: NodeId, value: ValueId) -> bool {
    let n = cx.node(node);
    let scales = n.op().is("Mul") || n.op().is("Div") && n.input(0) == Some(value);
    is_move(cx, node) || scales && n.inputs().flatten().any(|v| v != value && cx.uniform(v).is_some())
}
