//! Finds a pattern in the graph, with backtracking over every choice: spellings, operand orders, bracketings.
//!
//! Open goals are a persistent list in an arena, so that undoing a choice is cutting the arena back.

use super::pattern::{Node as PatNode, OpPattern};
use super::{Context, Exactness};
use crate::ir::{Attr, NodeId, ValueId};
use crate::schema::{self, Law};
use crate::tensor::DType;
use smallvec::SmallVec;

const NIL: u32 = u32::MAX;

/// The longest sum or product that is regrouped.
const LONGEST_CHAIN: usize = 4;

/// A value that is to match a pattern node, and the largest rank known of the operands beside it.
#[derive(Clone, Copy)]
struct Goal {
    pattern: u32,
    value: ValueId,
    beside: usize,
    next: u32,
}

/// The deepest failure seen: how many nodes had matched, and what was in the way.
#[derive(Clone, Debug, Default)]
pub(super) struct NearMiss {
    pub(super) depth: usize,
    pub(super) reason: String,
    pub(super) at: Option<ValueId>,
}

pub(super) struct Matcher<'c> {
    cx: Context<'c>,
    patterns: &'c [PatNode],
    /// Patterns mentioned more than once: a chain is not regrouped across them.
    mentions: &'c [u32],
    exactness: Exactness,
    goals: Vec<Goal>,
    pub(super) bound: Vec<Option<ValueId>>,
    trail: Vec<u32>,
    pub(super) interior: Vec<(NodeId, bool)>,
    pub(super) near: NearMiss,
}

impl<'c> Matcher<'c> {
    pub(super) fn new(
        cx: Context<'c>,
        patterns: &'c [PatNode],
        mentions: &'c [u32],
        exactness: Exactness,
    ) -> Self {
        Self {
            cx,
            patterns,
            mentions,
            exactness,
            goals: Vec::new(),
            bound: vec![None; patterns.len()],
            trail: Vec::new(),
            interior: Vec::new(),
            near: NearMiss::default(),
        }
    }

    /// Matches the pattern with the value as its root.
    pub(super) fn run(&mut self, root: u32, value: ValueId) -> bool {
        let goal = self.push(root, value, 0, NIL);
        self.solve(goal)
    }

    fn push(&mut self, pattern: u32, value: ValueId, beside: usize, next: u32) -> u32 {
        self.goals.push(Goal { pattern, value, beside, next });
        self.goals.len() as u32 - 1
    }

    fn solve(&mut self, goal: u32) -> bool {
        if goal == NIL {
            return true;
        }
        let Goal { pattern, value, beside, next } = self.goals[goal as usize];
        if let Some(before) = self.bound[pattern as usize] {
            return (before == value && self.solve(next))
                || self.fail(value, || "two readings of one value differ".into());
        }
        let patterns = self.patterns;
        match &patterns[pattern as usize] {
            PatNode::Any => self.bind(pattern, value, next),
            PatNode::Constant => {
                if self.cx.graph.is_const(value) {
                    self.bind(pattern, value, next)
                } else {
                    self.fail(value, || "the value is no constant".into())
                }
            }
            PatNode::Number(want) => match number(&self.cx, value, *want, beside) {
                Ok(()) => self.bind(pattern, value, next),
                Err(why) => self.fail(value, || why),
            },
            PatNode::Either(spellings) => {
                let mark = self.bind_only(pattern, value);
                let found = spellings.iter().any(|&spelling| {
                    let (goals, before) = (self.goals.len(), self.mark());
                    let goal = self.push(spelling, value, beside, next);
                    self.solve(goal) || self.undo(goals, before)
                });
                found || self.undo(self.goals.len(), mark)
            }
            PatNode::Op(op) => self.op(pattern, op, value, next),
        }
    }

    fn op(&mut self, pattern: u32, op: &OpPattern, value: ValueId, next: u32) -> bool {
        let Some(node) = self.op_node(op, value) else {
            return self.fail(value, || format!("the value is not made by {}", op.op));
        };
        let mark = self.bind_only(pattern, value);
        self.interior.push((node, op.shared));
        let leaves = self.leaves(op);
        let found = if leaves.len() > op.inputs.len() {
            let operands = self.operands(node);
            self.chain(op, &leaves, operands, node, next)
        } else {
            let operands = self.operands(node);
            self.arrange(op, &op.inputs, &operands, next)
        };
        found || self.undo(self.goals.len(), mark)
    }

