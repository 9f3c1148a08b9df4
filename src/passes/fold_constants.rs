//! `fold-constants`: what depends on constants alone is computed now.
//!
//! ```text
//! y = f(constants)                          ->   y, an initializer
//! y = Shape(x), where the dims are known    ->   y, an initializer
//! ```
//!
//! Exact. Some thirty cheap operators, most of them shape arithmetic, have kernels here that give
//! the same bits as ONNX Runtime's; so do integers that shape inference knows element by element.
//! The rest is run by ONNX Runtime, a few hundred nodes to a session, optimization off; a node that
//! it cannot run stays. Without a runtime only the kernels fold.
//!
//! Folding is bounded by a budget: a result may grow the file only as far as the pipeline allows,
//! after what dies with the node is taken off. Results that grow the file by more than a little are
//! folded all or none, so that a second run finds nothing new to do.
//!
//! Refused: what a caller may override; random and stateful operators; `QuantizeLinear` and
//! `DequantizeLinear`, whose structure tells runtimes how to compute; nodes with bodies; operators
//! that are no ONNX or ONNX Runtime ones; functions, which hold no initializers.

mod batch;
mod budget;
mod search;

use crate::error::Result;
use crate::ir::{Graph, Model, NodeId, Use, ValueId};
use crate::rewrite::{Exactness, Meta, Miss, Pass, PassContext, PassStats, Work, substitute, sweep};
use crate::tensor::Tensor;
use budget::{Budget, Verdict};
use rustc_hash::FxHashSet;
use search::Known;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FoldConstants;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FoldConstants)
}

const META: Meta = Meta {
    id: "fold-constants",
    summary: "what depends on constants alone is computed now",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for FoldConstants {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut known = search::evaluate(&model.graph, &model.opsets, cx.facts, cx.growth_budget)?;
        if let Some(runtime) = cx.runtime {
            batch::evaluate(model, &mut known, runtime);
        }
        let mut fold = Fold {
            graph: &mut model.graph,
            known: &known,
            budget: Budget::new(cx.growth_budget),
            settled: FxHashSet::default(),
            stats: PassStats::default(),
        };
        let large = fold.small_ones(cx);
        fold.large_ones(large, cx);
        Ok(fold.stats)
    }
}

struct Fold<'a> {
    graph: &'a mut Graph,
    known: &'a Known,
    budget: Budget,
    /// Nodes that were folded or refused for good.
    settled: FxHashSet<NodeId>,
    stats: PassStats,
}

impl Fold<'_> {
    /// Folds what hardly grows the file; gives back the nodes that would grow it by more.
    fn small_ones(&mut self, cx: &mut PassContext<'_>) -> Vec<NodeId> {
        let mut pending: Vec<NodeId> = self.known.order.iter().rev().copied().collect();
        let mut large = Vec::new();
        while let Some(node) = pending.pop() {
            if self.settled.contains(&node) || !self.is_wanted(node) {
                continue;
            }
            match self.budget.judge(self.growth(node)) {
                Verdict::Fold => self.commit(node, cx),
                Verdict::Later => large.push(node),
                Verdict::Refuse => self.refuse(node, &mut pending),
            }
        }
        large
    }

    fn large_ones(&mut self, nodes: Vec<NodeId>, cx: &mut PassContext<'_>) {
        let live: Vec<NodeId> = nodes.into_iter().filter(|&n| self.is_wanted(n)).collect();
        let total = live.iter().map(|&n| self.growth(n)).fold(0i64, i64::saturating_add);
        if self.budget.affords_together(total) {
            for node in live {
                if self.graph.get(node).is_some() {
                    self.commit(node, cx);
                }
            }
            return;
        }
        let mut pending = Vec::new();
        live.into_iter().for_each(|n| self.refuse(n, &mut pending));
        while let Some(node) = pending.pop() {
            if self.settled.contains(&node) || !self.is_wanted(node) {
                continue;
            }
            match self.budget.judge(self.growth(node)) {
                Verdict::Fold => self.commit(node, cx),
                _ => self.refuse(node, &mut pending),
            }
        }
    }

    /// Whether a live node that stays, or a region, reads what the node computes.
    fn is_wanted(&self, node: NodeId) -> bool {
        let Some(n) = self.graph.get(node) else { return false };
        n.outputs().iter().any(|&o| {
            self.graph.value(o).uses().iter().any(|u| match u {
                Use::RegionOutput { .. } => true,
                Use::Operand { node, .. } => self.settled.contains(node) || !self.known.nodes.contains(node),
            })
        })
    }

    /// Outputs that are read, with their values.
    fn results(&self, node: NodeId) -> Vec<(ValueId, Tensor)> {
        let read =
            self.graph.node(node).outputs().iter().filter(|&&o| !self.graph.value(o).uses().is_empty());
        read.filter_map(|&o| Some((o, self.known.values.get(&o)?.clone()))).collect()
    }

    fn growth(&self, node: NodeId) -> i64 {
        let added = self.results(node).iter().map(|(_, t)| budget::cost(t)).fold(0, i64::saturating_add);
        added.saturating_sub(budget::freed(self.graph, node))
    }

    /// Leaves the node; the constants that it reads may still be folded.
    fn refuse(&mut self, node: NodeId, pending: &mut Vec<NodeId>) {
        self.settled.insert(node);
        pending.extend(self.graph.node(node).inputs().flatten().filter_map(|v| self.graph.producer(v)));
        pending.retain(|n| self.known.nodes.contains(n));
        let label = self.graph.label(node);
        self.stats.miss("the result would grow the file beyond the budget", || label);
    }

    fn commit(&mut self, node: NodeId, cx: &mut PassContext<'_>) {
        let growth = self.growth(node);
        let region = self.graph.node(node).region();
        self.settled.insert(node);
        let mut all = true;
        for (old, tensor) in self.results(node) {
            let name = self.graph.fresh_name(&format!("{}/{}", self.graph.value(old).name(), META.id));
            let new = self.graph.add_initializer(region, name, tensor);
            if let Err(miss) = substitute(self.graph, cx.facts, old, new) {
                self.graph.remove_initializer(new);
                all = false;
                let label = self.graph.label(node);
                if let Miss::Because { reason, .. } = miss {
                    self.stats.miss(reason, || label);
                }
            }
        }
        if all {
            self.budget.spend(growth);
            self.stats.applied += 1;
            sweep(self.graph, node);
        }
    }
}
