//! A change as a value: new nodes and what they replace. Building one cannot touch the graph.

use crate::ir::{Attr, Attribute, Name, Node, NodeId, OpId, RegionId, Residue, ValueId};
use crate::tensor::Tensor;

/// Elements of the largest constants that are compared with others.
const SMALL: usize = 64;

/// A value that a patch speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ref {
    /// A value of the graph.
    Old(ValueId),
    /// An output of a node of the patch.
    New {
        /// Which node of the patch.
        node: u32,
        /// Which of its outputs.
        output: u32,
    },
    /// A constant of the patch.
    Constant(u32),
    /// An omitted optional input.
    Omitted,
}

impl From<ValueId> for Ref {
    fn from(v: ValueId) -> Self {
        Self::Old(v)
    }
}

impl From<Option<ValueId>> for Ref {
    fn from(v: Option<ValueId>) -> Self {
        v.map_or(Self::Omitted, Self::Old)
    }
}

/// A node that a patch adds, in the root's region.
#[derive(Clone, Debug)]
pub struct PatchNode {
    /// What it computes.
    pub op: OpId,
    /// Its operands.
    pub inputs: Vec<Ref>,
    /// Its attributes; none holds a body.
    pub attrs: Vec<Attribute>,
    /// How many outputs it has.
    pub outputs: u32,
}

/// New nodes and constants, and which old values they replace.
///
/// A patch that names no replacement replaces the only output of the node at which its rule started
/// by the first output of the last node added.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub(crate) nodes: Vec<PatchNode>,
    pub(crate) constants: Vec<Tensor>,
    pub(crate) replace: Vec<(ValueId, Ref)>,
    pub(crate) splice: Option<RegionId>,
    /// Whether shapes that inference cannot compare are proven to be the same by the rule (S2).
    pub(crate) sharpens: bool,
    /// Nodes of the match, and whether their outputs may be read outside it (S1).
    pub(crate) interior: Vec<(NodeId, bool)>,
}

impl Patch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One node with one output.
    pub fn op<R: Into<Ref>>(op: impl Into<OpId>, inputs: impl IntoIterator<Item = R>) -> Self {
        let mut patch = Self::new();
        patch.node(op, inputs);
        patch
    }

    /// No node: every reader of `old` reads `new` instead.
    pub fn forward(old: ValueId, new: impl Into<Ref>) -> Self {
        let mut patch = Self::new();
        patch.replace(old, new);
        patch
    }

    /// A body of a node takes the node's place; it returns as many values as the node has outputs.
    pub fn inline(node: &Node, body: RegionId, returned: impl IntoIterator<Item = ValueId>) -> Self {
        let mut patch = Self::new();
        patch.splice(body);
        node.outputs().iter().zip(returned).for_each(|(&old, new)| patch.replace(old, new));
        patch
    }

    /// Adds a constant, a small one once; it becomes an initializer of the root's region.
    pub fn constant(&mut self, tensor: Tensor) -> Ref {
        let small = tensor.len() <= SMALL;
        let known = self.constants.iter().position(|t| small && t.same_bits(&tensor));
        if let Some(at) = known {
            return Ref::Constant(at as u32);
        }
        self.constants.push(tensor);
        Ref::Constant(self.constants.len() as u32 - 1)
    }

    /// Adds a node with one output and gives back that output.
    pub fn node<R: Into<Ref>>(&mut self, op: impl Into<OpId>, inputs: impl IntoIterator<Item = R>) -> Ref {
        let inputs = inputs.into_iter().map(Into::into).collect();
        self.nodes.push(PatchNode { op: op.into(), inputs, attrs: Vec::new(), outputs: 1 });
        Ref::New { node: self.nodes.len() as u32 - 1, output: 0 }
    }

    /// Adds a node with several outputs and gives them back.
    pub fn node_with_outputs<R: Into<Ref>>(
        &mut self,
        op: impl Into<OpId>,
        inputs: impl IntoIterator<Item = R>,
        outputs: u32,
    ) -> Vec<Ref> {
        let Ref::New { node, .. } = self.node(op, inputs) else {
            return Vec::new();
        };
        self.nodes[node as usize].outputs = outputs;
        (0..outputs).map(|output| Ref::New { node, output }).collect()
    }

    /// Adds a node of another's op and attributes with one output, and gives back that output.
    pub fn copy<R: Into<Ref>>(&mut self, of: &Node, inputs: impl IntoIterator<Item = R>) -> Ref {
        let output = self.node(of.op(), inputs);
        of.attrs().iter().for_each(|a| self.set_attr(a.name.clone(), a.value.clone()));
        output
    }

    /// Adds a node of another's op, attributes and number of outputs, and gives these back.
    pub fn copy_with_outputs<R: Into<Ref>>(
        &mut self,
        of: &Node,
        inputs: impl IntoIterator<Item = R>,
    ) -> Vec<Ref> {
        let outputs = self.node_with_outputs(of.op(), inputs, of.outputs().len() as u32);
        of.attrs().iter().for_each(|a| self.set_attr(a.name.clone(), a.value.clone()));
        outputs
    }

    /// Gives the node added last an attribute.
    ///
    /// # Panics
    /// No node was added.
    pub fn set_attr(&mut self, name: impl Into<Name>, value: impl Into<Attr>) {
        let attribute = Attribute { name: name.into(), value: value.into(), residue: Residue::default() };
        self.nodes.last_mut().expect("an attribute follows its node").attrs.push(attribute);
    }

    /// Gives the node added last an attribute in place of one that it may have.
    ///
    /// # Panics
    /// No node was added.
    pub fn reset_attr(&mut self, name: &str, value: impl Into<Attr>) {
        self.drop_attr(name);
        self.set_attr(name, value);
    }

    /// Takes an attribute that it may have from the node added last.
    ///
    /// # Panics
    /// No node was added.
    pub fn drop_attr(&mut self, name: &str) {
        let node = self.nodes.last_mut().expect("an attribute belongs to a node");
        node.attrs.retain(|a| &*a.name != name);
    }

    /// Whether the patch adds a node of this op.
    pub fn adds(&self, op: &str) -> bool {
        self.nodes.iter().any(|n| n.op.is(op))
    }

    /// Gives the node added last an attribute.
    ///
    /// # Panics
    /// No node was added.
    #[must_use]
    pub fn attr(mut self, name: impl Into<Name>, value: impl Into<Attr>) -> Self {
        self.set_attr(name, value);
        self
    }

    /// Every reader of `old` is to read `new`.
    pub fn replace(&mut self, old: ValueId, new: impl Into<Ref>) {
        self.replace.push((old, new.into()));
    }

    /// Lets the new values have shapes that inference cannot compare with those of the old ones, where the rule proves that
    /// they are the same: what a sequence holds, or a shape that is computed. What is known of both must still agree.
    pub fn sharpen(&mut self) {
        self.sharpens = true;
    }

    /// Moves the nodes and initializers of a body of the root into the root's region, before the new nodes.
    /// The body's outputs may then be used as any [`Ref::Old`].
    pub fn splice(&mut self, body: RegionId) {
        self.splice = Some(body);
    }

    /// Values of the graph that the new nodes read, or that replace others.
    pub(super) fn old_inputs(&self) -> impl Iterator<Item = ValueId> + '_ {
        let read = self.nodes.iter().flat_map(|n| &n.inputs);
        read.chain(self.replace.iter().map(|(_, new)| new)).filter_map(|r| match r {
            Ref::Old(v) => Some(*v),
            _ => None,
        })
    }
}
