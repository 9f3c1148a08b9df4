//! Shape values that are proven equal, element for element, whatever computed them.

use crate::analysis::{Element, Facts};
use crate::error::Result;
use crate::ir::{Graph, NodeId, Opsets, RegionId, ValueId, topological};
use crate::rewrite::{Context, substitute, sweep};
use crate::tensor::DType;
use rustc_hash::FxHashMap;

/// Type, dims and elements of a small tensor.
type Key = (DType, Vec<u64>, Vec<Element>);

/// Merges equal shape values of all regions, and gives back how many went.
pub(super) fn merge(graph: &mut Graph, opsets: &Opsets, facts: &mut Facts) -> Result<usize> {
    let mut scopes = Scopes { graph, opsets, facts, seen: Vec::new(), merged: 0 };
    scopes.region(RegionId::ROOT)?;
    Ok(scopes.merged)
}

struct Scopes<'a> {
    graph: &'a mut Graph,
    opsets: &'a Opsets,
    facts: &'a mut Facts,
    /// Values met so far, a table for each region around the current one, outermost first.
    seen: Vec<FxHashMap<Key, ValueId>>,
    merged: usize,
}

impl Scopes<'_> {
    fn region(&mut self, region: RegionId) -> Result<()> {
        self.seen.push(FxHashMap::default());
        for id in topological(self.graph, region)? {
            let Some(node) = self.graph.get(id) else { continue };
            let bodies: Vec<RegionId> = node.regions().collect();
            let outputs = node.outputs().to_vec();
            bodies.into_iter().try_for_each(|body| self.region(body))?;
            for value in outputs {
                if self.graph.get(id).is_some() && !self.graph.value(value).uses().is_empty() {
                    self.visit(id, value);
                }
            }
        }
        self.seen.pop();
        Ok(())
    }

    fn visit(&mut self, node: NodeId, value: ValueId) {
        let Some(key) = self.key(node, value) else { return };
        let first = self.seen.iter().rev().find_map(|table| table.get(&key)).copied();
        // The first may have gone with what read it.
        match first.filter(|&first| self.graph.producer(first).is_some_and(|p| self.graph.get(p).is_some())) {
            Some(first) => {
                if substitute(self.graph, self.facts, value, first).is_ok() {
                    self.merged += 1;
                    sweep(self.graph, node);
                }
            }
            None => {
                self.seen.last_mut().expect("a region is being visited").insert(key, value);
            }
        }
    }

    /// What the value is, where each element is known and not all are numbers: those are folded.
    fn key(&self, node: NodeId, value: ValueId) -> Option<Key> {
        let elements = self.facts.elements(value)?;
        let symbolic = elements.iter().flatten().any(|e| e.as_constant().is_none());
        if !symbolic || elements.iter().any(Option::is_none) {
            return None;
        }
        let (graph, opsets) = (&*self.graph, self.opsets);
        let cx = Context { graph, opsets, facts: self.facts, in_function: false };
        if cx.is_random(node) {
            return None;
        }
        let dims = graph.shape(value)?.iter().map(|d| d.as_fixed()).collect::<Option<_>>()?;
        Some((graph.dtype(value)?, dims, elements.to_vec()))
    }
}
