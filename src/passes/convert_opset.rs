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
//! know, one that the target does not take at the newer opset, `BatchNormalization` with statistics for each position, outputs that the newer version does not have, a `Resize` that
//! grows one axis and shrinks another, and whatever depends on a type or shape that is not known.
//!
//! The IR version is raised to what the opset needs. From IR 4 on an initializer need not be a graph input:
//! one that was listed as an input only because older versions demand it no longer is.
//!
//! Reassociates: every operator computes the same formula, and almost all give the same bits, but a runtime may add
//! in another order for the newer version, as ONNX Runtime does for `AveragePool` from 19 on. Opsets are never
//! lowered, and other domains stay as they are.

mod adapters;
mod draft;
mod edit;
mod resize;
mod softmax;
mod steps;
#[cfg(test)]
mod tests;

use crate::analysis::{Env, Facts};
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::{Def, Graph, Model, Node, NodeId, OpId, Opsets, ValueId};
use crate::rewrite::{Exactness, Meta, OpsetRequest, Pass, PassContext, PassStats, Work};
use crate::schema::min_ir_version;
use crate::target::Target;
use edit::Edit;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use steps::{Refusal, plan};

/// The oldest opset that is raised: broadcasting had other rules before.
pub const OLDEST: i64 = 7;

/// IR version from which on an initializer need not be a graph input.
const IR_WITHOUT_LISTING: i64 = 4;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct ConvertOpset;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(ConvertOpset)
}

const META: Meta = Meta {
    id: "convert-opset",
    summary: "the default domain's opset is raised, and every node with it",
    exactness: Exactness::Reassociates,
    since_opset: OLDEST,
    emits: &[
        OpId::onnx("Constant"),
        OpId::onnx("Flatten"),
        OpId::onnx("Reshape"),
        OpId::onnx("Resize"),
        OpId::onnx("ScatterElements"),
        OpId::onnx("Shape"),
    ],
};

impl Pass for ConvertOpset {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let to = match cx.opset {
            OpsetRequest::Keep => return Ok(PassStats::default()),
            OpsetRequest::Version(to) => to,
            OpsetRequest::Latest => newest(cx.target),
        };
        Ok(convert(model, to, cx.target, cx.facts, cx.diags))
    }
}

/// Raises the default domain's opset to `to`, or as far as the target and all nodes can go.
///
/// Counts the rewritten nodes and the import; nothing is counted where the model stays as it is. Types and
/// shapes should be known as far as they can be.
pub fn convert(
    model: &mut Model,
    to: i64,
    target: &Target,
    facts: &mut Facts,
    diags: &mut Diags,
) -> PassStats {
    let mut stats = PassStats::default();
    let Some(from) = model.opsets.get("") else {
        return stats;
    };
    let wanted = to.min(newest(target));
    if wanted < to {
        let why = format!("opset {to} is newer than {wanted}, the newest that target '{}' takes", target.id);
        diags.warn(KEPT, None, why);
    }
    if to < from {
        diags.warn(KEPT, None, format!("the model has opset {from}, and opsets are never lowered"));
    }
    if wanted <= from {
        return stats;
    }
    if from < OLDEST {
        let why = format!("the model has opset {from}, and only {OLDEST} and newer are converted");
        diags.warn(KEPT, None, why);
        return stats;
    }
    if let Some(decision) = decide(&Scope::new(model, target), from, wanted, &mut stats, diags) {
        stats.applied = apply(model, decision, facts) + 1;
    }
    stats
}

/// Code of the remark that the opset asked for is not reached.
const KEPT: &str = "opset-kept";

/// The newest opset that a target takes within the IR versions that it takes.
fn newest(target: &Target) -> i64 {
    let fits = |opset: &i64| min_ir_version("", *opset).is_some_and(|ir| ir <= target.ir.max);
    (target.opset.min..=target.opset.max).rev().find(fits).unwrap_or(target.opset.min)
}

/// What is to be done to reach an opset: edits of the graph, then of each function.
struct Decision {
    opset: i64,
    graphs: Vec<Vec<Edit>>,
}

/// Finds the highest opset not above `wanted` that every node can reach.
fn decide(
    scope: &Scope<'_>,
    from: i64,
    wanted: i64,
    stats: &mut PassStats,
    diags: &mut Diags,
) -> Option<Decision> {
    let mut opset = wanted;
    loop {
        let (graphs, refusals) = scope.plan_all(from, opset);
        let Some(reachable) = refusals.iter().map(|(_, r)| r.since - 1).min() else {
            return Some(Decision { opset, graphs });
        };
        let reachable = reachable.max(from);
        for (place, refusal) in &refusals {
            stats.miss(&refusal.reason, || graph_at(scope.model, *place).label(refusal.node));
        }
        report(scope.model, &refusals, reachable, opset, diags);
        if reachable == from {
            return None;
        }
        opset = reachable;
    }
}

