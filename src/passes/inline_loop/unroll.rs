//! A body that is written as often as it runs.

use super::{Becomes, carried, given_by_loop};
use crate::ir::{Graph, NewNode, NewOutput, NodeId, RegionId, ValueId, topological};
use crate::passes::equal::is_pure;
use crate::rewrite::Context;
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHashSet};

/// Runs of a body at most.
pub(super) const MOST_TRIPS: usize = 64;
/// Nodes that are written at most, folded ones included.
const MOST_NODES: usize = 4096;
/// Elements of a value that counts as one to be folded.
const MOST_ELEMENTS: u64 = 64;

/// A `Loop` to be unrolled.
pub(super) struct Plan {
    id: NodeId,
    body: RegionId,
    trips: usize,
    /// The nodes of the body that lead to what it returns, each behind what it reads.
    nodes: Vec<NodeId>,
    /// What these nodes and the outputs of the `Loop` read.
    read: FxHashSet<ValueId>,
    /// What is carried into the first run.
    first: Vec<ValueId>,
}

/// Decides whether the graph gets no larger.
pub(super) fn plan(cx: &Context<'_>, id: NodeId, body: RegionId, trips: usize) -> Result<Plan, String> {
    let first = carried(cx.graph, id)?;
    let nodes = topological(cx.graph, body).map_err(|e| e.to_string())?;
    if nodes.iter().any(|&n| cx.node(n).regions().next().is_some() || !is_pure(cx, n)) {
        return Err("the body holds bodies, draws random numbers or keeps state".to_owned());
    }
    let before = 1 + nodes.iter().filter(|&&n| counts(cx, n)).count();
    let (nodes, read) = needed(cx.graph, body, nodes);
    let plan = Plan { id, body, trips, nodes, read, first };
    if plan.trips * plan.nodes.len() > MOST_NODES || plan.nodes_after(cx) > before {
        return Err("the graph would grow".to_owned());
    }
    Ok(plan)
}

/// Whether a node is there for more than a constant or another name.
fn counts(cx: &Context<'_>, node: NodeId) -> bool {
    let op = cx.node(node).op();
    !op.is("Identity") && !op.is("Constant")
}

/// Of the nodes of a body those that do not lead to its condition alone, and what they and the outputs read.
fn needed(graph: &Graph, body: RegionId, mut nodes: Vec<NodeId>) -> (Vec<NodeId>, FxHashSet<ValueId>) {
    let mut read: FxHashSet<ValueId> = graph.region(body).outputs().skip(1).collect();
    nodes.reverse();
    nodes.retain(|&n| {
        let needed = graph.node(n).outputs().iter().any(|o| read.contains(o));
        read.extend(graph.node(n).inputs().flatten().filter(|_| needed));
        needed
    });
    nodes.reverse();
    (nodes, read)
}

impl Plan {
    /// The nodes that are left once what is constant is folded.
    fn nodes_after(&self, cx: &Context<'_>) -> usize {
        let graph = cx.graph;
        let (inputs, outputs) = (graph.region(self.body).inputs(), graph.region(self.body).outputs());
        let outputs: Vec<ValueId> = outputs.skip(1).collect();
        let mut left = 0;
        let mut folded: Vec<bool> = self.first.iter().map(|&v| graph.is_const(v)).collect();
        // A Concat for what is collected, unless all of it is folded.
        let mut joined: FxHashSet<usize> = FxHashSet::default();
        for _ in 0..self.trips {
            let given = inputs.iter().zip([true, true].iter().chain(&folded));
            let mut known: FxHashSet<ValueId> = given.filter(|(_, known)| **known).map(|(&v, _)| v).collect();
            let is_known = |known: &FxHashSet<ValueId>, v: ValueId| known.contains(&v) || graph.is_const(v);
            for &node in &self.nodes {
                let n = cx.node(node);
                let folds = n.inputs().flatten().all(|v| is_known(&known, v));
                if folds && n.outputs().iter().all(|&o| is_small(graph, o)) {
                    known.extend(n.outputs());
                } else if counts(cx, node) {
                    left += 1;
                }
            }
            folded = outputs.iter().map(|&v| is_known(&known, v)).collect();
            for at in (self.first.len()..outputs.len()).filter(|&at| !folded[at]) {
                left += 1 + usize::from(joined.insert(at));
            }
        }
        left
    }

    /// Writes the body as often as it runs, and says what the outputs of the `Loop` become.
    pub(super) fn apply(self, graph: &mut Graph) -> Vec<Becomes> {
        let (region, order) = (graph.node(self.id).region(), graph.node(self.id).order());
        let constants: Vec<ValueId> = graph.initializers(self.body).collect();
        constants.into_iter().for_each(|c| graph.hoist_initializer(c, region));
        let is_constant = |n: &NodeId| graph.node(*n).op().is("Constant");
        let (constants, nodes): (Vec<NodeId>, Vec<NodeId>) = self.nodes.iter().partition(|n| is_constant(n));
        constants.into_iter().for_each(|c| graph.move_node(c, region, order));
        let inputs = graph.region(self.body).inputs().to_vec();
        let outputs: Vec<ValueId> = graph.region(self.body).outputs().skip(1).collect();
        let mut carried = self.first;
        let mut collected = vec![Vec::new(); outputs.len() - carried.len()];
        for trip in 0..self.trips {
            let mut own = |input: ValueId, constant| {
                self.read.contains(&input).then(|| given_by_loop(graph, region, input, constant))
            };
            let count = own(inputs[0], Tensor::scalar(trip as i64));
            let goes = own(inputs[1], Tensor::scalar(true));
            let given = [count, goes].into_iter().chain(carried.iter().map(|&v| Some(v)));
            let mut values: FxHashMap<ValueId, ValueId> =
                inputs.iter().zip(given).filter_map(|(&input, v)| Some((input, v?))).collect();
            nodes.iter().for_each(|&node| copy(graph, node, region, order, &mut values));
            let mut returned = outputs.iter().map(|v| values.get(v).copied().unwrap_or(*v));
            carried.iter_mut().zip(returned.by_ref()).for_each(|(carried, v)| *carried = v);
            collected.iter_mut().zip(returned).for_each(|(list, v)| list.push(v));
        }
        carried.into_iter().map(Becomes::Value).chain(collected.into_iter().map(Becomes::Stacked)).collect()
    }
}

fn is_small(graph: &Graph, value: ValueId) -> bool {
    let elements = graph
        .shape(value)
        .and_then(|shape| shape.iter().try_fold(1u64, |all, dim| all.checked_mul(dim.as_fixed()?)));
    elements.is_some_and(|n| n <= MOST_ELEMENTS)
}

/// Adds a node of a body to a region around it, where its operands are those of one run.
fn copy(
    graph: &mut Graph,
    node: NodeId,
    region: RegionId,
    order: u64,
    values: &mut FxHashMap<ValueId, ValueId>,
) {
    let of = graph.node(node).clone();
    let inputs = of.inputs().map(|v| v.map(|v| values.get(&v).copied().unwrap_or(v))).collect();
    let outputs = of.outputs().iter().map(|&v| {
        let name = graph.value(v).name().clone();
        NewOutput::named(if name.is_empty() { name } else { graph.fresh_name(&name) })
    });
    let outputs: Vec<NewOutput> = outputs.collect();
    let new = NewNode {
        overload: of.overload().clone(),
        attrs: of.attrs().to_vec(),
        order: Some(order),
        ..NewNode::new(of.op(), inputs, outputs)
    };
    let id = graph.add_node(region, new);
    values.extend(of.outputs().iter().copied().zip(graph.node(id).outputs().iter().copied()));
}
