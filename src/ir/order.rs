//! The order of nodes, derived from what they read.
//!
//! A node comes behind the producers of its operands and of the values that the bodies inside it
//! capture, at any depth. Beyond that the order hints decide, then age: an untouched graph keeps its
//! order, and equal graphs get equal orders.

use super::{Graph, NodeId, RegionId, ValueId};
use crate::error::{Error, Result};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The nodes of `region`, each behind those that it depends on. Linear in the nodes of the region and
/// of the bodies inside it, times a logarithm where the hints do not already give the order.
///
/// # Errors
/// A cycle; the error names a node on it.
pub fn topological(graph: &Graph, region: RegionId) -> Result<Vec<NodeId>> {
    let mut nodes: Vec<NodeId> = graph.nodes_in(region).map(|(id, _)| id).collect();
    nodes.sort_unstable_by_key(|&id| (graph.node(id).order(), id));
    let edges = edges(graph, &nodes);
    if edges.iter().all(|e| e.producer < e.reader) {
        return Ok(nodes);
    }
    let ranks = sort(nodes.len(), &edges).map_err(|rank| {
        Error::new("the node depends on its own output: the graph has a cycle")
            .at(graph.label(nodes[rank]))
            .with_help("break the cycle; a loop is written as a Loop or Scan node")
    })?;
    Ok(ranks.into_iter().map(|rank| nodes[rank]).collect())
}

/// The values from outside that the bodies inside `node` read or return, each once.
pub fn captures(graph: &Graph, node: NodeId) -> Vec<ValueId> {
    let mut inside: Vec<RegionId> = graph.node(node).regions().collect();
    let mut read = Vec::new();
    let mut at = 0;
    while let Some(&body) = inside.get(at) {
        at += 1;
        for (_, inner) in graph.nodes_in(body) {
            read.extend(inner.inputs().flatten());
            inside.extend(inner.regions());
        }
        read.extend(graph.region(body).outputs());
    }
    let inside: FxHashSet<RegionId> = inside.into_iter().collect();
    let mut seen = FxHashSet::default();
    read.retain(|&v| graph.region_of(v).is_none_or(|home| !inside.contains(&home)) && seen.insert(v));
    read
}

impl Graph {
    /// How errors name a node: by its name, else by its first output's, else by its op.
    pub fn label(&self, node: NodeId) -> String {
        let node = self.node(node);
        let output = || node.outputs().iter().map(|&v| self.value(v).name()).find(|name| !name.is_empty());
        match node.name() {
            name if !name.is_empty() => name.to_string(),
            _ => output().map_or_else(|| node.op().to_string(), |name| format!("{} -> {name}", node.op())),
        }
    }
}

/// One dependency between nodes of one region, both given by their rank among the hints.
struct Edge {
    producer: usize,
    reader: usize,
}

fn edges(graph: &Graph, nodes: &[NodeId]) -> Vec<Edge> {
    let ranks: FxHashMap<NodeId, usize> = nodes.iter().enumerate().map(|(rank, &id)| (id, rank)).collect();
    let mut edges = Vec::new();
    for (reader, &id) in nodes.iter().enumerate() {
        let node = graph.node(id);
        let captured = if node.regions().next().is_some() { captures(graph, id) } else { Vec::new() };
        for value in node.inputs().flatten().chain(captured) {
            let producer = graph.producer(value).and_then(|p| ranks.get(&p));
            edges.extend(producer.map(|&producer| Edge { producer, reader }));
        }
    }
    edges
}

