//! Which nodes only move elements.

use crate::ir::NodeId;
use crate::rewrite::Context;

const MOVES: [&str; 5] = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"];

/// Whether the node only moves elements of its first operand.
pub(in crate::passes) fn is_move(cx: &Context<'_>, node: NodeId) -> bool {
    MOVES.iter().any(|name| cx.node(node).op().is(name))
}
