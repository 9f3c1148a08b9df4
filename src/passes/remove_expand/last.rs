//! An `Expand` behind what is computed instead of before it.

use super::unexpanded;
use crate::ir::{Dim, NodeId, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::{Context, Patch, Ref};

/// The node on fewer elements, where the other operands are single ones.
pub(super) fn expanded(cx: &Context<'_>, node: NodeId, operands: &[ValueId]) -> Option<Patch> {
    let n = cx.node(node);
    if n.op().is("MatMul") {
        return None;
    }
    let is_single = |&v: &ValueId| cx.graph.shape(v).is_some_and(|s| s.iter().all(|d| *d == Dim::Fixed(1)));
    let mut wide = (0..operands.len()).filter(|&at| !is_single(&operands[at]));
    let (at, None) = (wide.next()?, wide.next()) else { return None };
    let value = operands[at];
    let expand = cx.node(cx.graph.producer_is(value, "Expand")?);
    let own = cx.graph.value(value).uses().len() == 1 && expand.region() == n.region();
    if !own || !same_shape(cx, value, n.outputs()[0]) {
        return None;
    }
    let plain = unexpanded(cx, value).filter(|&v| cx.graph.rank(v) == cx.graph.rank(value))?;
    let mut patch = Patch::new();
    let fewer = operands.iter().map(|&v| if v == value { plain } else { v });
    let few = patch.copy(n, fewer);
    let whole = patch.node("Expand", [few, Ref::from(expand.input(1))]);
    patch.replace(n.outputs()[0], whole);
    Some(patch)
}