/// What decides besides the node itself.
struct Scope<'a> {
    model: &'a Model,
    target: &'a Target,
    /// Domain and name of the model's functions.
    local: FxHashSet<(&'a str, &'a str)>,
}

impl<'a> Scope<'a> {
    fn new(model: &'a Model, target: &'a Target) -> Self {
        let local = model.functions.iter().map(|f| (f.domain.as_str(), f.name.as_str())).collect();
        Self { model, target, local }
    }

    /// Plans every graph; refusals come with the graph's place, 0 for the main one.
    fn plan_all(&self, from: i64, to: i64) -> (Vec<Vec<Edit>>, Vec<(usize, Refusal)>) {
        let mut refusals = Vec::new();
        let plans = graphs(self.model)
            .enumerate()
            .map(|(place, (graph, opsets))| {
                let from = if place == 0 { Some(from) } else { opsets.get("") };
                let Some(from) = from.filter(|&from| from < to) else {
                    return Vec::new();
                };
                let mut edits = Vec::new();
                for (id, node) in graph.nodes().filter(|(_, node)| self.is_standard(node)) {
                    match self.plan_node(graph, id, node, from, to) {
                        Ok(edit) => edits.extend(edit),
                        Err(refusal) => refusals.push((place, refusal)),
                    }
                }
                edits
            })
            .collect();
        (plans, refusals)
    }

    fn plan_node(
        &self,
        graph: &Graph,
        id: NodeId,
        node: &Node,
        from: i64,
        to: i64,
    ) -> Result<Option<Edit>, Refusal> {
        let refused = |since, reason| Err(Refusal { node: id, since, reason });
        if from < OLDEST {
            let reason = format!("its function has opset {from}, and only {OLDEST} and newer are converted");
            return refused(0, reason);
        }
        match self.target.newest_opset.get(node.op().name) {
            Some(&newest) if from <= newest && newest < to => {
                let reason = format!("target '{}' does not take it beyond opset {newest}", self.target.id);
                refused(newest + 1, reason)
            }
            _ => plan(graph, id, from, to),
        }
    }

    /// Whether a node computes an op of the default domain and calls no function of the model.
    fn is_standard(&self, node: &Node) -> bool {
        let op = node.op();
        op.domain.is_empty() && ["", "ai.onnx"].iter().all(|d| !self.local.contains(&(*d, op.name)))
    }
}

/// The main graph, then the functions in order.
fn graphs(model: &Model) -> impl Iterator<Item = (&Graph, &Opsets)> {
    std::iter::once((&model.graph, &model.opsets))
        .chain(model.functions.iter().map(|f| (&f.graph, &f.opsets)))
}

/// The main graph for 0, else a function's.
fn graph_at(model: &Model, place: usize) -> &Graph {
    graphs(model).nth(place).map_or(&model.graph, |(graph, _)| graph)
}

/// One warning for each op and reason that holds the model at `reachable`.
fn report(model: &Model, refusals: &[(usize, Refusal)], reachable: i64, wanted: i64, diags: &mut Diags) {
    let mut grouped: BTreeMap<(&str, &str), (String, usize)> = BTreeMap::new();
    for (place, refusal) in refusals.iter().filter(|(_, r)| r.since <= reachable + 1) {
        let graph = graph_at(model, *place);
        let key = (graph.node(refusal.node).op().name, refusal.reason.as_str());
        let entry = grouped.entry(key).or_insert_with(|| (graph.label(refusal.node), 0));
        entry.1 += 1;
    }
    for ((op, reason), (at, count)) in grouped {
        let more = if count > 1 { format!(", and {} more like it", count - 1) } else { String::new() };
        let message = format!(
            "opset {wanted} is not reached, only {reachable}: {op} cannot be converted: {reason}{more}"
        );
        diags.warn(KEPT, Some(&at), message);
    }
}

/// Writes a decision; gives back how many nodes were rewritten.
fn apply(model: &mut Model, decision: Decision, facts: &mut Facts) -> usize {
    let Decision { opset, graphs } = decision;
    let count = graphs.iter().map(Vec::len).sum();
    let mut graphs = graphs.into_iter();
    model.opsets.set("", opset);
    let mut untyped = Vec::new();
    for edit in graphs.next().unwrap_or_default() {
        untyped.extend(edit.apply(&mut model.graph, false));
    }
    for (function, edits) in model.functions.iter_mut().zip(graphs) {
        for edit in edits {
            edit.apply(&mut function.graph, true);
        }
        if function.opsets.get("").is_some_and(|own| own < opset) {
            function.opsets.set("", opset);
        }
    }
    let env = Env { opsets: &model.opsets, functions: &model.functions };
    for node in untyped {
        facts.infer_node(&mut model.graph, &env, node);
    }
    raise_ir(model, opset);
    count
}

fn raise_ir(model: &mut Model, opset: i64) {
    let needed = min_ir_version("", opset).unwrap_or(model.ir_version);
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
