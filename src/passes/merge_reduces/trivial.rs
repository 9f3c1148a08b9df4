//! A reduction over dims of 1, or over none.

use super::reduction::Reduction;
use crate::ir::NodeId;
use crate::passes::reduction::over_axes;
use crate::rewrite::{Context, Miss, Patch};

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    if !matches!(n.op().name, "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum") {
        return Err(Miss::Silent);
    }
    let Reduction { x, axes, keep, .. } = Reduction::read(cx, node).ok_or(Miss::Silent)?;
    let dims = cx.graph.shape(x).ok_or(Miss::Silent)?;
    if !axes.iter().all(|&a| dims[a].as_fixed() == Some(1)) {
        return Err(Miss::Silent);
    }
    if keep || axes.is_empty() {
        return Ok(Patch::forward(n.outputs()[0], x));
    }
    let axes: Vec<i64> = axes.into_iter().map(|a| a as i64).collect();
    let mut patch = Patch::new();
    over_axes(cx, &mut patch, "Squeeze", x, &axes);
    Ok(patch)
}
