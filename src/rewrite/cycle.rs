//! S4: nothing that a patch adds comes to depend on itself.

use super::Miss;
use super::patch::{Patch, Ref};
use crate::ir::{Graph, NodeId, ValueId, captures};
use rustc_hash::{FxHashMap, FxHashSet};

/// Nodes looked at for one operand of a patch that reads what is replaced.
const MOST: usize = 4096;

/// Whether the graph has no cycle once the patch is in it.
pub(super) fn check(graph: &Graph, patch: &Patch) -> Result<(), Miss> {
    let replaced: FxHashMap<ValueId, usize> = patch.replace.iter().map(|(old, _)| *old).zip(0..).collect();
    let before = common_ancestors(graph, &replaced);
    let search = Search { graph, replaced, before };
    let Some(value) = search.first(patch.old_inputs().collect()) else { return Ok(()) };
    // What is read may depend on what is replaced, as long as that is not replaced by what reads it.
    if search.edges(patch).is_some_and(|edges| !has_cycle(&edges)) {
        return Ok(());
    }
    Err(Miss::because("the new nodes would read what they replace", value))
}

struct Search<'g> {
    graph: &'g Graph,
    /// What is replaced, and its place in the patch.
    replaced: FxHashMap<ValueId, usize>,
    /// What all that is replaced depends on, and so depends on none of it.
    before: FxHashSet<ValueId>,
}

impl Search<'_> {
    /// A value that is replaced among these or what they depend on.
    fn first(&self, from: Vec<ValueId>) -> Option<ValueId> {
        let mut found = None;
        self.walk(from, usize::MAX, |value, _| {
            found = Some(value);
            false
        });
        found
    }

    /// What each node of the patch, and behind these each replacement, depends on of all these. `None` where that takes
    /// too long to tell.
    fn edges(&self, patch: &Patch) -> Option<Vec<Vec<usize>>> {
        let behind = patch.nodes.len();
        let depends = |r: &Ref| match *r {
            Ref::New { node, .. } => Some(vec![node as usize]),
            Ref::Old(value) => {
                let mut places = Vec::new();
                let told = self.walk(vec![value], MOST, |_, place| {
                    places.push(behind + place);
                    true
                });
                told.then_some(places)
            }
            Ref::Constant(_) | Ref::Omitted => Some(Vec::new()),
        };
        let nodes = patch.nodes.iter().map(|n| n.inputs.iter().map(depends).collect::<Option<Vec<_>>>());
        let nodes = nodes.map(|edges| Some(edges?.concat()));
        nodes.chain(patch.replace.iter().map(|(_, new)| depends(new))).collect()
    }

    /// Goes from values to what they depend on, no further than to what is replaced, which is told while `go` wants
    /// more. Whether all was seen.
    fn walk(&self, from: Vec<ValueId>, most: usize, mut go: impl FnMut(ValueId, usize) -> bool) -> bool {
        let mut pending = from;
        let (mut seen, mut told) = (FxHashSet::default(), FxHashSet::default());
        while let Some(value) = pending.pop() {
            if self.before.contains(&value) {
                continue;
            }
            if let Some(&place) = self.replaced.get(&value) {
                if told.insert(place) && !go(value, place) {
                    return false;
                }
                continue;
            }
            if let Some(node) = self.graph.producer(value)
                && seen.insert(node)
            {
                if seen.len() > most {
                    return false;
                }
                pending.extend(self.graph.node(node).inputs().flatten());
                pending.extend(captures(self.graph, node));
            }
        }
        true
    }
}

/// Takes away what depends on nothing that is left, until nothing is left or nothing goes.
fn has_cycle(edges: &[Vec<usize>]) -> bool {
    let mut left: Vec<usize> = (0..edges.len()).collect();
    let mut gone = vec![false; edges.len()];
    loop {
        let before = left.len();
        left.retain(|&at| {
            gone[at] = edges[at].iter().all(|&e| gone[e]);
            !gone[at]
        });
        if left.is_empty() || left.len() == before {
            return !left.is_empty();
        }
    }
}

/// Values that the producers of all these read, as far as [`close_ancestors`] looks.
fn common_ancestors(graph: &Graph, values: &FxHashMap<ValueId, usize>) -> FxHashSet<ValueId> {
    let producers: FxHashSet<Option<NodeId>> = values.keys().map(|&v| graph.producer(v)).collect();
    let sets =
        producers.into_iter().map(|p| p.map_or_else(FxHashSet::default, |p| close_ancestors(graph, p)));
    sets.reduce(|a, b| a.intersection(&b).copied().collect()).unwrap_or_default()
}

/// Values that the node reads, the nearest few dozen nodes deep: enough for most patches to need no search.
fn close_ancestors(graph: &Graph, node: NodeId) -> FxHashSet<ValueId> {
    let mut values = FxHashSet::default();
    let mut nodes = vec![node];
    let mut at = 0;
    while at < nodes.len() && nodes.len() < 64 {
        for value in graph.node(nodes[at]).inputs().flatten() {
            if values.insert(value)
                && let Some(producer) = graph.producer(value)
            {
                nodes.push(producer);
            }
        }
        at += 1;
    }
    values
}
