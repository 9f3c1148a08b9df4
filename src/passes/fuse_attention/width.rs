//! Whether ONNX Runtime itself knows the last dim of a value, without which it takes that of `Attention` for 0.

use crate::ir::{Def, RegionId, TensorType, Type, ValueId};
use crate::rewrite::Context;

/// Nodes that are looked through.
const LONGEST: usize = 8;

/// Whether it follows from declared inputs and constant weights.
pub(super) fn is_plain(cx: &Context<'_>, value: ValueId) -> bool {
    follows(cx, value, LONGEST)
}

fn follows(cx: &Context<'_>, value: ValueId, left: usize) -> bool {
    let given = cx.graph.value(value);
    if cx.graph.is_const(value) {
        // One number may be repeated.
        return cx.graph.shape(value).and_then(|dims| dims.last()?.as_fixed()).is_some_and(|last| last > 1);
    }
    let last = |ty: Option<&TensorType>| ty?.shape.as_ref()?.last()?.as_fixed();
    if let Def::Input { region: RegionId::ROOT, .. } = given.def() {
        return last(given.declared().and_then(Type::as_tensor)).is_some_and(|last| last > 1);
    }
    let Some(node) = cx.graph.producer(value).map(|id| cx.node(id)).filter(|_| left > 0) else {
        return false;
    };
    let known = |at: usize| node.input(at).is_some_and(|v| follows(cx, v, left - 1));
    let matrix = || node.input(1).and_then(|v| cx.graph.rank(v)).is_some_and(|rank| rank > 1);
    match (node.op().domain, node.op().name) {
        ("", "MatMul") => matrix() && known(1),
        ("", "Add" | "Sub" | "Mul" | "Div") => known(0) || known(1),
        ("", "Cast" | "LayerNormalization" | "RMSNormalization") => known(0),
        ("com.microsoft", "Attention") => known(2),
        ("", "Reshape") => {
            let sizes = node.input(1).and_then(|v| cx.graph.const_value(v)).and_then(|t| t.to_i64s());
            sizes.is_some_and(|s| s.last().is_some_and(|&last| last > 1))
        }
        _ => false,
    }
}
