//! Which nodes compute in whole numbers, and why the others do not.
//!
//! Products with a constant weight do wherever the target has a kernel. What stands between them does where all its operands
//! are whole already, so that nothing is rounded that was not rounded before: a sum of two convolutions, and no sum of
//! two products whose results stay floats. What only moves elements passes whole numbers on. A clamp right after
//! either belongs to it: the range of what it lets through is the one that counts. A sum that a convolution swallows takes its
//! other operand in whole numbers, where the target wants it so. Rows are looked up in a table of whole numbers.

use super::layers::Layer;
use crate::ir::{Graph, Node, NodeId, RegionId, Use, ValueId};
use crate::target::Quantized;
use crate::tensor::DType;
use rustc_hash::{FxHashMap, FxHashSet};

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
    /// A clamp that belongs to the product, or to what stands between, before it.
    Clamp,
    /// Operands and result are whole.
    Between {
        /// What is quantized behind it: its own result or that of its clamp.
        result: ValueId,
    },
    /// Elements are moved; the result has scale and zero point of the operand.
    Moved,
    /// A sum that belongs to the convolution of one operand; the other is quantized.
    Skip {
        /// The other operand.
        at: usize,
    },
    /// Rows of a constant are looked up; its columns have scales of their own.
    Lookup,
    /// It computes in floats, for this reason.
    Float(&'static str),
}

impl Role {
    /// Whether the node stays as it is.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float(_))
    }
}

/// Decides of every node of the main graph, in the order in which they run; nodes that compute no floats are left out.
/// Those that are `kept` stay as they are, for the reason given with them.
///
/// # Errors
/// The graph has a cycle.
pub fn choose(
    graph: &Graph,
    target: &Quantized,
    kept: &FxHashMap<NodeId, &'static str>,
) -> crate::error::Result<Vec<Choice>> {
    let mut chooser = Chooser {
        graph,
        target,
        kept,
        products: FxHashMap::default(),
        whole: FxHashSet::default(),
        clamps: FxHashSet::default(),
    };
    let order = crate::ir::topological(graph, RegionId::ROOT)?;
    Ok(order.into_iter().filter_map(|node| chooser.node(node)).collect())
}

/// How many products with a weight are in bodies of other nodes, where all stays as it is.
pub fn products_in_bodies(graph: &Graph, target: &Quantized) -> usize {
    let listed = |op: &str| target.to_whole.iter().chain(&target.to_float).any(|o| o == op);
    let product = |node: &Node| {
        let op = node.op();
        node.region() != RegionId::ROOT
            && op.domain.is_empty()
            && listed(op.name)
            && Layer::of(graph, node).is_ok()
    };
    graph.nodes().filter(|(_, node)| product(node)).count()
}

