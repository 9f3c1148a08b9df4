//! `convert-opset`: raises the opset of the default domain, node by node, with the same meaning.
//!
//! ```text
//! y = Unsqueeze<axes=[0]>(x)          opset 11
//!   ->  y = Unsqueeze(x, [0])         opset 13
//! ```
//!
//! Every version of an op between the two opsets is a step. A step needs nothing where the newer schema only
//! widens the older one; it is adapted where an attribute became an operand (`Squeeze`, `Unsqueeze`, `Reduce*`, `Slice`,
//! `Pad`, `Clip`, `Split`, `TopK`, `Dropout`, `DFT`), where an op was renamed (`Scatter`, `Upsample`) or where a default changed
//! (`Softmax` and its kin, `Resize`, `RoiAlign`, `GridSample`, `GroupNormalization`, `BatchNormalization`).
//! `Softmax` over several dims becomes `Flatten`, `Softmax`, `Reshape`.
//!
//! All nodes of the default domain go, in the graph, in nested bodies and in functions whose own import is
//! older, or none does. Where a node cannot be converted the model is raised as far as all nodes can go,
//! and a warning `opset-kept` names the node and the reason. Refused are among others: an op that the schemas do not
//! know, `BatchNormalization` with statistics for each position, outputs that the newer version does not have, a `Resize` that
//! grows one axis and shrinks another, and whatever depends on a type or shape that is not known.
//!
//! The IR version is raised to what the opset needs. From IR 4 on an initializer need not be a graph input:
//! one that was listed as an input only because older versions demand it no longer is.
//!
//! Exact: the operators compute what they did. Opsets are never lowered, and other domains stay as they are.

mod adapters;
mod draft;
mod edit;
mod resize;
mod softmax;
mod steps;
#[cfg(test)]
mod tests;

use crate::diag::Diags;
use crate::ir::{Def, Graph, Model, Node, NodeId, Opsets, ValueId};
use crate::schema::min_ir_version;
use edit::Edit;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use steps::{Refusal, plan};

/// The newest opset of the default domain that is written. ONNX Runtime 1.31 refuses newer ones.
pub const LATEST: i64 = 26;

/// The oldest opset that is raised: broadcasting had other rules before.
pub const OLDEST: i64 = 7;

/// The newest IR version that is written. ONNX Runtime 1.31 refuses newer ones.
const LATEST_IR: i64 = 13;

/// IR version from which on an initializer need not be a graph input.
const IR_WITHOUT_LISTING: i64 = 4;

/// Raises the default domain's opset to `to`, or as far as all nodes can go; gives back how many nodes were rewritten.
///
/// `None` where the model stays as it is. Shapes and types should be known as far as they can be.
pub fn convert(model: &mut Model, to: i64, diags: &mut Diags) -> Option<usize> {
    let from = model.opsets.get("")?;
    let wanted = to.min(LATEST);
    if wanted < to {
        diags.warn(
            "opset-kept",
            None,
            format!("opset {to} is newer than {LATEST}, the newest that is written"),
        );
    }
    if wanted < from {
        diags.warn("opset-kept", None, format!("the model has opset {from}, and opsets are never lowered"));
    }
    if wanted <= from {
        return None;
    }
    if from < OLDEST {
        let why = format!("the model has opset {from}, and only {OLDEST} and newer are converted");
        diags.warn("opset-kept", None, why);
        return None;
    }
    let decided = decide(model, from, wanted, diags)?;
    Some(apply(model, decided, from))
}

/// What is to be done to reach an opset: edits of the graph, then of each function.
struct Decision {
    opset: i64,
    graphs: Vec<Vec<Edit>>,
}

/// Finds the highest opset not above `wanted` that every node can reach.
fn decide(model: &Model, from: i64, wanted: i64, diags: &mut Diags) -> Option<Decision> {
    let local = local_ops(model);
    let mut opset = wanted;
    loop {
        let (graphs, refusals) = plan_all(model, &local, from, opset);
        let Some(reachable) = refusals.iter().map(|(_, r)| r.since - 1).min() else {
            return Some(Decision { opset, graphs });
        };
        let reachable = reachable.max(from);
        report(model, &refusals, reachable, opset, diags);
        if reachable == from {
            return None;
        }
        opset = reachable;
    }
}

