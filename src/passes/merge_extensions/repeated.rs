//! A `Tile` of a `Tile`, and of an `Expand` that repeats dims of 1, or the other way round.

use crate::ir::{Dim, NodeId};
use crate::passes::linear::sole_producer;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Repeats once as often as both.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let value = cx.node(node).input(0).ok_or(Miss::Silent)?;
    let inner = cx.graph.producer(value).ok_or(Miss::Silent)?;
    let (first, second) = (cx.node(inner).op(), cx.node(node).op());
    let repeats = first.is("Tile") || first.is("Expand") && second.is("Tile");
    if !repeats {
        return Err(Miss::Silent);
    }
    sole_producer(cx, value, node)?;
    let (Some(first), Some(second)) = (times(cx, inner), times(cx, node)) else {
        return Err(Miss::because("how often the two repeat is not known in numbers", value));
    };
    require!(first.len() == second.len(), value, "the two repeat different axes");
    let both: Option<Vec<i64>> = first.iter().zip(second).map(|(a, b)| a.checked_mul(b)).collect();
    let mut patch = Patch::new();
    let both = patch.constant(Tensor::vector(&both.ok_or(Miss::Silent)?));
    patch.node("Tile", [Ref::from(cx.node(inner).input(0)), both]);
    Ok(patch)
}

/// How often each axis is repeated.
fn times(cx: &Context<'_>, node: NodeId) -> Option<Vec<i64>> {
    let n = cx.node(node);
    if n.op().is("Tile") {
        // Before opset 6 it repeats one axis.
        let times = cx.constant_ints(n.input(1)?)?;
        return (n.inputs().len() == 2 && cx.opset() >= 6).then_some(times);
    }
    let (from, to) = (cx.graph.shape(n.input(0)?)?, cx.graph.shape(n.outputs()[0])?);
    let times = |(from, to): (&Dim, &Dim)| match from.same(to).is_proven() {
        true => Some(1),
        false => (from.as_fixed() == Some(1)).then(|| i64::try_from(to.as_fixed()?).ok())?,
    };
    if from.len() == to.len() { from.iter().zip(to).map(times).collect() } else { None }
}
