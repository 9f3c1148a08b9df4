//! Which nodes compute in whole numbers, and why the others do not.
//!
//! Products with a constant weight do wherever the target has a kernel. What stands between them does where all its operands
//! are whole already, so that nothing is rounded that was not rounded before: a sum of two convolutions, and no sum of
//! two products whose results stay floats. What only moves elements passes whole numbers on. A clamp right after a product
//! belongs to it: the range of what it lets through is the one that counts.

use super::layers::Layer;
use crate::ir::{Graph, Node, NodeId, RegionId, Use, ValueId};
use crate::target::Quantized;
use crate::tensor::DType;
use rustc_hash::FxHashSet;

/// What was decided of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The node.
    pub node: NodeId,
    /// What it does in whole numbers, or why it stays as it is.
    pub role: Role,
}

/// What a node does in whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// A product with a weight. `result` is what is quantized behind it: its own result or that of its clamp.
    Product {
        /// Where its operands are.
        layer: Layer,
        /// Quantized too, where the kernel wants it.
        result: Option<ValueId>,
    },
    /// A clamp that belongs to the product before it.
    Clamp,
    /// Operands and result are whole.
    Between,
    /// Elements are moved; the result has scale and zero point of the operand.
    Moved,
    /// It computes in floats, for this reason.
    Float(&'static str),
}

/// Decides of every node of the main graph, in the order in which they run; nodes that compute no floats are left out.
///
/// # Errors
/// The graph has a cycle.
pub fn choose(graph: &Graph, target: &Quantized) -> crate::error::Result<Vec<Choice>> {
    let mut chooser = Chooser { graph, target, whole: FxHashSet::default(), clamps: FxHashSet::default() };
    let order = crate::ir::topological(graph, RegionId::ROOT)?;
    Ok(order.into_iter().filter_map(|node| chooser.node(node)).collect())
}

struct Chooser<'a> {
    graph: &'a Graph,
    target: &'a Quantized,
    /// Values that are quantized anyway.
    whole: FxHashSet<ValueId>,
    clamps: FxHashSet<NodeId>,
}

impl Chooser<'_> {
    fn node(&mut self, id: NodeId) -> Option<Choice> {
        let node = self.graph.node(id);
        let float = |v: &ValueId| self.graph.dtype(*v) == Some(DType::F32);
        if !node.outputs().iter().any(float) {
            return None;
        }
        let role = if self.clamps.contains(&id) { Role::Clamp } else { self.role(node) };
        match &role {
            Role::Product { result: Some(result), .. } => {
                self.whole.insert(*result);
            }
            Role::Between | Role::Moved => self.whole.extend(node.outputs()),
            _ => {}
        }
        Some(Choice { node: id, role })
    }

    fn role(&mut self, node: &Node) -> Role {
        let op = node.op();
        if !op.domain.is_empty() {
            return Role::Float("the target computes this operator in floats");
        }
        let listed = |ops: &[String]| ops.iter().any(|o| o == op.name);
        let to_whole = listed(&self.target.to_whole);
        if to_whole || listed(&self.target.to_float) {
            return match Layer::of(self.graph, node) {
                Ok(layer) => Role::Product { layer, result: to_whole.then(|| self.result(node)) },
                Err(why) => Role::Float(why),
            };
        }
        let data: Vec<ValueId> =
            node.inputs().flatten().filter(|&v| self.graph.dtype(v) == Some(DType::F32)).collect();
        let whole = !data.is_empty() && data.iter().all(|v| self.whole.contains(v));
        match (listed(&self.target.between), listed(&self.target.moves)) {
            (true, _) if whole => Role::Between,
            (_, true) if whole && data.len() == 1 => Role::Moved,
            (true, _) | (_, true) => Role::Float("an operand is a float"),
            _ => Role::Float("the target computes this operator in floats"),
        }
    }

    /// What is quantized behind a product: the result of the clamp that alone reads it, else its own.
    fn result(&mut self, node: &Node) -> ValueId {
        let value = node.outputs()[0];
        let [Use::Operand { node: reader, index: 0 }] = self.graph.value(value).uses() else { return value };
        let clamp = self.graph.node(*reader);
        let here = clamp.region() == node.region();
        if here && clamp.op().domain.is_empty() && self.target.clamps.iter().any(|o| o == clamp.op().name) {
            self.clamps.insert(*reader);
            return clamp.outputs()[0];
        }
        value
    }
}