    /// The node that makes `value`, if op, number of operands, attributes and region are the pattern's.
    fn op_node(&self, op: &OpPattern, value: ValueId) -> Option<NodeId> {
        let graph = self.cx.graph;
        let id = graph.producer(value)?;
        let node = graph.node(id);
        let same_region =
            self.interior.first().is_none_or(|(root, _)| graph.node(*root).region() == node.region());
        let operands = node.inputs().rposition(|v| v.is_some()).map_or(0, |i| i + 1);
        let fits = node.op() == op.op
            && node.outputs().get(op.output) == Some(&value)
            && operands == op.inputs.len()
            && node.inputs().take(operands).all(|v| v.is_some())
            && same_region
            && !self.cx.is_random(id)
            && op
                .attrs
                .iter()
                .all(|(name, want)| self.cx.attr(id, name).is_some_and(|have| same_attr(&have, want)));
        fits.then_some(id)
    }

    fn operands(&self, node: NodeId) -> SmallVec<[ValueId; 4]> {
        self.cx.node(node).inputs().flatten().collect()
    }

    /// Matches operands with patterns in every order that the op allows.
    fn arrange(&mut self, op: &OpPattern, patterns: &[u32], operands: &[ValueId], next: u32) -> bool {
        let free = patterns.len() <= LONGEST_CHAIN
            && self.allows(schema::commutativity(op.op.domain, op.op.name, self.cx.opset(), patterns.len()));
        let mut order: SmallVec<[ValueId; 4]> = operands.into();
        if free { self.permute(patterns, &mut order, 0, next) } else { self.in_order(patterns, &order, next) }
    }

    fn permute(
        &mut self,
        patterns: &[u32],
        order: &mut SmallVec<[ValueId; 4]>,
        at: usize,
        next: u32,
    ) -> bool {
        if at + 1 >= order.len() {
            return self.in_order(patterns, order, next);
        }
        for i in at..order.len() {
            // Equal operands give equal orders.
            if order[at..i].contains(&order[i]) {
                continue;
            }
            order.swap(at, i);
            if self.permute(patterns, order, at + 1, next) {
                return true;
            }
            order.swap(at, i);
        }
        false
    }

    fn in_order(&mut self, patterns: &[u32], operands: &[ValueId], next: u32) -> bool {
        let (goals, mark) = (self.goals.len(), self.mark());
        let mut list = next;
        for (i, (&p, &v)) in patterns.iter().zip(operands).enumerate().rev() {
            let beside = operands
                .iter()
                .enumerate()
                .filter(|&(j, _)| j != i)
                .filter_map(|(_, &o)| self.cx.graph.rank(o))
                .max()
                .unwrap_or(0);
            list = self.push(p, v, beside, list);
        }
        self.solve(list) || self.undo(goals, mark)
    }

    /// Regroups `op(op(a, b), c)`: opens operands made by the same op until there are as many as leaves.
    fn chain(
        &mut self,
        op: &OpPattern,
        leaves: &[u32],
        operands: SmallVec<[ValueId; 4]>,
        root: NodeId,
        next: u32,
    ) -> bool {
        if operands.len() == leaves.len() {
            return self.arrange(op, leaves, &operands, next);
        }
        let region = self.cx.node(root).region();
        for i in 0..operands.len() {
            let Some(inner) = self.op_node(op, operands[i]) else { continue };
            if self.cx.node(inner).region() != region || self.interior.iter().any(|(n, _)| *n == inner) {
                continue;
            }
            let mark = self.mark();
            self.interior.push((inner, op.shared));
            let mut opened = operands.clone();
            opened.remove(i);
            for (k, v) in self.operands(inner).into_iter().enumerate() {
                opened.insert(i + k, v);
            }
            if self.chain(op, leaves, opened, root, next) || self.undo(self.goals.len(), mark) {
                return true;
            }
        }
        self.fail(operands[0], || format!("a chain of {} {} is shorter here", leaves.len() - 1, op.op))
    }

