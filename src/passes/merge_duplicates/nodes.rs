//! Equal nodes, region by region, inner ones also against what was computed before outside.

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Graph, NodeId, Opsets, RegionId, topological};
use crate::passes::equal::{equal, hash, is_pure};
use crate::rewrite::{Context, substitute, sweep};
use rustc_hash::FxHashMap;

/// Merges equal nodes of all regions and gives back how many went.
pub(super) fn merge(
    graph: &mut Graph,
    opsets: &Opsets,
    facts: &mut Facts,
    in_function: bool,
) -> Result<usize> {
    let mut scopes = Scopes { graph, opsets, facts, in_function, seen: Vec::new(), merged: 0 };
    scopes.region(RegionId::ROOT)?;
    Ok(scopes.merged)
}

struct Scopes<'a> {
    graph: &'a mut Graph,
    opsets: &'a Opsets,
    facts: &'a mut Facts,
    in_function: bool,
    /// Nodes met so far by hash, a table for each region around the current one, outermost first.
    seen: Vec<FxHashMap<u64, Vec<NodeId>>>,
    merged: usize,
}

impl Scopes<'_> {
    fn region(&mut self, region: RegionId) -> Result<()> {
        self.seen.push(FxHashMap::default());
        for id in topological(self.graph, region)? {
            if self.graph.get(id).is_none() {
                continue;
            }
            let bodies: Vec<RegionId> = self.graph.node(id).regions().collect();
            bodies.into_iter().try_for_each(|body| self.region(body))?;
            if self.may_merge(id) {
                self.visit(id);
            }
        }
        self.seen.pop();
        Ok(())
    }

    fn may_merge(&self, id: NodeId) -> bool {
        let (graph, opsets) = (&*self.graph, self.opsets);
        let cx = Context { graph, opsets, facts: self.facts, in_function: self.in_function };
        !graph.node(id).outputs().is_empty() && is_pure(&cx, id)
    }

    fn visit(&mut self, id: NodeId) {
        let key = hash(self.graph, id);
        let found = self.seen.iter().rev().find_map(|table| {
            let candidates = table.get(&key)?;
            candidates.iter().copied().find(|&first| equal(self.graph, first, id))
        });
        match found {
            Some(first) if self.replace(id, first) => self.merged += 1,
            Some(_) => {}
            None => self.seen.last_mut().expect("a region is being visited").entry(key).or_default().push(id),
        }
    }

    /// Whether every output that is read could be replaced; what could not stays with its node.
    fn replace(&mut self, id: NodeId, first: NodeId) -> bool {
        let pairs: Vec<_> = {
            let (old, new) = (self.graph.node(id).outputs(), self.graph.node(first).outputs());
            old.iter().copied().zip(new.iter().copied()).collect()
        };
        let mut all = true;
        for (old, new) in pairs {
            if !self.graph.value(old).uses().is_empty() {
                all &= substitute(self.graph, self.facts, old, new).is_ok();
            }
        }
        if all {
            sweep(self.graph, id);
        }
        all
    }
}
