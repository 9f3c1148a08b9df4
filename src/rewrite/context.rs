//! What a rule may ask of the graph around a node.

use crate::ir::{Graph, Node, NodeId, Opsets, ValueId};

/// A read-only view of the graph at the moment of a visit.
#[derive(Clone, Copy)]
pub struct Context<'g> {
    /// The graph that holds the node.
    pub graph: &'g Graph,
    /// What it is written in.
    pub opsets: &'g Opsets,
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

    /// The elements of a constant integer tensor, flattened.
    pub fn constant_ints(&self, value: ValueId) -> Option<Vec<i64>> {
        self.graph.const_value(value)?.to_i64s()
    }
}
