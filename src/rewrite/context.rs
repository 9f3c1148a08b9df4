//! What a rule may ask of the graph around a node.

use crate::analysis::Facts;
use crate::ir::{Attr, Graph, Node, NodeId, Opsets, ValueId};
use crate::schema::{self, AttrDefault, Schema};

/// A read-only view of the graph at the moment of a visit.
#[derive(Clone, Copy)]
pub struct Context<'g> {
    /// The graph that holds the node.
    pub graph: &'g Graph,
    /// What it is written in.
    pub opsets: &'g Opsets,
    /// What is known of values beyond their types.
    pub facts: &'g Facts,
    /// Whether the graph is the body of a function, which cannot hold initializers.
    pub in_function: bool,
}

impl<'g> Context<'g> {
    /// The node.
    pub fn node(&self, node: NodeId) -> &'g Node {
        self.graph.node(node)
    }

    /// The version of the default domain.
    pub fn opset(&self) -> i64 {
        self.opsets.get("").unwrap_or(1)
    }

    /// What ONNX says of the node's op; `None` for an unknown one.
    pub fn schema(&self, node: NodeId) -> Option<&'static Schema> {
        let op = self.node(node).op();
        schema::lookup(op.domain, op.name, self.opsets.get(op.domain).unwrap_or(1))
    }

    /// An attribute, or what its schema says that it defaults to.
    pub fn attr(&self, node: NodeId, name: &str) -> Option<Attr> {
        if let Some(given) = self.node(node).attr(name) {
            return Some(given.clone());
        }
        match self.schema(node)?.attr(name)?.default? {
            AttrDefault::Int(v) => Some(Attr::Int(v)),
            AttrDefault::Float(v) => Some(Attr::Float(v)),
            AttrDefault::String(v) => Some(Attr::from(v)),
            AttrDefault::Ints(v) => Some(Attr::Ints(v.to_vec())),
            AttrDefault::Floats(v) => Some(Attr::Floats(v.to_vec())),
            _ => None,
        }
    }

    /// An integer attribute or its default.
    pub fn int(&self, node: NodeId, name: &str) -> Option<i64> {
        match self.attr(node, name)? {
            Attr::Int(v) => Some(v),
            _ => None,
        }
    }

    /// A float attribute or its default.
    pub fn float(&self, node: NodeId, name: &str) -> Option<f32> {
        match self.attr(node, name)? {
            Attr::Float(v) => Some(v),
            _ => None,
        }
    }

    /// The integers of an input or, in older opsets, of the attribute of the same meaning.
    ///
    /// `Some(None)` where neither is given; `None` where the input is no constant.
    pub fn ints(&self, node: NodeId, input: usize, attr: &str) -> Option<Option<Vec<i64>>> {
        let node = self.node(node);
        match node.input(input) {
            Some(v) => self.constant_ints(v).map(Some),
            None => Some(node.ints(attr).map(<[i64]>::to_vec)),
        }
    }

    /// The number that every element of a constant is.
    pub fn uniform(&self, value: ValueId) -> Option<f64> {
        self.graph.is_const(value).then(|| self.graph.const_value(value))??.uniform()
    }

    /// Which axis of its operand each axis of a `Transpose`'s result is.
    pub fn permutation(&self, node: NodeId) -> Option<Vec<usize>> {
        let n = self.node(node);
        match n.attr("perm") {
            Some(_) => n.ints("perm")?.iter().map(|&p| usize::try_from(p).ok()).collect(),
            None => Some((0..self.graph.rank(n.input(0)?)?).rev().collect()),
        }
    }

    /// The elements of a constant integer tensor, flattened.
    pub fn constant_ints(&self, value: ValueId) -> Option<Vec<i64>> {
        self.graph.const_value(value)?.to_i64s()
    }

    /// Whether the node may draw random numbers or keep state between runs (S8).
    ///
    /// `If`, `Loop` and `Scan` are as random as their bodies; look there.
    pub fn is_random(&self, node: NodeId) -> bool {
        let n = self.node(node);
        let op = n.op();
        let version = self.opsets.get(op.domain).unwrap_or(1);
        let flag = |i: usize| match n.input(i) {
            None => Some(false),
            Some(v) => self.graph.const_value(v)?.as_int().map(|b| b != 0),
        };
        let int = |name: &str| n.int(name);
        schema::randomness(op.domain, op.name, version).may_hold(flag, int)
            || schema::statefulness(op.domain, op.name).may_hold(flag, int)
    }
}