/// Plans every graph; refusals come with the graph's place, 0 for the main one.
fn plan_all(
    model: &Model,
    local: &FxHashSet<(&str, &str)>,
    from: i64,
    to: i64,
) -> (Vec<Vec<Edit>>, Vec<(usize, Refusal)>) {
    let mut refusals = Vec::new();
    let plans = graphs(model)
        .enumerate()
        .map(|(place, (graph, opsets))| {
            let from = if place == 0 { Some(from) } else { opsets.get("") };
            let Some(from) = from.filter(|&from| from < to) else {
                return Vec::new();
            };
            let mut edits = Vec::new();
            for (id, node) in graph.nodes().filter(|(_, node)| is_standard(node, local)) {
                match plan_node(graph, id, node, from, to) {
                    Ok(edit) => edits.extend(edit),
                    Err(refusal) => refusals.push((place, refusal)),
                }
            }
            edits
        })
        .collect();
    (plans, refusals)
}

fn plan_node(graph: &Graph, id: NodeId, node: &Node, from: i64, to: i64) -> Result<Option<Edit>, Refusal> {
    if from < OLDEST {
        let reason = format!("its function has opset {from}, and only {OLDEST} and newer are converted");
        return Err(Refusal { node: id, since: 0, reason });
    }
    if node.outputs().is_empty() {
        return Ok(None);
    }
    plan(graph, id, from, to)
}

/// The main graph, then the functions in order.
fn graphs(model: &Model) -> impl Iterator<Item = (&Graph, &Opsets)> {
    std::iter::once((&model.graph, &model.opsets))
        .chain(model.functions.iter().map(|f| (&f.graph, &f.opsets)))
}

fn local_ops(model: &Model) -> FxHashSet<(&str, &str)> {
    model.functions.iter().map(|f| (f.domain.as_str(), f.name.as_str())).collect()
}

/// Whether a node computes an op of the default domain and calls no function of the model.
fn is_standard(node: &Node, local: &FxHashSet<(&str, &str)>) -> bool {
    let op = node.op();
    op.domain.is_empty() && !local.contains(&("", op.name)) && !local.contains(&("ai.onnx", op.name))
}

/// One warning for each op and reason that holds the model at `reachable`.
fn report(model: &Model, refusals: &[(usize, Refusal)], reachable: i64, wanted: i64, diags: &mut Diags) {
    let mut grouped: BTreeMap<(&str, &str), (String, usize)> = BTreeMap::new();
    for (place, refusal) in refusals.iter().filter(|(_, r)| r.since <= reachable + 1) {
        let graph = graphs(model).nth(*place).map_or(&model.graph, |(graph, _)| graph);
        let node = graph.node(refusal.node);
        let entry =
            grouped.entry((node.op().name, &refusal.reason)).or_insert_with(|| (label(graph, node), 0));
        entry.1 += 1;
    }
    for ((op, reason), (at, count)) in grouped {
        let more = if count > 1 { format!(", and {} more like it", count - 1) } else { String::new() };
        let message = format!(
            "opset {wanted} is not reached, only {reachable}: {op} cannot be converted: {reason}{more}"
        );
        diags.warn("opset-kept", Some(&at), message);
    }
}

/// The node's name, or that of its first output.
fn label(graph: &Graph, node: &Node) -> String {
    if !node.name().is_empty() {
        return node.name().to_string();
    }
    node.outputs().first().map(|&o| graph.value(o).name().to_string()).unwrap_or_default()
}

fn apply(model: &mut Model, decision: Decision, from: i64) -> usize {
    let Decision { opset, graphs } = decision;
    let mut edits = graphs.into_iter();
    let count = edits.as_slice().iter().map(Vec::len).sum();
    for edit in edits.next().unwrap_or_default() {
        edit.apply(&mut model.graph, false);
    }
    for (function, edits) in model.functions.iter_mut().zip(edits) {
        for edit in edits {
            edit.apply(&mut function.graph, true);
        }
        if function.opsets.get("").is_some_and(|own| own < opset) {
            function.opsets.set("", opset);
        }
    }
    debug_assert!(from < opset);
    model.opsets.set("", opset);
    raise_ir(model, opset);
    count
}

fn raise_ir(model: &mut Model, opset: i64) {
    let needed = min_ir_version("", opset).unwrap_or(LATEST_IR).min(LATEST_IR);
    if model.ir_version < IR_WITHOUT_LISTING && needed >= IR_WITHOUT_LISTING {
        let graph = &mut model.graph;
        let listed: Vec<ValueId> = graph
            .value_ids()
            .filter(|&v| matches!(graph.value(v).def(), Def::Initializer { listed: true, .. }))
            .collect();
        for value in listed {
            graph.set_listed(value, false);
        }
    }
    model.ir_version = model.ir_version.max(needed);
}
