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
//! Folding is bounded by a budget for the whole job: results may grow the file only as far as the
//! pipeline allows, after what dies with the node is taken off. Results that grow it are folded all
//! or none, those that grow it by less than 1 KiB apart from the others, so that a second job finds
//! nothing new to do.
//!
//! Refused: half-precision arithmetic that has to be rounded, since runtimes that lack it compute in
//! single precision and round later; what a caller may override; random and stateful operators; `QuantizeLinear` and
//! `DequantizeLinear`, whose structure tells runtimes how to compute; nodes with bodies; operators
//! that are no ONNX or ONNX Runtime ones; functions, which hold no initializers.

mod batch;
mod budget;
mod search;

use crate::error::Result;
use crate::ir::{Graph, Model, NodeId, Use, ValueId};
use crate::rewrite::{Exactness, Meta, Miss, Pass, PassContext, PassStats, Work, substitute, sweep};
use crate::tensor::Tensor;
use budget::{Budget, Growth};
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
        let (small, large) = fold.without_growth(cx);
        fold.together(small, cx);
        fold.together(large, cx);
        cx.growth_budget = fold.budget.left();
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
    /// Folds what does not grow the file; gives back the nodes that would grow it by little and by more.
    fn without_growth(&mut self, cx: &mut PassContext<'_>) -> (Vec<NodeId>, Vec<NodeId>) {
        let mut pending: Vec<NodeId> = self.known.order.iter().rev().copied().collect();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        while let Some(node) = pending.pop() {
            if self.settled.contains(&node) || !self.is_wanted(node) {
                continue;
            }
            match self.budget.judge(self.growth(node)) {
                Growth::None => self.commit(node, cx),
                Growth::Small => small.push(node),
                Growth::Large => large.push(node),
                Growth::Excessive => self.refuse(node, &mut pending),
            }
        }
        (small, large)
    }

    /// Folds all of the nodes or none; where none, then still what before them does not grow the file.
    fn together(&mut self, mut nodes: Vec<NodeId>, cx: &mut PassContext<'_>) {
        nodes.retain(|&n| !self.settled.contains(&n) && self.is_wanted(n));
        nodes.sort_unstable();
        nodes.dedup();
        let total = nodes.iter().map(|&n| self.growth(n)).fold(0i64, i64::saturating_add);
        if self.budget.take(total) {
            for node in nodes {
                if self.graph.get(node).is_some() {
                    self.commit(node, cx);
                }
            }
            return;
        }
        let mut pending = Vec::new();
        nodes.into_iter().for_each(|n| self.refuse(n, &mut pending));
        while let Some(node) = pending.pop() {
            if self.settled.contains(&node) || !self.is_wanted(node) {
                continue;
            }
            match self.budget.judge(self.growth(node)) {
                Growth::None => self.commit(node, cx),
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
        let cost = |(v, t): &(ValueId, Tensor)| {
            budget::cost(t, self.graph.value(*v).name().len() + META.id.len() + 1)
        };
        let added = self.results(node).iter().map(cost).fold(0, i64::saturating_add);
        added.saturating_sub(budget::freed(self.graph, node))
    }

    /// Leaves the node; the constants that it reads may still be folded.
    fn refuse(&mut self, node: NodeId, pending: &mut Vec<NodeId>) {
        self.settled.insert(node);
        let before = self.graph.node(node).inputs().flatten().filter_map(|v| self.graph.producer(v));
        pending.extend(before.filter(|n| self.known.nodes.contains(n)));
        let label = self.graph.label(node);
        self.stats.miss("the result would grow the file beyond the budget", || label);
    }

    fn commit(&mut self, node: NodeId, cx: &mut PassContext<'_>) {
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
            self.stats.applied += 1;
            sweep(self.graph, node);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analysis::Facts;
    use crate::diag::Diags;
    use crate::rewrite::OpsetRequest;
    use crate::target::Target;
    use crate::text::parse_model;

    /// Folds one model after another as sweeps of one job do; gives back how many folds each saw.
    fn fold(models: &[&str], budget: u64) -> Vec<usize> {
        let (mut facts, mut diags) = (Facts::new(), Diags::new());
        let target = Target::named("onnx").unwrap();
        let mut left = budget;
        let mut folds = Vec::new();
        for text in models {
            let text = format!(
                "<ir_version: 8, opset_import: [\"\" : 18]> g (float[N,1] x) => (float[N,M] y) {text}"
            );
            let mut model = parse_model(&text).unwrap();
            facts.infer_model(&mut model, &mut diags);
            let mut cx = PassContext {
                facts: &mut facts,
                diags: &mut diags,
                runtime: None,
                growth_budget: left,
                opset: OpsetRequest::Keep,
                target: &target,
                changes_left: u64::MAX,
            };
            folds.push(FoldConstants.run(&mut model, &mut cx).unwrap().applied);
            left = cx.growth_budget;
        }
        folds
    }

    #[test]
    fn the_budget_holds_for_all_sweeps_together() {
        let grows = "<int64[1] s = {100}> { a = ConstantOfShape (s) y = Add (x, a) }";
        let shrinks = "<float[2] s = {1, 2}> { a = Neg (s) y = Add (x, a) }";
        assert_eq!(fold(&[grows; 4], 1 << 20), [1; 4]);
        assert_eq!(fold(&[grows, grows, grows, shrinks], 1000), [1, 0, 0, 1]);
    }

    #[test]
    fn small_growth_is_all_or_none() {
        let two = "<int64[1] s = {100}> {
            a = ConstantOfShape (s) b = Neg (x) c = ConstantOfShape <value = float[1] {2}> (s)
            d = Add (b, c) y = Add (d, a) }";
        assert_eq!(fold(&[two], 2000), [2]);
        assert_eq!(fold(&[two], 1000), [0]);
    }
}
