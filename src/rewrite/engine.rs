//! Drives one rule over the root graph, all bodies and all functions to a fixpoint.

use super::commit::{Site, commit, implied_version};
use super::{Context, Miss, PassContext, PassStats, Rule};
use crate::analysis::{Env, Facts};
use crate::error::{Error, Result};
use crate::ir::{Graph, Model, NodeId, Opsets, ValueId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Sweeps over a graph after which a rule that still fires is broken (S10).
const MOST_SWEEPS: usize = 100;

/// Applies a rule wherever it fires.
///
/// # Errors
/// The rule does not come to an end: a defect of the rule, not of the model.
pub fn apply(rule: &dyn Rule, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
    let mut stats = PassStats::default();
    let Model { graph, functions, opsets, .. } = model;
    let mut run = Run { rule, opsets, functions, in_function: false, stats: &mut stats };
    let mut facts = std::mem::take(cx.facts);
    let done = run.over(graph, &mut facts, cx);
    *cx.facts = facts;
    done?;
    import(rule, graph, opsets);
    for i in 0..functions.len() {
        // A body sees no types: they differ from call to call.
        let mut body = std::mem::take(&mut functions[i].graph);
        let opsets = functions[i].opsets.clone();
        let mut run = Run { rule, opsets: &opsets, functions, in_function: true, stats: &mut stats };
        let done = run.over(&mut body, &mut Facts::new(), cx);
        import(rule, &body, &mut functions[i].opsets);
        functions[i].graph = body;
        done?;
    }
    Ok(stats)
}

/// Imports the domains of ops that the rule has added.
fn import(rule: &dyn Rule, graph: &Graph, opsets: &mut Opsets) {
    for &op in rule.meta().emits {
        if opsets.get(op.domain).is_none()
            && let Some(version) = implied_version(op)
            && graph.nodes().any(|(_, n)| n.op() == op)
        {
            opsets.set(op.domain, version);
        }
    }
}

/// Applies rules again and again until none fires, each where none before it does.
///
/// For rules whose match may end far below what made it possible, where [`apply`] looks no more.
///
/// # Errors
/// As [`apply`].
pub fn settle(rules: &[&dyn Rule], model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
    let mut all = PassStats::default();
    'again: loop {
        let mut round = PassStats::default();
        for rule in rules {
            round.beside(apply(*rule, model, cx)?);
            if round.applied > 0 {
                all.then(round);
                continue 'again;
            }
        }
        all.then(round);
        return Ok(all);
    }
}

struct Run<'a> {
    rule: &'a dyn Rule,
    opsets: &'a Opsets,
    functions: &'a [crate::ir::Function],
    in_function: bool,
    stats: &'a mut PassStats,
}

/// Nodes yet to be visited, each at most once at a time.
#[derive(Default)]
struct Worklist {
    queue: VecDeque<NodeId>,
    queued: Vec<bool>,
}

impl Worklist {
    fn push(&mut self, node: NodeId) {
        if self.queued.len() <= node.index() {
            self.queued.resize(node.index() + 1, false);
        }
        if !std::mem::replace(&mut self.queued[node.index()], true) {
            self.queue.push_back(node);
        }
    }

    fn pop(&mut self) -> Option<NodeId> {
        let node = self.queue.pop_front()?;
        self.queued[node.index()] = false;
        Some(node)
    }
}

impl Run<'_> {
    fn over(&mut self, graph: &mut Graph, facts: &mut Facts, cx: &mut PassContext<'_>) -> Result<()> {
        let mut worklist = Worklist::default();
        let mut starts: Vec<(u64, NodeId)> =
            graph.nodes().filter(|(_, n)| self.starts_at(n.op())).map(|(id, n)| (n.order(), id)).collect();
        starts.sort_unstable();
        let most = starts.len().max(10).saturating_mul(MOST_SWEEPS);
        starts.into_iter().for_each(|(_, id)| worklist.push(id));

        let mut misses: FxHashMap<NodeId, (String, Option<ValueId>)> = FxHashMap::default();
        let mut applied = 0;
        while let Some(node) = worklist.pop() {
            if graph.get(node).is_none() || cx.changes_left == 0 {
                continue;
            }
            match self.visit(graph, facts, cx, node, &mut worklist) {
                Ok(()) => {
                    misses.remove(&node);
                    applied += 1;
                    cx.changes_left -= 1;
                }
                Err(Miss::Silent) => {
                    misses.remove(&node);
                }
                Err(Miss::Because { reason, at }) => {
                    misses.insert(node, (reason, at));
                }
            }
            if applied > most {
                return Err(self.endless(graph, node));
            }
        }
        self.stats.applied += applied;
        let mut left: Vec<_> = misses.into_iter().filter(|(n, _)| graph.get(*n).is_some()).collect();
        left.sort_unstable_by_key(|(n, _)| *n);
        for (node, (reason, at)) in left {
            self.stats.miss(reason, || example(graph, node, at));
        }
        Ok(())
    }

    fn starts_at(&self, op: crate::ir::OpId) -> bool {
        self.rule.ops().is_empty() || self.rule.ops().contains(&op)
    }

    fn visit(
        &self,
        graph: &mut Graph,
        facts: &mut Facts,
        cx: &PassContext<'_>,
        node: NodeId,
        worklist: &mut Worklist,
    ) -> Result<(), Miss> {
        let view = Context { graph, opsets: self.opsets, facts, in_function: self.in_function };
        if view.is_random(node) {
            return Err(if self.rule.ops().is_empty() {
                Miss::Silent
            } else {
                Miss::because("the node may draw random numbers or keep state", None)
            });
        }
        let patch = self.rule.visit(&view, node)?;
        let env = Env { opsets: self.opsets, functions: self.functions };
        let site = Site {
            meta: self.rule.meta(),
            root: node,
            env,
            target: cx.target,
            in_function: self.in_function,
        };
        for touched in commit(&site, graph, facts, patch)? {
            if graph.get(touched).is_some_and(|n| self.starts_at(n.op())) {
                worklist.push(touched);
            }
        }
        Ok(())
    }

    fn endless(&self, graph: &Graph, node: NodeId) -> Error {
        let error = Error::new(format!("the rule {} never comes to an end here", self.rule.meta().id));
        let error = if graph.get(node).is_some() { error.at(graph.label(node)) } else { error };
        error.with_help(format!("this is a defect of onnxpress; --disable {} avoids it", self.rule.meta().id))
    }
}

fn example(graph: &Graph, node: NodeId, at: Option<ValueId>) -> String {
    let label = graph.label(node);
    match at.map(|v| graph.value(v).name()) {
        Some(value) if !value.is_empty() && **value != *label => format!("{label}, at {value}"),
        _ => label,
    }
}
