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
use crate::ir::{Graph, Node, NodeId, Use, ValueId};
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

/// The constants to divide; `None` where the division is to be a node of its own.
pub(super) fn slots(graph: &Graph, value: ValueId, axis: usize, readers: &[NodeId]) -> Option<Vec<Slot>> {
    let reads = |u: &Use| matches!(u, Use::Operand { node, index: 0 } if readers.contains(node));
    let mut found = Vec::new();
    let all = graph.value(value).uses().iter().all(reads);
    (all && divide(graph, value, graph.rank(value)?, axis, DEPTH, &mut found)).then_some(found)
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
    let spread = shape[axis] == 1 && by.len() > 1;
    if spread {
        shape[axis] = by.len();
    }
    let old_at = |at: usize| if spread { at / (inner * by.len()) * inner + at % inner } else { at };
    let count: usize = shape.iter().product();
    let new = (0..count).map(|at| Some(values.get(old_at(at))? / by[at / inner % by.len()]));
    (shape[axis] == by.len()).then_some(())?;
    Tensor::from_slice(&shape, &new.collect::<Option<Vec<f32>>>()?).ok()
}

/// Whether a value can be divided; `false` may leave slots behind.
fn divide(
    graph: &Graph,
    value: ValueId,
    rank: usize,
    axis: usize,
    depth: usize,
    slots: &mut Vec<Slot>,
) -> bool {
    let Some(id) = graph.producer(value).filter(|_| depth > 0) else { return false };
    let node = graph.node(id);
    let op = node.op();
    if !op.domain.is_empty() || node.outputs()[0] != value {
        return false;
    }
    let mut slot = |at: usize, along| slots.push(Slot { node: id, at, along });
    if op.is("LayerNormalization") && axis + 1 == rank {
        (1..node.inputs().len()).for_each(|at| slot(at, Along::FromLast(1)));
        return (1..node.inputs().len()).all(|at| is_float(graph, node, at));
    }
    if let Ok(layer) = Layer::of(graph, node) {
        let channels = if op.is("Conv") { 1 } else { rank - 1 };
        slot(layer.weight, Along::Axis(layer.axis));
        layer.bias.into_iter().for_each(|at| slot(at, Along::FromLast(1)));
        return (op.is("Conv") || op.is("MatMul") || op.is("Gemm")) && axis == channels;
    }
    let constant = (0..node.inputs().len()).find(|&at| is_float(graph, node, at));
    let next = |at: usize, slots: &mut Vec<Slot>| {
        let value =
            node.input(at).filter(|&v| graph.value(v).uses().len() == 1 && graph.rank(v) == Some(rank));
        value.is_some_and(|v| divide(graph, v, rank, axis, depth - 1, slots))
    };
    match (op.name, constant) {
        ("Mul" | "Add", Some(at)) if node.inputs().len() == 2 => {
            slot(at, Along::FromLast(rank - axis));
            let fits = graph.rank(node.inputs().flatten().nth(1 - at).unwrap_or(value)) == Some(rank);
            fits && if op.name == "Mul" { !behind_curve(graph, value, DEPTH) } else { next(1 - at, slots) }
        }
        ("Relu" | "LeakyRelu", _) => next(0, slots),
        ("MaxPool" | "AveragePool" | "GlobalAveragePool", _) if axis == 1 && node.outputs().len() == 1 => {
            next(0, slots)
        }
        _ => false,
    }
}

/// Whether an operand is a constant in single precision.
fn is_float(graph: &Graph, node: &Node, at: usize) -> bool {
    node.input(at).is_some_and(|v| graph.is_const(v) && graph.dtype(v) == Some(DType::F32))
}

/// Whether a value is made of a curve by arithmetic, as GELU is.
fn behind_curve(graph: &Graph, value: ValueId, depth: usize) -> bool {
    let Some(id) = graph.producer(value).filter(|_| depth > 0) else { return false };
    let node = graph.node(id);
    let arithmetic = ["Mul", "Add", "Div", "Sub"].iter().any(|op| node.op().is(op));
    CURVES.iter().any(|op| node.op().is(op))
        || arithmetic && node.inputs().flatten().any(|v| behind_curve(graph, v, depth - 1))
}
