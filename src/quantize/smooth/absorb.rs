//! Where a value is divided at no cost: in the constants of what makes it.
//!
//! ```text
//! Conv(Relu(Conv(x, v, b)), w)   =   Conv(Relu(Conv(x, v / s, b / s)), s w)
//! ```
//!
//! Weights and biases of products and normalizations take the division in, and so do constants that a value is multiplied
//! with; what is added is divided too. What passes positive factors on lets it through. (Nagel et al. 2019, Data-Free
//! Quantization Through Weight Equalization and Bias Correction, section 4.1.)

use super::Smoothing;
use crate::ir::{Dim, Graph, Node, NodeId, Use, ValueId};
use crate::quantize::layers::Layer;
use crate::tensor::{DType, Tensor};

/// How many nodes a division passes at most.
const DEPTH: usize = 4;
/// Functions that runtimes recognize by the constants around them.
const CURVES: [&str; 4] = ["Erf", "Tanh", "Sigmoid", "Exp"];

/// A constant that is divided.
pub(super) struct Slot {
    pub(super) node: NodeId,
    pub(super) at: usize,
    along: Along,
}

/// Where its channels lie.
#[derive(Clone, Copy)]
enum Along {
    /// Along its own axis.
    Axis(usize),
    /// Where it meets those of the value: so many dims from the last, the last being 1. It may be one number for all.
    FromLast(usize),
}

/// The constants to divide by so many numbers along an axis; `None` where the division is to be a node of its own.
pub(super) fn slots(
    graph: &Graph,
    value: ValueId,
    (axis, len): (usize, usize),
    readers: &[NodeId],
) -> Option<Vec<Slot>> {
    let reads = |u: &Use| matches!(u, Use::Operand { node, index: 0 } if readers.contains(node));
    if !graph.value(value).uses().iter().all(reads) {
        return None;
    }
    let finder = Finder { graph, rank: graph.rank(value)?, axis, len };
    let mut found = Vec::new();
    finder.divide(value, DEPTH, &mut found)?;
    Some(found)
}

/// Divides a constant; `None` where it does not fit.
pub(super) fn divided(graph: &Graph, slot: &Slot, smoothing: &Smoothing) -> Option<Tensor> {
    let old = graph.const_value(graph.node(slot.node).input(slot.at)?)?;
    if old.dtype() != DType::F32 {
        return None;
    }
    let (values, by) = (old.to_vec::<f32>()?, &smoothing.by);
    let mut shape = old.shape().to_vec();
    let axis = match slot.along {
        Along::Axis(axis) => axis,
        Along::FromLast(dims) => {
            while shape.len() < dims {
                shape.insert(0, 1);
            }
            shape.len() - dims
        }
    };
    let inner: usize = shape[axis + 1..].iter().product();
    let spread = values.len() == 1 && by.len() > 1 && matches!(slot.along, Along::FromLast(_));
    if spread {
        shape[axis] = by.len();
    }
    let count: usize = shape.iter().product();
    let old_at = |at: usize| if spread { 0 } else { at };
    let new = (0..count).map(|at| Some(values.get(old_at(at))? / by[at / inner % by.len()]));
    (shape[axis] == by.len()).then_some(())?;
    Tensor::from_slice(&shape, &new.collect::<Option<Vec<f32>>>()?).ok()
}

/// Looks for constants upwards from a value of so many channels along an axis.
struct Finder<'g> {
    graph: &'g Graph,
    rank: usize,
    axis: usize,
    len: usize,
}

impl Finder<'_> {
    /// Adds the constants to divide a value by; `None` where it cannot be so.
    fn divide(&self, value: ValueId, depth: usize, slots: &mut Vec<Slot>) -> Option<()> {
        let graph = self.graph;
        let dim = graph.shape(value).filter(|shape| shape.len() == self.rank)?[self.axis].as_fixed();
        let id = graph.producer(value).filter(|_| depth > 0 && dim == Some(self.len as u64))?;
        let node = graph.node(id);
        let op = node.op();
        if !op.domain.is_empty() || node.outputs()[0] != value {
            return None;
        }
        let mut slot = |at: usize, along| slots.push(Slot { node: id, at, along });
        if op.is("LayerNormalization") && self.axis + 1 == self.rank {
            let mut operands = 1..node.inputs().len();
            operands.clone().for_each(|at| slot(at, Along::FromLast(1)));
            return operands.all(|at| self.is_vector(node, at)).then_some(());
        }
        if let Ok(layer) = Layer::of(graph, node) {
            let channels = if op.is("Conv") { 1 } else { self.rank - 1 };
            slot(layer.weight, Along::Axis(layer.axis));
            layer.bias.into_iter().for_each(|at| slot(at, Along::FromLast(1)));
            let takes = op.is("Conv") || op.is("MatMul") || op.is("Gemm");
            return (takes && self.axis == channels).then_some(());
        }
        let only = || node.input(0).filter(|&v| graph.value(v).uses().len() == 1);
        match op.name {
            "Mul" | "Add" => {
                let at = (0..2).find(|&at| self.is_constant(node, at))?;
                let other = node.input(1 - at).filter(|&v| graph.rank(v) == Some(self.rank))?;
                slot(at, Along::FromLast(self.rank - self.axis));
                if op.name == "Mul" {
                    return (!behind_curve(graph, value, DEPTH)).then_some(());
                }
                let alone = graph.value(other).uses().len() == 1;
                alone.then(|| self.divide(other, depth - 1, slots))?
            }
            "Relu" | "LeakyRelu" => self.divide(only()?, depth - 1, slots),
            "MaxPool" | "AveragePool" | "GlobalAveragePool"
                if self.axis == 1 && node.outputs().len() == 1 =>
            {
                self.divide(only()?, depth - 1, slots)
            }
            _ => None,
        }
    }

    /// Whether an operand is a constant of one number for all channels, or of one or more for each.
    fn is_constant(&self, node: &Node, at: usize) -> bool {
        let Some(value) = node.input(at).filter(|&v| is_float(self.graph, v)) else { return false };
        let Some(shape) = self.graph.shape(value).filter(|shape| shape.len() <= self.rank) else {
            return false;
        };
        let one = |dim: &Dim| dim.as_fixed() == Some(1);
        let along = (shape.len() + self.axis).checked_sub(self.rank).and_then(|at| shape[at].as_fixed());
        shape.iter().all(one) || along == Some(self.len as u64)
    }

    /// Whether an operand is a constant of a number for each channel.
    fn is_vector(&self, node: &Node, at: usize) -> bool {
        let fits = |shape: &[Dim]| shape.len() == 1 && shape[0].as_fixed() == Some(self.len as u64);
        node.input(at).is_some_and(|v| is_float(self.graph, v) && self.graph.shape(v).is_some_and(fits))
    }
}

/// Whether a value is a constant in single precision.
fn is_float(graph: &Graph, value: ValueId) -> bool {
    graph.is_const(value) && graph.dtype(value) == Some(DType::F32)
}

/// Whether a value is made of a curve by arithmetic, as GELU is.
fn behind_curve(graph: &Graph, value: ValueId, depth: usize) -> bool {
    let Some(id) = graph.producer(value).filter(|_| depth > 0) else { return false };
    let node = graph.node(id);
    let arithmetic = ["Mul", "Add", "Div", "Sub"].iter().any(|op| node.op().is(op));
    CURVES.iter().any(|op| node.op().is(op))
        || arithmetic && node.inputs().flatten().any(|v| behind_curve(graph, v, depth - 1))
}
