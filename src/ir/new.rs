//! Nodes that are yet to be added to a graph.

use super::{Attr, Attribute, Name, OpId, Residue, Type, ValueId};

/// A node to be added.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// What it computes.
    pub op: OpId,
    /// `NodeProto.overload`.
    pub overload: Name,
    /// Its name, empty for none.
    pub name: Name,
    /// The operands.
    pub inputs: Vec<Option<ValueId>>,
    /// The outputs; an empty name omits one.
    pub outputs: Vec<NewOutput>,
    /// The attributes. A region among them must be new: made by [`Graph::add_region`](super::Graph::add_region) and held by no node.
    pub attrs: Vec<Attribute>,
    /// The position hint; behind all earlier nodes where `None`.
    pub order: Option<u64>,
    /// What we carry.
    pub residue: Residue,
}

/// An output of a node to be added.
#[derive(Clone, Debug, Default)]
pub struct NewOutput {
    /// Its name; empty omits the output.
    pub name: Name,
    /// What is known of its type.
    pub ty: Option<Type>,
}

impl NewNode {
    /// A nameless node without attributes.
    pub fn new(op: OpId, inputs: Vec<Option<ValueId>>, outputs: Vec<NewOutput>) -> Self {
        Self {
            op,
            overload: Name::default(),
            name: Name::default(),
            inputs,
            outputs,
            attrs: Vec::new(),
            order: None,
            residue: Residue::default(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<Attr>) -> Self {
        self.attrs.push(Attribute { name: name.into(), value: value.into(), residue: Residue::default() });
        self
    }
}

impl NewOutput {
    /// An output of unknown type.
    pub fn named(name: impl Into<Name>) -> Self {
        Self { name: name.into(), ty: None }
    }
}
