//! Which nodes read shape arithmetic without being part of it, and what they need of it.

use crate::error::Result;
use crate::ir::{Graph, NodeId, RegionId, ValueId, topological};
use crate::passes::shape_operand::{Choice, Choices, choices};
use crate::rewrite::Context;
use crate::tensor::DType;
use rustc_hash::FxHashSet;

/// Nodes that are looked at behind one operand.
const MOST_BEHIND: usize = 256;

/// An operand that is made of dims.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) node: NodeId,
    pub(super) operand: usize,
    /// What is read now.
    pub(super) value: ValueId,
    /// Whether it has rank 0.
    pub(super) scalar: bool,
    pub(super) choices: Choices,
    /// The shape arithmetic that computes it now, the last node first.
    pub(super) behind: Vec<NodeId>,
}

impl Need {
    /// Whether the graph still has it.
    pub(super) fn stands(&self, graph: &Graph) -> bool {
        graph.get(self.node).is_some_and(|n| n.input(self.operand) == Some(self.value))
    }
}

/// The needs of the nodes of a region, in order.
pub(super) fn of_region(cx: &Context<'_>, region: RegionId) -> Result<Vec<Need>> {
    let mut needs = Vec::new();
    for node in topological(cx.graph, region)? {
        if is_arithmetic(cx, node) {
            continue;
        }
        let operands: Vec<Option<ValueId>> = cx.node(node).inputs().collect();
        for (operand, value) in operands.into_iter().enumerate() {
            needs.extend(value.and_then(|value| need(cx, node, operand, value)));
        }
    }
    Ok(needs)
}

fn need(cx: &Context<'_>, node: NodeId, operand: usize, value: ValueId) -> Option<Need> {
    let producer = cx.graph.producer(value).filter(|&p| is_arithmetic(cx, p))?;
    let scalar = cx.graph.rank(value)? == 0;
    let choices = choices(cx, node, operand).or_else(|| exact(cx, value))?;
    let known = choices.elements.iter().all(|e| e.value.is_some() || e.number.is_some());
    known.then(|| Need { node, operand, value, scalar, choices, behind: behind(cx, producer) })
}

/// The elements as they are.
fn exact(cx: &Context<'_>, value: ValueId) -> Option<Choices> {
    let elements = cx.facts.elements(value)?.iter();
    let elements =
        elements.map(|e| Choice { value: e.clone(), number: e.as_ref().and_then(|e| e.as_constant()) });
    Some(Choices { elements: elements.collect(), rest: Vec::new() })
}

/// Whether the node computes nothing but small integers that shape inference knows.
fn is_arithmetic(cx: &Context<'_>, node: NodeId) -> bool {
    let n = cx.node(node);
    let known = |v: ValueId| {
        cx.graph.dtype(v) == Some(DType::I64)
            && cx.graph.rank(v).is_some_and(|rank| rank <= 1)
            && cx.facts.elements(v).is_some_and(|e| e.iter().all(Option::is_some))
    };
    n.op().domain.is_empty()
        && n.regions().next().is_none()
        && !n.outputs().is_empty()
        && n.outputs().iter().all(|&o| known(o))
        && !cx.is_random(node)
}

fn behind(cx: &Context<'_>, producer: NodeId) -> Vec<NodeId> {
    let mut found = vec![producer];
    let mut seen: FxHashSet<NodeId> = found.iter().copied().collect();
    let mut at = 0;
    while at < found.len() && found.len() < MOST_BEHIND {
        for node in producers(cx.graph, found[at]) {
            if is_arithmetic(cx, node) && seen.insert(node) {
                found.push(node);
            }
        }
        at += 1;
    }
    found
}

fn producers(graph: &Graph, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    graph.node(node).inputs().flatten().filter_map(|v| graph.producer(v))
}
