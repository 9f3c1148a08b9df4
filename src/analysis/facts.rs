//! What is known of values beyond their types.

use crate::diag::Diags;
use crate::ir::{Function, Graph, Model, NodeId, Opsets, ValueId};

/// What is known of the values of one graph beyond their types.
#[derive(Clone, Debug, Default)]
pub struct Facts {}

/// What the nodes of a graph are written in.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Opset imports.
    pub opsets: &'a Opsets,
    /// Functions that nodes may call.
    pub functions: &'a [Function],
}

impl Facts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Infers types and facts of the main graph and its bodies.
    pub fn infer_model(&mut self, _model: &mut Model, _diags: &mut Diags) {}

    /// Infers types and facts of one node's outputs.
    pub fn infer_node(&mut self, _graph: &mut Graph, _env: &Env<'_>, _node: NodeId) {}

    /// What was known of `old` is known of `new`.
    pub fn forward(&mut self, _old: ValueId, _new: ValueId) {}

    /// The elements of a small integer tensor, where each is a known number.
    pub fn constant_elements(&self, _value: ValueId) -> Option<Vec<i64>> {
        None
    }
}
