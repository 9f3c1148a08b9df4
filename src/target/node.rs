//! A node as the tables ask for it: by formal names and type parameters.

use super::type_word;
use crate::ir::{Graph, Node, NodeId, Opsets, ValueId};
use crate::schema::{self, Param, Schema};

/// One node, its op's schema beside it.
pub struct Asked<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) node: &'a Node,
    pub(crate) schema: Option<&'static Schema>,
    /// The imported version of its domain.
    pub(super) opset: Option<i64>,
    /// Whether outputs count that nothing reads.
    unread: bool,
}

impl<'a> Asked<'a> {
    /// A node of a model.
    pub fn new(graph: &'a Graph, id: NodeId, opsets: &Opsets) -> Self {
        Self { unread: false, ..Self::added(graph, id, opsets.get(graph.node(id).op().domain)) }
    }

    /// A node that is to be added, at a version of its domain; that nothing reads it yet does not matter.
    pub fn added(graph: &'a Graph, id: NodeId, opset: Option<i64>) -> Self {
        let node = graph.node(id);
        let op = node.op();
        // Before its first version an op is none, and the lookup says so.
        let schema = opset.and_then(|version| schema::lookup(op.domain, op.name, version));
        Self { graph, node, schema, opset, unread: true }
    }

    /// Its domain, empty for `ai.onnx`, and its op.
    pub(super) fn op(&self) -> (&'static str, &'static str) {
        (self.node.op().domain, self.node.op().name)
    }

    /// Whether it is in a body of a node of this op. A constant condition leaves one body of an `If`, without the `If`.
    pub(super) fn is_in_body_of(&self, op: &str) -> bool {
        let Some(owner) = self.graph.region(self.node.region()).parent() else { return false };
        let owner = self.graph.node(owner);
        let decided = op == "If" && owner.input(0).is_some_and(|v| self.graph.is_const(v));
        owner.op().is(op) && !decided
    }

    /// The version of the op that is in force: the opset that brought it. `None` for an unknown op.
    pub(super) fn version(&self) -> Option<i64> {
        self.schema.map(|s| s.since)
    }

    /// The words of the types of those values that a type parameter or a formal name stands for; those that are not known
    /// are left out. `first` is the first operand, or the first output where there is none.
    pub(super) fn types(&self, of: &str) -> Vec<String> {
        let word = |v: ValueId| self.graph.value(v).ty().and_then(type_word);
        self.values(of).into_iter().filter_map(word).collect()
    }

    /// The inputs that a formal name or a type parameter stands for.
    pub(super) fn inputs(&self, of: &str) -> Vec<ValueId> {
        let schema = self.schema;
        let fits = |(i, v): (usize, Option<ValueId>)| {
            v.filter(|_| schema.and_then(|s| s.input(i)).is_some_and(|p| is(p, of)))
        };
        self.node.inputs().enumerate().filter_map(fits).collect()
    }

    /// The outputs that a formal name or a type parameter stands for.
    fn outputs(&self, of: &str) -> Vec<ValueId> {
        let all = self.node.outputs().iter().copied().enumerate();
        let fits = |(i, v): (usize, ValueId)| {
            let stands = self.schema.and_then(|s| s.output(i)).is_some_and(|p| is(p, of));
            (stands && (self.unread || !self.graph.value(v).uses().is_empty())).then_some(v)
        };
        all.filter_map(fits).collect()
    }

    /// The values that a name stands for.
    pub(super) fn values(&self, of: &str) -> Vec<ValueId> {
        if of == "first" {
            return self.node.input(0).or(self.node.outputs().first().copied()).into_iter().collect();
        }
        let mut values = self.inputs(of);
        values.extend(self.outputs(of));
        values
    }
}

fn is(param: &Param, of: &str) -> bool {
    param.name == of || param.type_name == of
}
