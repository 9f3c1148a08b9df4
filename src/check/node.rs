//! A node as the tables ask for it: by formal names and type parameters.

use crate::ir::{Graph, Node, NodeId, Opsets, ValueId};
use crate::schema::{self, Param, Schema};
use crate::target::{Asked, type_word};

/// One node, its op's schema beside it.
pub(super) struct Seen<'a> {
    pub(super) graph: &'a Graph,
    pub(super) node: &'a Node,
    pub(super) schema: Option<&'static Schema>,
    /// The imported version of its domain.
    pub(super) opset: Option<i64>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(graph: &'a Graph, id: NodeId, opsets: &Opsets) -> Self {
        let node = graph.node(id);
        let op = node.op();
        let opset = opsets.get(op.domain);
        // Before its first version an op is none, and the lookup says so.
        let schema = opset.and_then(|version| schema::lookup(op.domain, op.name, version));
        Self { graph, node, schema, opset }
    }

    /// The inputs that a formal name or a type parameter stands for.
    pub(super) fn inputs(&self, of: &str) -> Vec<ValueId> {
        let schema = self.schema;
        let fits = |(i, v): (usize, Option<ValueId>)| {
            v.filter(|_| schema.and_then(|s| s.input(i)).is_some_and(|p| is(p, of)))
        };
        self.node.inputs().enumerate().filter_map(fits).collect()
    }

    /// The outputs that a formal name or a type parameter stands for, and that anything reads.
    pub(super) fn outputs(&self, of: &str) -> Vec<ValueId> {
        let all = self.node.outputs().iter().copied().enumerate();
        let fits = |(i, v): (usize, ValueId)| {
            let stands = self.schema.and_then(|s| s.output(i)).is_some_and(|p| is(p, of));
            (stands && !self.graph.value(v).uses().is_empty()).then_some(v)
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

impl Asked for Seen<'_> {
    fn op(&self) -> (&str, &str) {
        (self.node.op().domain, self.node.op().name)
    }

    fn version(&self) -> Option<i64> {
        self.schema.map(|s| s.since)
    }

    fn types(&self, of: &str) -> Vec<String> {
        let word = |v: ValueId| self.graph.value(v).ty().and_then(type_word);
        self.values(of).into_iter().filter_map(word).collect()
    }
}
