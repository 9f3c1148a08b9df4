//! What is known when a model is built: what follows from constants alone.

use crate::ir::{Graph, Node, NodeId, RegionId, ValueId, topological};
use crate::schema::{When, latest_opset, randomness};
use rustc_hash::FxHashSet;

/// The values that follow from constants alone.
pub(super) fn constants(graph: &Graph) -> FxHashSet<ValueId> {
    let mut found = FxHashSet::default();
    let mut pending = vec![RegionId::ROOT];
    while let Some(region) = pending.pop() {
        let Ok(order) = topological(graph, region) else { continue };
        for id in order {
            pending.extend(graph.node(id).regions());
            if follows(graph, id, &found) {
                found.extend(graph.node(id).outputs());
            }
        }
    }
    found
}

fn is_random(node: &Node) -> bool {
    let op = node.op();
    let newest = latest_opset(op.domain).unwrap_or(1);
    randomness(op.domain, op.name, newest) != When::Never
}

fn follows(graph: &Graph, id: NodeId, found: &FxHashSet<ValueId>) -> bool {
    let node = graph.node(id);
    let constant = |v: ValueId| graph.is_const(v) || found.contains(&v);
    let given =
        node.inputs().flatten().all(constant) && (node.inputs().len() > 0 || node.op().is("Constant"));
    given && node.regions().next().is_none() && !is_random(node)
}
