//! Movements in a row that keep the order of the elements are one `Reshape`, whatever lies between.

use super::super::layout::{Known, Step, is_move, realize};
use super::between::known_shape;
use crate::ir::{NodeId, ValueId};
use crate::passes::linear::same_dims;
use crate::rewrite::{Context, Miss, Patch, Ref};

/// Reads the furthest value of which the last one of the row is a reshape.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    if !keeps_order(cx, node) {
        return Err(Miss::Silent);
    }
    let out = cx.node(node).outputs()[0];
    let Some(shape) = cx.graph.shape(out) else { return Err(Miss::Silent) };
    let mut known: Known = known_shape(cx, node).into_iter().collect();
    let mut sources: Vec<ValueId> = Vec::new();
    let mut at = node;
    while let Some(value) = cx.node(at).input(0) {
        sources.push(value);
        match cx.graph.producer(value) {
            Some(next) if keeps_order(cx, next) && cx.node(next).region() == cx.node(node).region() => {
                at = next
            }
            _ => break,
        }
        known.extend(known_shape(cx, at));
    }
    for &source in sources[1..].iter().rev() {
        let Some(given) = cx.graph.shape(source) else { continue };
        if same_dims(given, shape) {
            return Ok(Patch::forward(out, source));
        }
        if let Some(ops) = realize(cx, given, &[Step::Reshape(shape.to_vec())], &known) {
            let mut patch = Patch::new();
            let new = ops.iter().fold(Ref::Old(source), |x, op| op.write(cx, &mut patch, x));
            patch.replace(out, new);
            return Ok(patch);
        }
    }
    Err(if sources.len() > 1 { Miss::because("the new shape cannot be written", out) } else { Miss::Silent })
}

fn keeps_order(cx: &Context<'_>, node: NodeId) -> bool {
    is_move(cx, node) && !cx.node(node).op().is("Transpose") && cx.node(node).op().domain.is_empty()
}
