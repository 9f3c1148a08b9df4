//! The order in which the nodes of a region are written: each behind what it reads, else as they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::ir::{Graph, NodeId, RegionId, ValueId};

/// Nodes of every region in the order in which to write them.
pub(crate) struct Order {
    regions: FxHashMap<RegionId, Vec<NodeId>>,
    /// Whether some region's nodes do not come in the order of their hints.
    pub(crate) reordered: bool,
}

impl Order {
    /// Orders the nodes of all regions. A body's captures count as operands of the node that holds it.
    ///
    /// # Errors
    /// A cycle, named by one node on it.
    pub(crate) fn of(graph: &Graph) -> Result<Self> {
        let mut regions: FxHashMap<RegionId, Vec<NodeId>> = FxHashMap::default();
        for (id, node) in graph.nodes() {
            regions.entry(node.region()).or_default().push(id);
        }
        let needs = needs(graph);
        let mut reordered = false;
        for nodes in regions.values_mut() {
            nodes.sort_by_key(|&n| (graph.node(n).order(), n));
            if !is_ordered(graph, nodes, &needs) {
                *nodes = sorted(graph, nodes, &needs)?;
                reordered = true;
            }
        }
        Ok(Self { regions, reordered })
    }

    /// The nodes of one region.
    pub(crate) fn nodes(&self, region: RegionId) -> &[NodeId] {
        self.regions.get(&region).map_or(&[], Vec::as_slice)
    }
}

/// For each node, by index, the nodes of its own region that must come before it.
fn needs(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut needs = vec![Vec::new(); graph.node_bound()];
    let mut note = |value: ValueId, reader: Option<NodeId>| {
        let Some(producer) = graph.producer(value) else { return };
        let home = graph.node(producer).region();
        let mut at = reader;
        while let Some(node) = at {
            let region = graph.node(node).region();
            if region == home {
                needs[node.index()].push(producer);
                return;
            }
            at = graph.region(region).parent();
        }
    };
    for (id, node) in graph.nodes() {
        for value in node.inputs().flatten() {
            note(value, Some(id));
        }
    }
    for region in graph.region_ids() {
        let region = graph.region(region);
        for value in region.outputs() {
            note(value, region.parent());
        }
    }
    needs
}

fn is_ordered(graph: &Graph, nodes: &[NodeId], needs: &[Vec<NodeId>]) -> bool {
    let key = |n: NodeId| (graph.node(n).order(), n);
    nodes.iter().all(|&n| needs[n.index()].iter().all(|&before| key(before) < key(n)))
}

fn sorted(graph: &Graph, nodes: &[NodeId], needs: &[Vec<NodeId>]) -> Result<Vec<NodeId>> {
    let mut waiting: FxHashMap<NodeId, usize> = FxHashMap::default();
    let mut readers: FxHashMap<NodeId, Vec<NodeId>> = FxHashMap::default();
    for &node in nodes {
        waiting.insert(node, needs[node.index()].len());
        for &before in &needs[node.index()] {
            readers.entry(before).or_default().push(node);
        }
    }
    let key = |n: NodeId| Reverse((graph.node(n).order(), n));
    let mut ready: BinaryHeap<_> = nodes.iter().filter(|n| waiting[*n] == 0).map(|&n| key(n)).collect();
    let mut out = Vec::with_capacity(nodes.len());
    while let Some(Reverse((_, node))) = ready.pop() {
        out.push(node);
        for reader in readers.get(&node).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(reader) {
                *left -= 1;
                if *left == 0 {
                    ready.push(key(*reader));
                }
            }
        }
    }
    if out.len() == nodes.len() {
        return Ok(out);
    }
    let stuck = nodes.iter().copied().find(|n| waiting[n] > 0);
    Err(cycle(graph, stuck, needs, &waiting))
}

/// Follows unmet needs from a stuck node until one repeats: that one is on a cycle, not merely behind one.
fn cycle(
    graph: &Graph,
    stuck: Option<NodeId>,
    needs: &[Vec<NodeId>],
    waiting: &FxHashMap<NodeId, usize>,
) -> Error {
    let mut seen = FxHashSet::default();
    let mut at = stuck;
    while let Some(node) = at.filter(|n| !seen.contains(n)) {
        seen.insert(node);
        at = needs[node.index()].iter().copied().find(|n| waiting.get(n).is_some_and(|&w| w > 0));
    }
    let error = Error::new("the node depends on its own output: the graph has a cycle");
    let error = error.with_help("a graph without cycles is required; a loop is written as Loop or Scan");
    match at {
        Some(node) => error.at(super::label(graph, node)),
        None => error,
    }
}
