//! Most rules are a formula: a [`Fusion`] states it, and [`fusion`] makes a [`Rule`] of it.

use super::matcher::Matcher;
use super::pattern::{Node as PatNode, Pat, Patterns, Var};
use super::{Context, Meta, Miss, Patch, Rule};
use crate::ir::{Graph, Node, NodeId, OpId, ValueId};

/// A rewrite of one formula.
pub trait Fusion: Sync + Send {
    /// The handles into the pattern that the rewrite needs.
    type Vars: Sync + Send;
    /// What it says of itself.
    const META: Meta;
    /// The formula; its root is an op, or one of several ops.
    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Self::Vars);
    /// Decides over a match. Read-only.
    ///
    /// # Errors
    /// A [`Miss`] that says why not, and where.
    fn rewrite(&self, m: &Match<'_>, v: &Self::Vars) -> Result<Patch, Miss>;
}

/// A pattern found in a graph.
pub struct Match<'g> {
    /// The graph around it.
    pub graph: &'g Graph,
    cx: Context<'g>,
    bound: Vec<Option<ValueId>>,
    root: NodeId,
}

impl<'g> Match<'g> {
    /// What a handle has matched.
    ///
    /// # Panics
    /// The handle belongs to a spelling that was not taken; ask [`Match::try_get`] there.
    pub fn get(&self, var: Var) -> ValueId {
        self.try_get(var).expect("the handle is bound on every path through the pattern")
    }

    /// What a handle has matched, if its spelling was taken.
    pub fn try_get(&self, var: Var) -> Option<ValueId> {
        self.bound[var.0 as usize]
    }

    /// The node that makes what a handle to an op has matched.
    ///
    /// # Panics
    /// The handle is not one to an op.
    pub fn node(&self, var: Var) -> &'g Node {
        self.graph.node(self.node_id(var))
    }

    /// As [`Match::node`], the id.
    ///
    /// # Panics
    /// The handle is not one to an op.
    pub fn node_id(&self, var: Var) -> NodeId {
        self.graph.producer(self.get(var)).expect("an op pattern binds a node's output")
    }

    /// The number that a handle to a number has matched.
    ///
    /// # Panics
    /// The handle is not one to a number.
    pub fn number(&self, var: Var) -> f64 {
        self.graph
            .const_value(self.get(var))
            .and_then(|t| t.as_scalar())
            .expect("a number pattern binds a number")
    }

    /// The node whose output is the root of the pattern.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// What else a rule may ask.
    pub fn cx(&self) -> &Context<'g> {
        &self.cx
    }
}

/// Compiles a fusion into a rule.
pub fn fusion<F: Fusion + 'static>(fusion: F) -> Box<dyn Rule> {
    let patterns = Patterns::default();
    let (root, vars) = {
        let (pat, vars) = fusion.pattern(&patterns);
        (pat.id(), vars)
    };
    let nodes = patterns.into_nodes();
    let mut mentions = vec![0u32; nodes.len()];
    for node in &nodes {
        let children: &[u32] = match node {
            PatNode::Op(op) => &op.inputs,
            PatNode::Either(spellings) => spellings,
            _ => &[],
        };
        children.iter().for_each(|&c| mentions[c as usize] += 1);
    }
    let mut ops = Vec::new();
    root_ops(&nodes, root, &mut ops);
    let size = nodes.iter().filter(|n| matches!(n, PatNode::Op(_))).count();
    Box::new(Compiled { fusion, vars, nodes, mentions, root, ops, size, meta: F::META })
}

fn root_ops(nodes: &[PatNode], id: u32, ops: &mut Vec<OpId>) {
    match &nodes[id as usize] {
        PatNode::Op(op) if !ops.contains(&op.op) => ops.push(op.op),
        PatNode::Either(spellings) => spellings.iter().for_each(|&s| root_ops(nodes, s, ops)),
        _ => {}
    }
}

struct Compiled<F: Fusion> {
    fusion: F,
    vars: F::Vars,
    nodes: Vec<PatNode>,
    mentions: Vec<u32>,
    root: u32,
    ops: Vec<OpId>,
    size: usize,
    meta: Meta,
}

impl<F: Fusion> Rule for Compiled<F> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn ops(&self) -> &[OpId] {
        &self.ops
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let Some(&value) = cx.node(node).outputs().first() else { return Err(Miss::Silent) };
        let mut matcher = Matcher::new(*cx, &self.nodes, &self.mentions, self.meta.exactness);
        if !matcher.run(self.root, value) {
            // A few nodes in common are chance; most of a short formula, or several nodes of a long one, are not.
            let near = matcher.near.depth >= 3 || (matcher.near.depth >= 2 && self.size <= 3);
            return Err(if near {
                Miss::because(matcher.near.reason, matcher.near.at)
            } else {
                Miss::Silent
            });
        }
        let interior = std::mem::take(&mut matcher.interior);
        let m = Match { graph: cx.graph, cx: *cx, bound: std::mem::take(&mut matcher.bound), root: node };
        let mut patch = self.fusion.rewrite(&m, &self.vars)?;
        patch.interior = interior;
        Ok(patch)
    }
}
