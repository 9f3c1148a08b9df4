//! Optional outputs that nobody reads.

use super::is_omitted;
use crate::ir::NodeId;
use crate::rewrite::{Context, keeps_state};
use crate::schema::ParamOption;

/// The optional outputs of a node that are listed and not read.
pub(super) fn unread(cx: &Context<'_>, id: NodeId) -> Vec<usize> {
    let (node, Some(schema)) = (cx.node(id), cx.schema(id)) else { return Vec::new() };
    if !node.op().domain.is_empty() || keeps_state(cx.graph, id) || chooses(cx, id) {
        return Vec::new();
    }
    let idle = |i: &usize| {
        let output = node.outputs()[*i];
        schema.output(*i).is_some_and(|p| p.option == ParamOption::Optional)
            && cx.graph.value(output).uses().is_empty()
            && !is_omitted(cx.graph, output)
    };
    let idle: Vec<usize> = (0..node.outputs().len()).filter(idle).collect();
    // A node without any output is not a node.
    let some =
        (0..node.outputs().len()).any(|i| !idle.contains(&i) && !is_omitted(cx.graph, node.outputs()[i]));
    if some { idle } else { Vec::new() }
}

/// Whether the node does something else where an output is missing.
fn chooses(cx: &Context<'_>, id: NodeId) -> bool {
    match cx.node(id).op().name {
        "BatchNormalization" => cx.opset() < 14 || cx.int(id, "training_mode") != Some(0),
        "LSTM" | "GRU" | "RNN" => cx.opset() < 7,
        "Attention" => true,
        _ => false,
    }
}
