//! What both branches of an `If` compute.

use super::{lift, reads_outside, returned};
use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Attr, Graph, NodeId, Opsets, RegionId, Use, ValueId, topological};
use crate::passes::equal::{equal, is_pure};
use crate::rewrite::{Context, substitute, sweep};

/// Readers of a value that are looked at for a twin.
const MOST_READERS: usize = 256;

/// Moves what is in both branches in front of the `If`, and gives back how many nodes that are.
pub(super) fn hoist(
    graph: &mut Graph,
    opsets: &Opsets,
    facts: &mut Facts,
    in_function: bool,
    id: NodeId,
) -> Result<usize> {
    let (Some(yes), Some(no)) = (branch(graph, id, "then_branch"), branch(graph, id, "else_branch")) else {
        return Ok(0);
    };
    let outputs = graph.node(id).outputs().len();
    if [yes, no].iter().any(|&b| graph.region(b).outputs().len() != outputs) {
        return Ok(0);
    }
    let mut moved = 0;
    for node in topological(graph, yes)? {
        if graph.node(node).inputs().len() == 0 || !reads_outside(graph, node, yes) {
            continue;
        }
        let Some(twin) = twin(graph, node, no) else { continue };
        let pure = is_pure(&Context { graph, opsets, facts, in_function }, node);
        let Some(places) = places(graph, node, twin, (yes, no)).filter(|p| pure && may_return(graph, id, p))
        else {
            continue;
        };
        lift(graph, node, id);
        let pairs: Vec<(ValueId, ValueId)> = graph
            .node(twin)
            .outputs()
            .iter()
            .copied()
            .zip(graph.node(node).outputs().iter().copied())
            .collect();
        for (old, new) in pairs {
            graph.replace_uses(old, new);
            facts.forward(old, new);
        }
        graph.remove_node(twin);
        give_back(graph, facts, id, (yes, no), &places);
        moved += 1;
        if graph.get(id).is_none() {
            break;
        }
    }
    Ok(moved)
}

fn branch(graph: &Graph, id: NodeId, name: &str) -> Option<RegionId> {
    match graph.node(id).attr(name)? {
        Attr::Region(body) => Some(*body),
        _ => None,
    }
}

/// A node of the other branch that computes the same.
fn twin(graph: &Graph, node: NodeId, other: RegionId) -> Option<NodeId> {
    let operands = graph.node(node).inputs().flatten().filter(|&v| graph.is_visible(v, other));
    let rarest = operands.min_by_key(|&v| graph.value(v).uses().len())?;
    let mut readers: Vec<NodeId> = graph
        .value(rarest)
        .uses()
        .iter()
        .take(MOST_READERS)
        .filter_map(|u| match u {
            Use::Operand { node, .. } => Some(*node),
            Use::RegionOutput { .. } => None,
        })
        .filter(|&n| graph.node(n).region() == other)
        .collect();
    readers.sort_unstable();
    readers.into_iter().find(|&n| equal(graph, node, n))
}

/// Where the branches return what the nodes give: an output of the `If` and of the node for each; `None` where they
/// do not return the same in the same places.
fn places(
    graph: &Graph,
    node: NodeId,
    twin: NodeId,
    (yes, no): (RegionId, RegionId),
) -> Option<Vec<(usize, ValueId)>> {
    let mut places = Vec::new();
    for (&ours, &theirs) in graph.node(node).outputs().iter().zip(graph.node(twin).outputs()) {
        let (a, b) = (returned(graph, ours), returned(graph, theirs));
        let same = a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| (x.0, y.0, x.1) == (yes, no, y.1));
        if !same {
            return None;
        }
        places.extend(a.into_iter().map(|(_, index)| (index as usize, ours)));
    }
    Some(places)
}

/// Whether the graph could return the values in place of the outputs of the `If`.
fn may_return(graph: &Graph, id: NodeId, places: &[(usize, ValueId)]) -> bool {
    let (region, outputs) = (graph.node(id).region(), graph.node(id).outputs());
    let once = |index: usize| matches!(returned(graph, outputs[index])[..], [(r, _)] if r == region);
    let outside = places.iter().filter(|(index, _)| !returned(graph, outputs[*index]).is_empty());
    let mut values: Vec<ValueId> = outside.clone().map(|(_, value)| *value).collect();
    let all = values.len();
    values.sort_unstable();
    values.dedup();
    values.len() == all && outside.clone().all(|(index, _)| once(*index))
}

/// Lets readers of the outputs read what both branches returned there, and drops these outputs.
fn give_back(
    graph: &mut Graph,
    facts: &mut Facts,
    id: NodeId,
    branches: (RegionId, RegionId),
    places: &[(usize, ValueId)],
) {
    if places.is_empty() {
        return;
    }
    let mut places = places.to_vec();
    places.sort_unstable_by_key(|&(index, _)| std::cmp::Reverse(index));
    for &(index, _) in &places {
        graph.remove_region_output(branches.0, index);
        graph.remove_region_output(branches.1, index);
    }
    for &(index, value) in &places {
        let output = graph.node(id).outputs()[index];
        substitute(graph, facts, output, value).expect("may_return has looked");
    }
    if places.len() == graph.node(id).outputs().len() {
        sweep(graph, id);
        return;
    }
    for (index, _) in places {
        graph.remove_output(id, index);
    }
}
