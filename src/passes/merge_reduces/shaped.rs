//! A movement that adds the dims which a reduction has dropped, or drops those which it has kept.

use super::reduction::Reduction;
use crate::ir::NodeId;
use crate::passes::linear::{same_dims, sole_producer};
use crate::rewrite::{Context, Miss, Patch};

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let moved = n.input(0).ok_or(Miss::Silent)?;
    let producer = cx.graph.producer(moved).ok_or(Miss::Silent)?;
    let mut reduction = Reduction::read(cx, producer).filter(|r| !r.axes.is_empty()).ok_or(Miss::Silent)?;
    sole_producer(cx, moved, node)?;
    reduction.keep = !reduction.keep;
    let (is, will) = (cx.graph.shape(n.outputs()[0]), reduction.shape(cx));
    let (Some(is), Some(will)) = (is, will) else {
        return Err(Miss::because("the shape of the reduction is not known", moved));
    };
    if !same_dims(is, &will) {
        return Err(Miss::because(
            "the shape is another than the reduction's with its axes kept or without",
            moved,
        ));
    }
    let mut patch = Patch::new();
    reduction.emit(cx, &mut patch);
    Ok(patch)
}