    /// The operands of an associative pattern with nested ones of the same op opened.
    fn leaves(&self, op: &OpPattern) -> SmallVec<[u32; 4]> {
        let mut leaves = SmallVec::new();
        if op.inputs.len() == 2
            && self.allows(schema::associativity(op.op.domain, op.op.name, self.cx.opset()))
        {
            self.collect_leaves(op, &mut leaves);
        }
        if leaves.len() > LONGEST_CHAIN { SmallVec::new() } else { leaves }
    }

    fn collect_leaves(&self, op: &OpPattern, leaves: &mut SmallVec<[u32; 4]>) {
        for &input in &op.inputs {
            match &self.patterns[input as usize] {
                PatNode::Op(inner)
                    if inner.op == op.op
                        && !inner.wanted
                        && !inner.shared
                        && inner.attrs.is_empty()
                        && self.mentions[input as usize] == 1 =>
                {
                    self.collect_leaves(inner, leaves);
                }
                _ => leaves.push(input),
            }
        }
    }

    /// Whether the rule's class allows what holds only so far.
    fn allows(&self, law: Law) -> bool {
        match law {
            Law::Fails => false,
            Law::UpToRounding => self.exactness != Exactness::Exact,
            Law::Exact => true,
        }
    }

    fn bind(&mut self, pattern: u32, value: ValueId, next: u32) -> bool {
        let mark = self.bind_only(pattern, value);
        self.solve(next) || self.undo(self.goals.len(), mark)
    }

    fn bind_only(&mut self, pattern: u32, value: ValueId) -> (usize, usize) {
        let mark = self.mark();
        self.bound[pattern as usize] = Some(value);
        self.trail.push(pattern);
        mark
    }

    fn mark(&self) -> (usize, usize) {
        (self.trail.len(), self.interior.len())
    }

    /// Takes back choices; always `false`, so that it ends an alternative.
    fn undo(&mut self, goals: usize, (trail, interior): (usize, usize)) -> bool {
        self.goals.truncate(goals);
        for pattern in self.trail.drain(trail..) {
            self.bound[pattern as usize] = None;
        }
        self.interior.truncate(interior);
        false
    }

    fn fail(&mut self, at: ValueId, reason: impl FnOnce() -> String) -> bool {
        let depth = self.interior.len();
        if depth > self.near.depth {
            self.near = NearMiss { depth, reason: reason(), at: Some(at) };
        }
        false
    }
}

/// Whether a value is one constant number that broadcasts beside operands of rank `beside` without effect.
fn number(cx: &Context<'_>, value: ValueId, want: Option<f64>, beside: usize) -> Result<(), String> {
    let Some(tensor) = cx.graph.is_const(value).then(|| cx.graph.const_value(value)).flatten() else {
        return Err("the value is no constant".into());
    };
    let Some(have) = tensor.as_scalar() else { return Err("the constant is not one number".into()) };
    if tensor.rank() > beside {
        return Err("the constant has more dims than the operand beside it is known to have".into());
    }
    match want {
        Some(want) if !same_number(have, want, tensor.dtype()) => {
            Err(format!("the constant is {have}, not {want}"))
        }
        _ => Ok(()),
    }
}

/// Whether a constant is the number that a formula means, written in the constant's type: exactly where
/// the number is a small fraction, else within four units in the last place, as exporters print them.
fn same_number(have: f64, want: f64, dtype: DType) -> bool {
    let digits = match dtype {
        DType::F64 => 52,
        DType::F32 => 23,
        DType::F16 => 10,
        DType::BF16 => 7,
        _ => return have == want,
    };
    let exact_in_any = (want * 64.0).fract() == 0.0 && want.abs() < 256.0;
    if exact_in_any { have == want } else { (have - want).abs() <= want.abs() * 2f64.powi(2 - digits) }
}

fn same_attr(have: &Attr, want: &Attr) -> bool {
    match (have, want) {
        (Attr::Int(a), Attr::Int(b)) => a == b,
        (Attr::Float(a), Attr::Float(b)) => a == b,
        (Attr::Ints(a), Attr::Ints(b)) => a == b,
        (Attr::String(a), Attr::String(b)) => a == b,
        _ => false,
    }
}