struct Chooser<'a> {
    graph: &'a Graph,
    target: &'a Quantized,
    kept: &'a FxHashMap<NodeId, &'static str>,
    /// Convolutions that compute in whole numbers, and how many came before each.
    products: FxHashMap<NodeId, usize>,
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
        let role = match self.kept.get(&id) {
            _ if self.clamps.contains(&id) => Role::Clamp,
            Some(why) => Role::Float(why),
            None => self.role(node),
        };
        match &role {
            Role::Product { result: None, .. } if node.op().is("Conv") => {
                self.products.insert(id, self.products.len());
            }
            Role::Product { result: Some(result), .. } => {
                self.whole.insert(*result);
            }
            Role::Between { result } => _ = self.whole.insert(*result),
            Role::Moved => self.whole.extend(node.outputs()),
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
            let read = if self.target.whole_bias { Layer::of } else { Layer::with_any_bias };
            if node.input(0).is_some_and(|data| self.is_dequantized(data)) {
                return Role::Float("its data are quantized already");
            }
            return match read(self.graph, node) {
                Ok(layer) => Role::Product { layer, result: to_whole.then(|| self.result(node)) },
                Err(why) => Role::Float(why),
            };
        }
        if self.target.lookups && op.is("Gather") {
            return self.lookup(node).map_or_else(Role::Float, |()| Role::Lookup);
        }
        if listed(&self.target.skips) {
            return self.skip(node).map_or_else(Role::Float, |at| Role::Skip { at });
        }
        let data: Vec<ValueId> =
            node.inputs().flatten().filter(|&v| self.graph.dtype(v) == Some(DType::F32)).collect();
        let whole = !data.is_empty() && data.iter().all(|v| self.whole.contains(v));
        match (listed(&self.target.between), listed(&self.target.moves)) {
            (true, _) if whole => Role::Between { result: self.result(node) },
            (_, true) if whole && data.len() == 1 => Role::Moved,
            (true, _) | (_, true) => Role::Float("an operand is a float"),
            _ => Role::Float("the target computes this operator in floats"),
        }
    }

    /// Whether rows of a constant are looked up that are floats.
    fn lookup(&self, node: &Node) -> Result<(), &'static str> {
        let table = node.input(0).ok_or("it has no table")?;
        if !self.graph.is_const(table) {
            return Err("the table is computed");
        }
        if self.graph.rank(table) != Some(2) || node.int("axis").unwrap_or(0) != 0 {
            return Err("it looks up no rows of a matrix");
        }
        if self.graph.rank(node.outputs()[0]).is_none() {
            return Err("the rank of its result is not known");
        }
        Ok(())
    }

    /// The operand of a sum that no convolution makes for it alone; of two that do, the one that comes first.
    fn skip(&self, node: &Node) -> Result<usize, &'static str> {
        let (Some(a), Some(b)) = (node.input(0), node.input(1)) else { return Err("an operand is left out") };
        if self.graph.is_const(a) || self.graph.is_const(b) {
            return Err("an operand is a constant");
        }
        let made = |value: ValueId| {
            let alone = self.graph.value(value).uses().len() == 1;
            self.graph.producer(value).filter(|_| alone).and_then(|p| self.products.get(&p))
        };
        let at = match (made(a), made(b)) {
            (Some(a), Some(b)) => usize::from(b < a),
            (Some(_), None) => 1,
            (None, Some(_)) => 0,
            (None, None) => return Err("no convolution in whole numbers makes an operand"),
        };
        if self.is_dequantized([a, b][at]) {
            return Err("the other operand is quantized already");
        }
        Ok(at)
    }

    /// Whether the model came with a quantizer for it.
    fn is_dequantized(&self, value: ValueId) -> bool {
        self.graph.producer_is(value, "DequantizeLinear").is_some()
    }

    /// What is quantized behind a node: the result of the clamp that alone reads it, else its own.
    fn result(&mut self, node: &Node) -> ValueId {
        let value = node.outputs()[0];
        let [Use::Operand { node: reader, index: 0 }] = self.graph.value(value).uses() else { return value };
        let clamp = self.graph.node(*reader);
        let here = clamp.region() == node.region() && !self.kept.contains_key(reader);
        if here && clamp.op().domain.is_empty() && self.target.clamps.iter().any(|o| o == clamp.op().name) {
            self.clamps.insert(*reader);
            return clamp.outputs()[0];
        }
        value
    }
}

/// Choices that cannot be carried out: a constant holds infinities or NaN. Reads every weight.
pub fn not_finite(graph: &Graph, choices: &[Choice]) -> Vec<NodeId> {
    let spoiled = |choice: &&Choice| {
        let node = graph.node(choice.node);
        let constants = match &choice.role {
            Role::Product { layer, .. } => [Some(layer.weight), layer.bias],
            Role::Lookup => [Some(0), None],
            _ => [None, None],
        };
        !constants.into_iter().flatten().filter_map(|at| node.input(at)).all(|v| is_finite(graph, v))
    };
    choices.iter().filter(spoiled).map(|c| c.node).collect()
}

/// Whether a constant in single precision holds neither infinities nor NaN.
fn is_finite(graph: &Graph, constant: ValueId) -> bool {
    let bytes = graph.const_value(constant).and_then(|tensor| tensor.bytes()).unwrap_or_default();
    bytes.as_chunks::<4>().0.iter().all(|&number| f32::from_le_bytes(number).is_finite())
}