/// Kahn's algorithm with the smallest ready rank first; on a cycle a rank that is on one.
fn sort(len: usize, edges: &[Edge]) -> Result<Vec<usize>, usize> {
    let mut waiting = vec![0usize; len];
    let mut readers = vec![Vec::new(); len];
    for edge in edges {
        waiting[edge.reader] += 1;
        readers[edge.producer].push(edge.reader);
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..len).filter(|&r| waiting[r] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(len);
    while let Some(Reverse(rank)) = ready.pop() {
        sorted.push(rank);
        for &reader in &readers[rank] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match waiting.iter().position(|&w| w > 0) {
        None => Ok(sorted),
        Some(stuck) => Err(on_cycle(stuck, edges, &waiting)),
    }
}

/// Follows unmet dependencies from a stuck node until one repeats: that one is on a cycle, not merely behind it.
fn on_cycle(stuck: usize, edges: &[Edge], waiting: &[usize]) -> usize {
    let unmet: FxHashMap<usize, usize> =
        edges.iter().filter(|e| waiting[e.producer] > 0).map(|e| (e.reader, e.producer)).collect();
    let mut seen = FxHashSet::default();
    let mut at = stuck;
    while seen.insert(at) {
        at = unmet.get(&at).copied().unwrap_or(at);
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ir::{Attr, NewNode, NewOutput, OpId};

    fn node(graph: &mut Graph, region: RegionId, inputs: &[ValueId], output: &str, order: u64) -> NodeId {
        let inputs = inputs.iter().copied().map(Some).collect();
        let mut new = NewNode::new(OpId::onnx("Add"), inputs, vec![NewOutput::named(output)]);
        new.order = Some(order);
        graph.add_node(region, new)
    }

    fn output(graph: &Graph, node: NodeId) -> ValueId {
        graph.node(node).outputs()[0]
    }

    #[test]
    fn hints_decide_where_operands_do_not() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let late = node(&mut g, RegionId::ROOT, &[x], "late", 9);
        let early = node(&mut g, RegionId::ROOT, &[x], "early", 1);
        let same = node(&mut g, RegionId::ROOT, &[x], "same", 9);
        assert_eq!(topological(&g, RegionId::ROOT).unwrap(), [early, late, same]);
    }

    #[test]
    fn operands_go_before_hints() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let a = node(&mut g, RegionId::ROOT, &[x], "a", 9);
        let va = output(&g, a);
        let b = node(&mut g, RegionId::ROOT, &[va, va], "b", 1);
        let c = node(&mut g, RegionId::ROOT, &[x], "c", 2);
        assert_eq!(topological(&g, RegionId::ROOT).unwrap(), [c, a, b]);
    }

    #[test]
    fn captures_are_dependencies_at_any_depth() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let a = node(&mut g, RegionId::ROOT, &[x], "a", 9);
        let va = output(&g, a);
        let (outer, inner) = (g.add_region(), g.add_region());
        let deep = node(&mut g, inner, &[va, va], "deep", 1);
        let deep_value = output(&g, deep);
        g.add_output(inner, deep_value);
        let holder = NewNode::new(OpId::onnx("If"), vec![], vec![NewOutput::named("h")]);
        let holder = g.add_node(outer, holder.attr("then_branch", Attr::Region(inner)));
        let h = output(&g, holder);
        g.add_output(outer, h);
        g.add_output(outer, x);
        let mut top = NewNode::new(OpId::onnx("If"), vec![], vec![NewOutput::named("t")]);
        top.order = Some(1);
        let top = g.add_node(RegionId::ROOT, top.attr("then_branch", Attr::Region(outer)));
        let mut read = captures(&g, top);
        read.sort_unstable();
        assert_eq!(read, [x, va]);
        assert_eq!(topological(&g, RegionId::ROOT).unwrap(), [a, top]);
    }

    #[test]
    fn a_cycle_names_a_node_on_it() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let a = node(&mut g, RegionId::ROOT, &[x], "a", 1);
        let va = output(&g, a);
        let b = node(&mut g, RegionId::ROOT, &[va], "b", 2);
        let vb = output(&g, b);
        node(&mut g, RegionId::ROOT, &[vb], "behind", 0);
        g.set_operand(a, 0, Some(vb));
        let error = topological(&g, RegionId::ROOT).unwrap_err();
        assert!(["Add -> a", "Add -> b"].contains(&error.node().unwrap()), "{error}");
    }

    #[test]
    fn reversed_chains_are_sorted_in_time() {
        let mut g = Graph::new();
        let mut value = g.add_input(RegionId::ROOT, "x", None);
        let len = 100_000;
        let mut chain = Vec::new();
        for i in 0..len {
            let n = node(&mut g, RegionId::ROOT, &[value], &format!("v{i}"), len - i);
            value = output(&g, n);
            chain.push(n);
        }
        assert_eq!(topological(&g, RegionId::ROOT).unwrap(), chain);
    }
}
